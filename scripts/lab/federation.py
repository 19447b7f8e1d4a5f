"""presmesh nodes, made the way an operator makes them: presmesh init, a federation file, presmesh.toml, presmeshd."""
import json
import subprocess
import tomllib
import urllib.error
import urllib.request

from . import BIN, LabError, wait_for
from . import sip as sip_probe


def run(*arguments, check=True):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if check and done.returncode:
        raise LabError(f"{' '.join(str(a) for a in arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Node:
    def __init__(self, federation, name, domain, sip, kamailio, xmpp, xmpp_domains, xmpp_gateway, default_rule, crash_bound, extra):
        self.lab, self.federation, self.name, self.domain = federation.lab, federation, name, domain
        self.folder = self.lab.folder / name
        self.port = self.lab.port(align=8)
        self.http_port = self.lab.port()
        self.sip_port = self.lab.port() if sip else None
        self.kamailio, self.xmpp, self.xmpp_domains, self.xmpp_gateway = kamailio, xmpp, xmpp_domains, xmpp_gateway
        self.sip, self.default_rule, self.crash_bound, self.extra = sip, default_rule, crash_bound, extra
        self.process = None
        run(BIN / "presmesh", "init", domain, "--dir", self.folder, "--advertise", f"127.0.0.1:{self.port}")
        self.made = tomllib.loads((self.folder / "presmesh.toml").read_text())
        self.token = next(line.split()[0] for line in (self.folder / "tokens").read_text().splitlines() if not line.startswith("#"))
        self.config = self.folder / "presmesh.toml"

    def write_config(self):
        node = self.made["node"]
        lines = ["[node]", f'domain = "{self.domain}"', f'key = "{node["key"]}"', f'certificate = "{node["certificate"]}"',
                 f'federation = "{self.federation.file}"', f'listen = ["127.0.0.1:{self.port}"]',
                 f'advertise = ["127.0.0.1:{self.port}"]', f'crash_bound = "{self.crash_bound}s"', "shards = 1",
                 "[presence]", f'default_rule = "{self.default_rule}"', *(['change_interval = "0s"'] if self.federation.quiet else []),
                 "[http]", f'listen = ["127.0.0.1:{self.http_port}"]', f'token_file = "{self.made["http"]["token_file"]}"',
                 "[log]", 'level = "debug"' if not self.federation.quiet else 'level = "warning"']
        if self.sip == "serve":
            lines += ["[[sip]]", 'mode = "serve"', f'listen = ["127.0.0.1:{self.sip_port}"]']
            if self.federation.quiet:
                lines += ['rate_interval = "0s"']
        elif self.sip == "attach":
            lines += ["[[sip]]", 'mode = "attach"', f'listen = ["127.0.0.1:{self.sip_port}"]',
                      f'server = "sip:127.0.0.1:{self.kamailio.port}"', f'watcher = "sip:presmesh@{self.domain}"', 'ping_every = "1s"']
        if self.xmpp:
            hosts = [(domain, "") for domain in self.xmpp_domains] + ([(self.xmpp_gateway, ", gateway = true")] if self.xmpp_gateway else [])
            components = ", ".join(f'{{ host = "{host}", secret = "{self.xmpp.secret}"{more} }}' for host, more in hosts)
            lines += ["[[xmpp]]", f'domain = "{self.domain}"', f'server = "127.0.0.1:{self.xmpp.component_port}"',
                      f"components = [{components}]", 'reconnect_min = "1s"', 'reconnect_max = "2s"']
        self.config.write_text("\n".join(lines + self.extra) + "\n")
        self.config.chmod(0o600)  # it may hold a component's secret
        run(BIN / "presmeshd", "--config", self.config, "--check-config")

    def start(self):
        self.process = self.lab.start(f"presmeshd-{self.name}", [BIN / "presmeshd", "--config", self.config], folder=self.folder,
                                      ready=self.ready)
        return self

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=1):
                return self.sip_port is None or sip_probe.answers(self.sip_port)
        except (OSError, urllib.error.URLError):
            return False

    def stop(self):
        return self.process.stop()

    def kill(self):
        return self.process.kill()

    def restart(self, crash=False):
        self.kill() if crash else self.stop()
        return self.start()

    # ---- HTTP
    def call(self, method, path, body=None, content_type="application/json", accept="application/json", token=None):
        """(status, headers, body) of a request; JSON bodies are decoded."""
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {token or self.token}")
        request.add_header("Accept", accept)
        if data is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text, headers, status = answer.read(), answer.headers, answer.status
        except urllib.error.HTTPError as error:
            text, headers, status = error.read(), error.headers, error.code
        if "json" in (headers.get("Content-Type") or "") and text:
            return status, headers, json.loads(text)
        return status, headers, text

    def allow(self, presentity, who, handling="allow"):
        run(BIN / "presmesh", "--config", self.config, "rules", presentity, f"{who}={handling}")

    def status(self):
        status, _, body = self.call("GET", "/v1/node")
        if status != 200:
            raise LabError(f"GET /v1/node of {self.name}: {status} {body}")
        return body


class Federation:
    """Nodes that know each other. Call node() for each, then start()."""

    def __init__(self, lab, quiet=True):
        self.lab, self.quiet = lab, quiet
        self.file = lab.folder / "federation.toml"
        self.nodes = []
        run(BIN / "presmesh", "federation", "new", self.file)

    def node(self, name, domain, sip=None, kamailio=None, xmpp=None, xmpp_domains=(), xmpp_gateway=None,
             default_rule="allow", crash_bound=30, extra=()):
        node = Node(self, name, domain, sip, kamailio, xmpp, xmpp_domains, xmpp_gateway, default_rule, crash_bound, list(extra))
        self.nodes.append(node)
        run(BIN / "presmesh", "federation", "add", self.file, node.folder / "federation.toml")
        return node

    def start(self):
        for node in self.nodes:
            node.write_config()
            node.start()
        self.wait_joined()
        return self

    def wait_joined(self, seconds=20):
        """Until every node has a session with some other."""
        if len(self.nodes) > 1:
            for node in self.nodes:
                wait_for(lambda: node.status()["overlay"]["peers"], seconds, f"{node.name} to meet another node")
