"""Real XMPP clients: slixmpp users (xmpp_client.py) as processes of their own, driven line by line."""
import json
import pathlib
import subprocess

from . import PYTHON, LabError, wait_for

CLIENT = pathlib.Path(__file__).resolve().parent / "xmpp_client.py"


class User:
    """Logs in on a loopback port; everything heard is kept as dicts (see xmpp_client.py for their fields)."""

    def __init__(self, lab, name, jid, port, password="secret", approve=False, quiet=False):
        self.jid, self.name = jid, name
        arguments = [PYTHON, CLIENT, "--jid", jid, "--password", password, "--port", str(port)]
        arguments += ["--approve"] if approve else []
        arguments += ["--quiet"] if quiet else []
        self.process = lab.start(name, arguments, folder=lab.sub(name), stdin=subprocess.PIPE, env={"PYTHONUNBUFFERED": "1"})
        self.wait(lambda e: e["event"] in ("online", "failed"), 20, "log-in")

    def say(self, line):
        self.process.popen.stdin.write((line + "\n").encode())
        self.process.popen.stdin.flush()

    def heard(self):
        out = []
        for line in self.process.log.read_text(errors="replace").splitlines():
            try:
                out.append(json.loads(line))
            except ValueError:
                continue  # a warning of the interpreter, or half a line
        return out

    def presences(self, bare=None):
        return [e for e in self.heard() if e["event"] == "presence" and (bare is None or (e["from"] or "").split("/")[0] == bare)]

    def wait(self, condition, seconds=10, what="a stanza", after=0):
        """The first event heard (from number `after` on) that satisfies `condition`."""
        try:
            return wait_for(lambda: next((e for e in self.heard()[after:] if condition(e)), None), seconds, what, every=0.01)
        except LabError as error:
            raise LabError(f"{error}; {self.jid} heard last: {self.heard()[-3:]}") from None

    def mark(self):
        """How much was heard so far: to wait for something later than now."""
        return len(self.heard())

    def stop(self):
        self.process.stop()
