#!/usr/bin/env python3
"""A soak of the translators' edge: a node that serves SIP itself, and nodes beside a real Kamailio, Prosody and ejabberd, on loopback;
SIP and XMPP users who publish, watch, ask, allow and refuse; servers, nodes and what lies between them in hardships at random.

As soak.py: what is drawn comes from the seed; rounds of hardships, each followed by calm in which every watcher must come to equal every
source, and every roster what its person wants. Ends with status 1 where something was shown that must not be."""
import argparse
import asyncio
import os
import pathlib
import random
import signal
import socket
import struct
import sys
import types
import xml.etree.ElementTree as ET

import soak
from clients import PIDF, Sip, Subscriber, read_notes
from lab import Lab
from lab.ejabberd import Ejabberd
from lab.federation import Federation, run
from lab.kamailio import Kamailio
from lab.prosody import Prosody
from model import FLICKER, Device, User, Watch
from soak import SLACK, Node, Soak
from xmpp import Resource, Window, XmppUser, priority_of, show_of, texts_of

BOUND = soak.BOUND = 15  # crash_bound, s
HOLD = 20  # outage_hold of an XMPP server, s
LAST = 45  # what a server's outage may leave behind for so long: hold, probes, new subscriptions
soak.SETTLE = 90  # of which 60 after an end that the server did not see
A, B, C, D = "a.example", "b.example", "c.example", "d.example"
NAMES = ["u0", "u1", "u2"]


class Pipe:
    """Between a node and its server's component port: passes on, stands still, or cuts."""

    def __init__(self, to):
        self.to, self.flows = to, asyncio.Event()
        self.flows.set()
        self.open_, self.pairs, self.kept = True, [], []

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def serve(self, reader, writer):
        if not self.open_:
            return writer.transport.abort()
        try:
            other_reader, other = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            return writer.transport.abort()
        pair = (writer, other)
        self.pairs.append(pair)
        await asyncio.gather(self.copy(reader, other), self.copy(other_reader, writer), return_exceptions=True)
        self.pairs.remove(pair)
        for one in pair:
            if one not in self.kept:
                one.transport.abort()

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        finally:
            if writer not in self.kept:
                writer.close()

    def cut(self):
        for one in [one for pair in self.pairs for one in pair]:
            one.transport.abort()

    def halve(self):
        """The node's side is reset; the server hears nothing of it."""
        self.kept += [server for _, server in self.pairs]
        for node, _ in self.pairs:
            node.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
            node.transport.abort()

    def end_halves(self):
        for one in self.kept:
            one.transport.abort()
        self.kept.clear()


class Edge:
    """An attached server, and what may happen to it."""

    def __init__(self, world, inner, domain):
        self.world, self.inner, self.domain, self.name = world, inner, domain, inner.name
        self.up, self.since, self.starts, self.busy = True, 0.0, 1, False
        self.sip_port, self.c2s_port = getattr(inner, "port", None), getattr(inner, "c2s_port", None)

    async def start(self):
        await asyncio.to_thread(self.inner.start)
        self.starts += 1
        self.up, self.since = True, self.world.now()

    def down(self):
        self.up = False

    def signal(self, number):
        os.killpg(self.inner.process.pid, number)


class SipDevice(Device):
    async def refresh(self):
        if self.node.name == "kamailio" and self.world.args.kamailio == "memory":
            return await self.put()  # of a publication refreshed without a body it forgets the body, and tells its watchers nothing
        await super().refresh()

    async def ask(self, what, n):
        while self.node.name == "kamailio" and not self.node.up:
            await asyncio.sleep(0.2)
        began = self.world.now()
        answer = await super().ask(what, n)
        if what == "put" and self.node.name == "kamailio" and self.world.now() - began > 0.4:
            self.leave([n])  # it takes what is sent again for another publication, and of two with one tuple id shows the older
        return answer

    def pidf(self, n):
        show = f"<show xmlns='jabber:client'>{show_of(n)}</show>" if show_of(n) else ""
        one, two = texts_of(self.user, self.name, n)
        return (f"<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:{self.user}'>"
                f"<tuple id='{self.name}'><status><basic>open</basic>{show}</status>"
                f"<contact priority='{priority_of(n) / 127:.3f}'>sip:{self.user}</contact>"
                f"<note>{one}</note><note xml:lang='de'>{two}</note></tuple></presence>\n")


class SipUser:
    """Of Kamailio, where everybody may watch."""
    blocked, block_acked, maybe, rule_node = {}, {}, False, None

    def __init__(self, name, domain):
        self.uri, self.domain, self.devices = f"{name}@{domain}", domain, []

    def __str__(self):
        return self.uri


class Reader(Subscriber):
    def read(self, body):
        notes = []
        tuples = ET.fromstring(body).findall(PIDF + "tuple")
        for one in tuples:
            if one.findtext(f"{PIDF}status/{PIDF}basic") != "open":
                continue
            texts = [n.text for n in one.findall(PIDF + "note")]
            notes += texts
            for name, (user, n) in read_notes(texts).items():
                contact = one.find(PIDF + "contact")
                priority = round(127 * float(contact.get("priority") or 0)) if contact is not None else 0
                have = (one.findtext(f"{PIDF}status/{{jabber:client}}show"), priority, texts)
                want = (show_of(n), priority_of(n), texts_of(user, name, n))
                if have != want and not one.get("id").endswith("summary"):  # of a record, until the document has come
                    self.sip.complain("garbled", f"{self.watch}: {have}, should be {want}")
        return notes, len(tuples)


class View(Watch):
    """What a SIP watcher is shown."""

    def is_prompt(self):
        return all(self.world.now() - self.world.bad_at[domain] > 3 for domain in (self.node.domain, self.user.domain))

    def wrong(self):
        if self.watcher in self.user.blocked or self.watcher in getattr(self.user, "ripe", ()):
            return f"refused, and sees {self.notes}" if self.notes and self.watcher in self.user.blocked else ""
        return super().wrong()


class Servers(Soak):
    async def build(self, lab):
        federation = Federation(lab, quiet=True)
        make = dict(crash_bound=BOUND)
        domains = [A, B, C, D]
        a = federation.node("a", A, sip="serve", default_rule="confirm", **make)
        b = federation.node("b", B, sip="attach", **make)
        servers = [Kamailio(lab, "kamailio", B, self.args.kamailio, translator_port=b.sip_port),
                   Prosody(lab, "prosody", C, [A, B, D], users=NAMES), Ejabberd(lab, "ejabberd", D, [A, B, C], users=NAMES)]
        b.kamailio = servers[0]
        self.pipes = {}
        for name, domain, server in (("c", C, servers[1]), ("d", D, servers[2])):
            pipe = self.pipes[domain] = await Pipe(server.component_port).start()
            front = types.SimpleNamespace(secret=server.secret, component_port=pipe.port)
            federation.node(name, domain, xmpp=front, xmpp_domains=[d for d in domains if d != domain],
                            extra=[f'outage_hold = "{HOLD}s"'], **make)
        await asyncio.gather(*(asyncio.to_thread(s.start) for s in servers))
        self.edges = {domain: Edge(self, server, domain) for domain, server in zip([B, C, D], servers)}
        self.nodes = [Node(self, inner) for inner in federation.nodes]
        self.by_domain = {n.domain: n for n in self.nodes}
        self.contact, self.bad_at = {}, {d: 0.0 for d in domains}
        self.bad_spans = {d: [] for d in domains}
        self.cut, self.barred, self.loss = soak.collections.Counter(), soak.collections.Counter(), 0
        for node in self.nodes:
            node.prepare()
        await asyncio.gather(*(n.start() for n in self.nodes))
        self.sip = await Sip(random.Random(self.args.seed + 1), self.violate).open()
        self.people()
        await asyncio.gather(*(u.tell_rules() for u in self.users))
        self.tasks = [asyncio.create_task(x.run()) for x in self.users + self.persons + self.sources]
        self.subscribers = []
        for watch in self.watches:
            if watch.kind == "sip":
                watch.subscriber = Reader(self.sip, watch, self.by_domain[A] if watch.watcher.endswith(A) else self.edges[B], watch.watcher,
                                          watch.user.uri, self.rng.choice([90, 120, 600]))
                self.subscribers.append(watch.subscriber)
                self.tasks.append(asyncio.create_task(watch.subscriber.run()))
        self.tasks.append(asyncio.create_task(self.check()))

    def people(self):
        self.watches = []
        self.users = [User(self, name, A) for name in NAMES]
        phones = [SipUser(name, B) for name in NAMES]
        self.persons = [XmppUser(self, name, domain, self.by_domain[domain], self.edges[domain]) for domain in (C, D) for name in NAMES]
        for user in self.users + phones:
            for i in range(self.rng.choice([1, 2])):
                home = self.by_domain[A] if user.domain == A else self.edges[B]
                user.devices.append(SipDevice(self, user, f"d{i}", home, "sip", 3600 if user.domain == B else self.rng.choice([60, 3600])))
        for user in self.persons:
            user.devices = [Resource(self, user, f"r{i}") for i in range(self.rng.choice([1, 2, 2]))]
        self.rosters = self.persons
        everyone = self.everyone = {u.uri: u for u in self.users + phones + self.persons}
        self.sources = [d for u in everyone.values() for d in u.devices]
        for user in everyone.values():
            others = [u for u in everyone.values() if u.domain != user.domain]
            for other in self.rng.sample(others, self.args.watched):
                if isinstance(other, XmppUser):
                    other.watchers.add(user.uri)
                if isinstance(user, XmppUser):
                    user.contacts[other.uri] = True
                    self.watches += [Window(self, resource, other) for resource in user.devices]
                else:
                    self.watches.append(View(self, self.by_domain[user.domain], user.uri, other, "sip"))

    def allows(self, presentity, watcher):
        user = self.everyone[presentity]
        return not user.maybe and watcher not in user.blocked and watcher not in getattr(user, "ripe", ())

    def was_bad(self, domain, at):
        """Was a server, its node or the connection between them away, or about to go?"""
        return any(began - 2 < at < ended + 5 for began, ended in self.bad_spans[domain])

    def together(self, domain):
        return self.by_domain[domain].up

    def sibling(self, node):
        return None

    # ---- the model
    async def check(self):
        while True:
            await asyncio.sleep(0.25)
            now = self.now()
            for node in self.nodes:
                if node.up and not node.inner.process.running():
                    self.violate("exit", f"{node.name} ended by itself with {node.inner.process.popen.returncode}: {node.inner.process.tail(5)}")
                    os.kill(os.getpid(), signal.SIGINT)
                for other in self.nodes:
                    if node.up and other.up and not self.cut[(other.name, node.name)]:
                        self.contact[(node.name, other.name)] = now
            for domain, node in self.by_domain.items():
                edge, pipe = self.edges.get(domain), self.pipes.get(domain)
                if not node.up or (edge and not edge.up) or (pipe and (pipe.kept or not (pipe.open_ and pipe.flows.is_set()))):
                    spans = self.bad_spans[domain]
                    if not spans or now - spans[-1][1] > 1:
                        spans.append([now, now])
                    self.bad_at[domain] = spans[-1][1] = now
            for device in self.sources:
                late = now - self.bad_at[device.user.domain] < LAST and device.user.domain != A
                for n in device.issued if late else device.possible(now):
                    if n is not None:
                        device.ok[n] = now
            for watch in self.watches:
                for name, (began, text) in list(watch.doubtful.items()):
                    if now - began > FLICKER:
                        self.violate("older", text)
                        del watch.doubtful[name]
                # What came while a node stood still it reads afterwards, as if it came then.
                if now - self.bad_at[watch.node.domain] < 15 or now - watch.node.resumed < BOUND + SLACK:
                    continue
                for name, n in watch.notes.items():
                    device = watch.device(name)
                    if not watch.shows(device) or (name, n) in watch.reported or n in getattr(device, "directed", ()):
                        continue
                    home = self.by_domain[device.user.domain]
                    behind = now - min(device.ok.get(n, 0), self.contact.get((watch.node.name, home.name), 0))
                    if behind > BOUND + SLACK + FLICKER and n not in {one[0] for one in device.left}:
                        watch.reported.add((name, n))
                        self.violate("beyond", f"{watch}: {device} {n} is shown {watch.live}, {behind:.1f} s after it last was so; "
                                               f"may be {device.possible()}")

    # ---- hardships
    async def kill(self, node, rng):
        self.died(node)
        node.mark_up(False)
        node.inner.kill()
        await asyncio.sleep(rng.choice([0, 1, 3, 8, 20]))
        self.came_back(node)
        await node.start()

    async def term(self, node, rng):
        node.mark_up(False)
        at = self.now()
        status = await asyncio.to_thread(node.inner.process.stop)
        self.stops.append(self.now() - at)
        if status != 0 or self.stops[-1] > 5:
            self.violate("stop", f"{node.name}: status {status} after {self.stops[-1]:.1f} s")
        await asyncio.sleep(rng.choice([0, 0, 1, 5, 15]))
        await node.start()

    def server_is_down(self, edge):
        edge.down()
        if edge.domain == B and self.args.kamailio == "memory":
            for device in self.sources:
                if device.node is edge:
                    device.may, device.left = [(None, 0, 0)] + ([(device.flying, 1e9, 1e9)] if device.flying else []), []
                    device.uncertain = True

    async def server_kill(self, edge, rng):
        self.server_is_down(edge)
        await asyncio.to_thread(edge.inner.process.kill)
        await asyncio.sleep(rng.choice([0, 1, 5, 12, 25]))
        self.server_is_down(edge)
        await edge.start()

    async def server_stop(self, edge, rng):
        self.server_is_down(edge)
        await asyncio.to_thread(edge.inner.stop)
        await asyncio.sleep(rng.choice([0, 1, 5, 12]))
        self.server_is_down(edge)
        await edge.start()

    async def server_freeze(self, edge, rng):
        edge.down()
        edge.signal(signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(2, 25))
        edge.signal(signal.SIGCONT)
        edge.up, edge.since = True, self.now()

    async def pipe_cut(self, edge, rng):
        """The connection is reset; it may be refused for a while."""
        pipe = self.pipes[edge.domain]
        pipe.open_ = False
        pipe.cut()
        await asyncio.sleep(rng.choice([0.1, 1, 5, 15, 30]))
        pipe.open_ = True

    async def pipe_half(self, edge, rng):
        """Only the node sees that the connection ended, as where what lies between them forgot it."""
        pipe = self.pipes[edge.domain]
        pipe.halve()
        await asyncio.sleep(rng.uniform(2, 25))
        pipe.end_halves()

    async def pipe_stall(self, edge, rng):
        """Nothing passes; then all that waited, or nothing of it."""
        pipe = self.pipes[edge.domain]
        pipe.flows.clear()
        await asyncio.sleep(rng.choice([0.5, 3, 10, 25]))
        if rng.random() < 0.6:
            pipe.cut()
            await asyncio.sleep(0.1)
        pipe.flows.set()

    async def round(self, seconds):
        self.publishing = True
        end, under_way = self.now() + seconds, set()
        of_nodes = [self.kill] * 3 + [self.term] * 3 + [self.freeze] * 2 + [self.partition] * 2 + [self.lossy]
        of_servers = [self.server_kill] * 3 + [self.server_stop] * 2 + [self.server_freeze]
        while self.now() < end:
            await asyncio.sleep(self.fate.uniform(2, 8))
            free = [n for n in self.nodes if not n.busy]
            idle = [e for e in self.edges.values() if not e.busy]
            if self.fate.random() < 0.4 and len(free) > 2:
                where, what = self.fate.choice(free), self.fate.choice(of_nodes)
            elif len(idle) > 1:
                where = self.fate.choice(idle)
                what = self.fate.choice(of_servers + ([self.pipe_cut] * 3 + [self.pipe_stall] * 3 + [self.pipe_half] * 4 if where.domain in self.pipes else []))
            else:
                continue
            task = asyncio.create_task(self.hardship(where, what))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.gather(*under_way)
        self.publishing = False

    async def partition(self, node, rng):
        others = rng.sample([n for n in self.nodes if n is not node], rng.randrange(1, 4))
        pairs = [(node.name, o.name) for o in others] + ([] if rng.random() < 0.3 else [(o.name, node.name) for o in others])
        self.cut.update(pairs)
        self.set_loss()
        await asyncio.sleep(rng.uniform(5, 30))
        self.cut.subtract(pairs)
        self.set_loss()

    async def calm(self):
        stanzas = sum(d.stanzas for d in self.sources if isinstance(d, Resource)), sum(s.notifies for s in self.subscribers)
        await super().calm()
        for domain, edge in self.edges.items():
            self.rss[edge.name].append(round(edge.inner.process.resident_bytes() / 1e6, 1))
        after = sum(d.stanzas for d in self.sources if isinstance(d, Resource)), sum(s.notifies for s in self.subscribers)
        print(f"          in this calm {after[0] - stanzas[0]} stanzas, {after[1] - stanzas[1]} NOTIFYs", flush=True)

    async def run(self, lab):
        await super().run(lab)
        for edge in self.edges.values():
            await asyncio.to_thread(edge.inner.stop)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--minutes", type=float, default=5, help="no new round begins after so long (5)")
    parser.add_argument("--round", type=float, default=60, help="seconds of new hardships in a round (60)")
    parser.add_argument("--watched", type=int, default=4, help="whom each user watches (4)")
    parser.add_argument("--change", type=float, default=6, help="mean seconds between the acts of one device (6)")
    parser.add_argument("--kamailio", choices=["memory", "sqlite"], default="memory", help="where Kamailio keeps what it knows (memory)")
    parser.add_argument("--log", default="info", help="level of the daemons' logs (info)")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and trace.jsonl after a run without violations, too")
    parser.add_argument("--verbose", action="store_true", help="print each hardship as it begins")
    soak.soak(Servers, parser.parse_args(), "servers")


if __name__ == "__main__":
    main()
