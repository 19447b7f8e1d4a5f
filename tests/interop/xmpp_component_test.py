#!/usr/bin/python3
"""The XMPP translator and its shell against a real Prosody, with real clients; no node around it.

usage: xmpp_component_test.py XMPP_HARNESS
"""
import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
PATIENCE = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A child whose lines can be awaited."""

    def __init__(self, name, *command):
        self.name = name
        self.lines = queue.Queue()
        self.seen = []
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.lines.put(line.rstrip("\n"))

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def expect(self, what, matches):
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            try:
                line = self.lines.get(timeout=max(0.01, deadline - time.time()))
            except queue.Empty:
                break
            self.seen.append(line)
            if matches(line):
                return line
        sys.exit(f"FAILED: {self.name} never said: {what}\n  it said:\n    " + "\n    ".join(self.seen[-20:]))

    def line(self, text):
        return self.expect(text, lambda line: line == text)

    def event(self, **fields):
        return self.expect(str(fields), lambda line: all(json.loads(line).get(k) == v for k, v in fields.items()))

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()


class Prosody:
    def __init__(self, folder):
        self.folder, self.c2s, self.component = folder, free_port(), free_port()
        text = (HERE / "prosody.cfg.lua.in").read_text()
        components = "\n".join(f'Component "{name}" {{ component_secret = "s3cret" }}' for name in ("a.example", "gateway.x.example"))
        for key, value in {"DATA": folder, "DOMAIN": "x.example", "C2S_PORT": self.c2s, "COMPONENT_PORT": self.component,
                           "COMPONENTS": components}.items():
            text = text.replace(f"@{key}@", str(value))
        self.config = os.path.join(folder, "prosody.cfg.lua")
        pathlib.Path(self.config).write_text(text)
        for user in ("juliet", "nurse"):
            subprocess.run(["prosodyctl", "--config", self.config, "register", user, "x.example", "pw"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()

    def start(self):
        self.child = subprocess.Popen(["prosody", "--config", self.config, "-F"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.c2s)) == 0:
                    return
            time.sleep(0.05)
        sys.exit("FAILED: Prosody does not listen")

    def stop(self):
        self.child.terminate()
        self.child.wait(10)


def step(text):
    print("ok   " + text, flush=True)


def run(harness_path, folder, programs):
    prosody = Prosody(folder)
    programs.append(prosody)

    def client(user, *more):
        program = Program(user, "/usr/bin/python3", str(HERE / "xmpp_client.py"), "--jid", f"{user}@x.example/r", "--password",
                          "pw", "--port", str(prosody.c2s), *more)
        programs.append(program)
        program.event(event="online")
        return program

    host = Program("harness", harness_path, "x.example", str(prosody.component), "s3cret", "a.example", "gateway.x.example")
    programs.append(host)
    host.line("stream a.example: up")
    step("the handshake is taken")
    juliet = client("juliet")

    juliet.say("subscribe alice@a.example")
    host.line("watched alice@a.example juliet@x.example: yes")
    juliet.event(event="presence", type="subscribed", **{"from": "alice@a.example"})
    host.say("show alice@a.example <presence from='alice@a.example/phone'><show>away</show><status>at sea</status>"
             "<priority>5</priority></presence>")
    juliet.event(event="presence", show="away", status="at sea", priority=5, **{"from": "alice@a.example/phone"})
    step("an XMPP user subscribes and sees state, note and priority")
    for show in ("chat", "dnd", "xa"):
        host.say(f"show alice@a.example <presence from='alice@a.example/phone'><show>{show}</show></presence>")
        juliet.event(event="presence", show=show)
    step("every show value arrives")
    host.say("unknown alice@a.example")
    # A young watch is given time before unknown is told: the next state comes first.
    host.say("show alice@a.example <presence from='alice@a.example/phone'/>")
    juliet.event(event="presence", type="available", show=None)

    host.say("want juliet@x.example alice@a.example")
    juliet.event(event="presence", type="subscribe", **{"from": "alice@a.example"})
    juliet.say("subscribed alice@a.example")
    host.line("decided juliet@x.example alice@a.example: active ")
    juliet.say("presence show=dnd priority=3 status=in the orchard")
    host.line('published juliet@x.example: r open show=3 priority=3 "in the orchard"')
    step("one of ours watches an XMPP user, who approves and is seen")

    host.say("want juliet@x.example bob@b.example")
    juliet.event(event="presence", type="subscribe", **{"from": "bob\\40b.example@gateway.x.example"})
    juliet.say("unsubscribed bob\\40b.example@gateway.x.example")
    host.line("decided juliet@x.example bob@b.example: terminated rejected")
    step("the gateway host packs names, and a refusal is told")

    for command, ok in (("ping alice@a.example", True), ("disco a.example", True)):
        juliet.say(command)
        juliet.event(event="iq", ok=ok)
    juliet.say("message alice@a.example hello")
    juliet.event(event="message", type="error")
    step("iq and messages are answered")

    prosody.stop()
    host.line("stream a.example: waiting")
    host.say("show alice@a.example <presence from='alice@a.example/phone'><show>xa</show><status>meanwhile</status></presence>")
    juliet.event(event="closed")
    prosody.start()
    juliet = client("juliet")
    host.line("stream a.example: up")
    juliet.event(event="presence", show="xa", status="meanwhile", **{"from": "alice@a.example/phone"})
    host.line("published juliet@x.example: r open priority=0")
    step("Prosody restarts: both directions are whole again")

    juliet.say("unsubscribe alice@a.example")
    juliet.event(event="presence", type="unavailable", **{"from": "alice@a.example/phone"})
    juliet.say("unavailable status=good night")
    host.line('published juliet@x.example: r closed priority=0 "good night"')
    step("unsubscribed; offline is known as such")

    nurse = client("nurse")
    nurse.say("subscribe carol@a.example")
    nurse.event(event="presence", type="subscribed")
    host.say("reject carol@a.example")
    nurse.event(event="presence", type="unsubscribed", **{"from": "carol@a.example"})
    step("a rejection takes the authorization away")
    host.say("quit")
    host.child.wait(10)
    step("a clean stop")


def main():
    folder = tempfile.mkdtemp(prefix="presmesh-xmpp-")
    programs = []
    try:
        run(sys.argv[1], folder, programs)
        print("all crossings seen")
    finally:
        for program in reversed(programs):
            program.stop() if isinstance(program, Prosody) else program.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
