#!/usr/bin/python3
"""Three providers on loopback, presence crossing between all of them; started by scripts/demo."""
import argparse
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Lab, LabError  # noqa: E402
from lab.federation import Federation  # noqa: E402
from lab.kamailio import Kamailio  # noqa: E402
from lab.prosody import Prosody  # noqa: E402
from lab.sipp import Publisher, Watcher  # noqa: E402
from lab.xmpp import User  # noqa: E402

ALICE, BOB, JULIET = "alice@a.example", "bob@k.example", "juliet@x.example"
VIA = {ALICE: "SIP, node a", BOB: "SIP, Kamailio", JULIET: "XMPP, Prosody"}


def say(text):
    print(text, flush=True)


class Crossings:
    """The table: one line per change and watcher, as it happens."""

    def __init__(self, lab):
        self.lab = lab
        self.failed = 0
        self.times = []
        self.header()

    def header(self):
        say(f"\n{'who':<18} {'via':<14} {'change':<42} {'seen by':<18} {'via':<14} {'ms':>7}")
        say("-" * 118)

    def line(self, who, what, watcher, milliseconds, note=""):
        # sipp stamps a message once it has left: what takes less than a millisecond may be seen before.
        shown = "-" if milliseconds is None else f"{milliseconds:.1f}" if milliseconds >= 1 else "< 1"
        say(f"{who:<18} {VIA[who]:<14} {what:<42} {watcher:<18} {VIA[watcher]:<14} {shown:>7}  {note or 'ok'}")

    def expect(self, who, what, sent, watchers):
        """`watchers` maps a name to a function that waits and answers the time it saw the change."""
        for watcher, wait in watchers.items():
            try:
                seen = wait()
                self.times.append((seen - sent) * 1000)
                self.line(who, what, watcher, (seen - sent) * 1000)
            except LabError as error:
                self.failed += 1
                self.line(who, what, watcher, None, "NOT SEEN")
                say(f"    {error}")


def sip_sees(watcher, **wanted):
    """Waits until a SIP watcher's document has a tuple (or its person) with all of these."""
    def matches(state):
        return any(all(fits(state, t, key, value) for key, value in wanted.items()) for t in state["tuples"])

    def fits(state, t, key, value):
        if key == "note":
            return value in t["notes"] or value in state["notes"]
        if key == "activity":
            return value in t["activities"]
        return t[key] == value
    return lambda: watcher.wait(matches, 5, f"a NOTIFY with {wanted}")[0]


def xmpp_sees(user, bare, **wanted):
    return lambda: user.wait(lambda e: e["event"] == "presence" and (e["from"] or "").split("/")[0] == bare and
                             all(e[k] == v for k, v in wanted.items()), 5, f"a stanza with {wanted}")["t"]


def build_world(lab):
    say("Starting a Kamailio for k.example and a Prosody for x.example (Debian's packages, configs of their own, loopback ports)")
    federation = Federation(lab, quiet=False)
    # The server must know the port of the translator beside it, and the other way round.
    a = federation.node("a", "a.example", sip="serve")
    k = federation.node("k", "k.example", sip="attach")
    kamailio = Kamailio(lab, "kamailio", "k.example", "memory", translator_port=k.sip_port).start()
    k.kamailio = kamailio
    prosody = Prosody(lab, "prosody", "x.example", ["a.example", "k.example"], users=("juliet",)).start()
    x = federation.node("x", "x.example", xmpp=prosody, xmpp_domains=["a.example", "k.example"])
    say("Starting the three nodes: a.example (serves SIP itself), k.example (beside Kamailio), x.example (beside Prosody)")
    federation.start()
    say(f"  a.example: SIP 127.0.0.1:{a.sip_port}  HTTP 127.0.0.1:{a.http_port}  overlay UDP {a.port}")
    say(f"  k.example: Kamailio SIP 127.0.0.1:{kamailio.port}  HTTP 127.0.0.1:{k.http_port}  overlay UDP {k.port}")
    say(f"  x.example: Prosody XMPP 127.0.0.1:{prosody.c2s_port}  HTTP 127.0.0.1:{x.http_port}  overlay UDP {x.port}")
    return federation, a, k, x, kamailio, prosody


def run(lab):
    federation, a, k, x, kamailio, prosody = build_world(lab)
    say("Logging in juliet (slixmpp); alice and bob publish (sipp); everyone watches everyone")
    juliet = User(lab, "juliet", JULIET + "/balcony", prosody.c2s_port, approve=True)
    alice, bob = Publisher(lab, "alice", a.sip_port, ALICE, "phone"), Publisher(lab, "bob", kamailio.port, BOB, "desk")
    alice_first = alice.publish(note="good morning", priority="0.8")
    bob_first = bob.publish(note="just arrived", priority="0.5")
    watch = {
        (ALICE, BOB): Watcher(lab, "alice-watches-bob", a.sip_port, ALICE, BOB),
        (ALICE, JULIET): Watcher(lab, "alice-watches-juliet", a.sip_port, ALICE, JULIET),
        (BOB, ALICE): Watcher(lab, "bob-watches-alice", kamailio.port, BOB, ALICE),
        (BOB, JULIET): Watcher(lab, "bob-watches-juliet", kamailio.port, BOB, JULIET),
    }
    juliet.say(f"subscribe {ALICE}")
    juliet.say(f"subscribe {BOB}")
    for (watcher, presentity), needs in (((BOB, ALICE), {"note": "good morning"}), ((ALICE, BOB), {"note": "just arrived"}),
                                         ((ALICE, JULIET), {"basic": "open"}), ((BOB, JULIET), {"basic": "open"})):
        sip_sees(watch[watcher, presentity], **needs)()
    xmpp_sees(juliet, ALICE, type="available", status="good morning")()
    xmpp_sees(juliet, BOB, type="available", status="just arrived")()
    say("Everyone sees everyone's first state. Now the changes:")

    table = Crossings(lab)
    for change in ({"note": "in a meeting", "show": "dnd", "priority": "0.9", "activity": "busy"},
                   {"note": "lunch, back at two", "show": "away", "priority": "0.3"},
                   {"note": "free again", "show": "chat", "priority": "1"}):
        for publisher, who, sip_watcher in ((alice, ALICE, (BOB, ALICE)), (bob, BOB, (ALICE, BOB))):
            sent = publisher.publish(**change)
            table.expect(who, f"{change['show']}, prio {change['priority']}, \"{change['note']}\"", sent, {
                sip_watcher[0]: sip_sees(watch[sip_watcher], note=change["note"], show=change["show"], priority=change["priority"]),
                JULIET: xmpp_sees(juliet, who, show=change["show"], status=change["note"]),
            })
        status = "xmpp: " + change["note"]
        sent = time.time()
        juliet.say(f"presence show={change['show']} priority=5 status={status}")
        table.expect(JULIET, f"{change['show']}, prio 5, \"{status}\"", sent, {
            ALICE: sip_sees(watch[ALICE, JULIET], note=status, show=change["show"]),
            BOB: sip_sees(watch[BOB, JULIET], note=status, show=change["show"]),
        })
    second = User(lab, "juliet-phone", JULIET + "/phone", prosody.c2s_port, approve=True, quiet=True)
    sent = time.time()
    second.say("presence show=xa priority=1 status=second device")
    table.expect(JULIET, "a second device (xa)", sent, {
        ALICE: sip_sees(watch[ALICE, JULIET], note="second device", show="xa"),
        BOB: sip_sees(watch[BOB, JULIET], note="second device", show="xa")})
    sent = alice.remove()
    table.expect(ALICE, "gone (PUBLISH Expires: 0)", sent, {
        JULIET: lambda: juliet.wait(lambda e: e["event"] == "presence" and e["type"] == "unavailable" and
                                    (e["from"] or "").startswith(ALICE), 5, "unavailable")["t"]})
    sent = time.time()
    second.say("unavailable")
    juliet.say("unavailable")
    table.expect(JULIET, "gone (unavailable)", sent, {
        ALICE: lambda: watch[ALICE, JULIET].wait(lambda s: all(t["basic"] == "closed" for t in s["tuples"]), 5, "closed")[0],
        BOB: lambda: watch[BOB, JULIET].wait(lambda s: all(t["basic"] == "closed" for t in s["tuples"]), 5, "closed")[0]})
    return table, (a, k, x, kamailio, prosody)


def addresses(a, k, x, kamailio, prosody):
    say("\nStill running; Ctrl-C ends it. To try:")
    say(f"  SIP user of a.example:  register nothing, publish and subscribe at sip:127.0.0.1:{a.sip_port}")
    say(f"  SIP user of k.example:  the same at Kamailio, sip:127.0.0.1:{kamailio.port}")
    say(f"  XMPP user:              {JULIET}, password secret, 127.0.0.1:{prosody.c2s_port}, no TLS")
    for node in (a, k, x):
        say(f"  presmesh --config {node.config} status     (or publish, get, watch; metrics: http://127.0.0.1:{node.http_port}/metrics)")


def main():
    parser = argparse.ArgumentParser(description="see scripts/demo --help")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    begin = time.monotonic()
    with Lab("demo") as lab:
        try:
            table, world = run(lab)
        except LabError as error:
            say(f"\nVERDICT: failed before the table was done: {error}")
            return 1
        worst = max(table.times, default=0)
        say("-" * 118)
        if table.failed:
            say(f"VERDICT: FAILED, {table.failed} of {table.failed + len(table.times)} crossings were not seen")
        else:
            say(f"VERDICT: all {len(table.times)} crossings seen, the slowest after {worst:.0f} ms; {time.monotonic() - begin:.0f} s in all")
        if options.keep:
            addresses(*world)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                pass
        return 1 if table.failed else 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    say("\nstopped")
    sys.exit(130)
