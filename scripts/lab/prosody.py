"""A real Prosody from Debian's packages: one virtual host, its users, and components that belong to a presmesh node."""
import subprocess

from . import LabError, Server, tcp_open

CONFIG = """\
-- What an operator has anyway: a server for @DOMAIN@, its users in files.
run_as_root = true
daemonize = false
pidfile = "@FOLDER@/prosody.pid"
data_path = "@FOLDER@/data"
plugin_paths = {}
interfaces = { "127.0.0.1" }
c2s_ports = { @C2S_PORT@ }
s2s_ports = {}
component_ports = { @COMPONENT_PORT@ }
component_interfaces = { "127.0.0.1" }
http_ports = {}
https_ports = {}
modules_enabled = { "roster", "saslauth", "disco", "ping", "presence", "message", "iq" }
modules_disabled = { "s2s", "tls" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
limits = {}
log = { { levels = { min = "info" }, to = "console" } }

VirtualHost "@DOMAIN@"

-- The only change presmesh asks of an operator: one component per federation domain.
@COMPONENTS@
"""


class Prosody(Server):
    def __init__(self, lab, name, domain, components=(), secret="federation", users=(), password="secret"):
        self.lab, self.name, self.domain, self.secret = lab, name, domain, secret
        self.c2s_port, self.component_port = lab.port(), lab.port()
        self.folder = lab.sub(name)
        (self.folder / "data").mkdir(exist_ok=True)
        lines = "\n".join(f'Component "{c}"\n    component_secret = "{secret}"' for c in components)
        text = CONFIG.replace("@COMPONENTS@", lines)
        for key, value in {"DOMAIN": domain, "FOLDER": self.folder, "C2S_PORT": self.c2s_port,
                           "COMPONENT_PORT": self.component_port}.items():
            text = text.replace(f"@{key}@", str(value))
        self.config = self.folder / "prosody.cfg.lua"
        self.config.write_text(text)
        for user in users:
            self.register(user, password)

    def register(self, user, password):
        done = subprocess.run(["prosodyctl", "--root", "--config", str(self.config), "register", user, self.domain, password],
                              capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"prosodyctl register {user}: {done.stdout}{done.stderr}")

    def start(self):
        self.process = self.lab.start(self.name, ["/usr/bin/prosody", "--config", self.config, "-F"], folder=self.folder,
                                      ready=lambda: tcp_open(self.c2s_port) and tcp_open(self.component_port))
        return self
