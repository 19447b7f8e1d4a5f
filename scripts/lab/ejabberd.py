"""A real ejabberd from Debian's packages: one virtual host, its users, and a component port whose hosts belong to a presmesh node."""
import pathlib

from . import Server, tcp_open

# The modules are those of the package's own ejabberd.yml that see presence. Left out of it: TLS; the shaper, which would take half a
# minute over a client's large stanza; and mod_pres_counter (translators/xmpp/README.md).
CONFIG = """\
# What an operator has anyway: a server for @DOMAIN@, its users in Mnesia.
hosts: [ "@DOMAIN@" ]
loglevel: info
log_rotate_count: 0
auth_method: mnesia
auth_password_format: scram
modules:
  mod_adhoc: {}
  mod_avatar: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: { plugins: [ flat, pep ] }
  mod_push: {}
  mod_push_keepalive: {}
  mod_roster: { versioning: true }
  mod_shared_roster: {}
  mod_stream_mgmt: { resend_on_timeout: if_offline }
  mod_vcard: { search: false }
  mod_vcard_xupdate: {}
  mod_version: {}
listen:
  - port: @C2S_PORT@
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
# The only change presmesh asks of an operator: one host per federation domain, each with routes of its own.
  - port: @COMPONENT_PORT@
    ip: "127.0.0.1"
    module: ejabberd_service
    global_routes: @GLOBAL_ROUTES@
    hosts:
@COMPONENTS@
"""

# Runs in the server once it has started: makes the users it does not have yet, then says that all is there.
USERS = """\
[case ejabberd_auth:try_register(User, <<"@DOMAIN@">>, <<"@PASSWORD@">>) of ok -> ok; {error, exists} -> ok end || User <- [@USERS@]],
ok = file:write_file("@UP@", "").
"""


class Ejabberd(Server):
    def __init__(self, lab, name, domain, components=(), secret="federation", users=(), password="secret", global_routes=False):
        self.lab, self.name, self.domain, self.secret = lab, name, domain, secret
        self.c2s_port, self.component_port = lab.port(), lab.port()
        self.folder = lab.sub(name)
        self.up = self.folder / "up"
        text = CONFIG.replace("@COMPONENTS@", "\n".join(f'      "{c}": {{ password: "{secret}" }}' for c in components))
        for key, value in {"DOMAIN": domain, "C2S_PORT": self.c2s_port, "COMPONENT_PORT": self.component_port,
                           "GLOBAL_ROUTES": str(global_routes).lower()}.items():
            text = text.replace(f"@{key}@", str(value))
        self.config = self.folder / "ejabberd.yml"
        self.config.write_text(text)
        self.make_users = USERS
        for key, value in {"DOMAIN": domain, "PASSWORD": password, "UP": self.up,
                           "USERS": ", ".join(f'<<"{user}">>' for user in users)}.items():
            self.make_users = self.make_users.replace(f"@{key}@", str(value))

    def start(self):
        self.up.unlink(missing_ok=True)
        # Not by ejabberdctl, which becomes another user and wants a named Erlang node: that would listen on every address, and leave
        # an epmd behind. A node without a name does neither.
        libraries = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*")).parent
        self.process = self.lab.start(
            self.name, ["/usr/bin/erl", "-noinput", "+Q", "4096", "-mnesia", "dir", f'"{self.folder}/mnesia"', "-s", "ejabberd",
                        "-eval", self.make_users],
            folder=self.folder, seconds=60,
            env={"HOME": self.folder, "ERL_LIBS": libraries, "ERL_CRASH_DUMP_BYTES": "0", "EJABBERD_CONFIG_PATH": self.config,
                 "EJABBERD_LOG_PATH": self.folder / "log" / "ejabberd.log"},
            ready=lambda: self.up.exists() and tcp_open(self.c2s_port) and tcp_open(self.component_port))
        return self
