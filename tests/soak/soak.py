#!/usr/bin/env python3
"""A soak of real daemons: five nodes of four providers on loopback, users who publish and watch over HTTP and SIP, and
hardships at random; a model of what the users meant says what each watcher may be shown, at every moment and in the end.

What is drawn comes from the seed; how it falls together is up to the machine, so a run cannot be had again exactly. Rounds of hardships, each followed by calm in
which every watcher must come to equal every source. Ends with status 1 where something was shown that must not be."""
import argparse
import asyncio
import collections
import json
import mmap
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
from lab import BIN, Lab  # noqa: E402
from lab import federation as federation_module  # noqa: E402
from lab.federation import Federation, run  # noqa: E402
from clients import Broken, Sip, Stream, Subscriber, http  # noqa: E402
from model import DOMAINS, FLICKER, Device, User, Watch  # noqa: E402

BOUND = 30  # crash_bound, s
SLACK = 2
SETTLE = 60  # after the last hardship every watcher equals every source
GRACE = {"http": 5, "sip": 14}  # of a watcher whose node came back; a restored dialog leaves what was shown for 10 s
NODES = [("a1", "a.example"), ("a2", "a.example"), ("b", "b.example"), ("c", "c.example"), ("d", "d.example")]


class World:
    def __init__(self, args):
        self.args, self.rng, self.fate = args, random.Random(args.seed), random.Random(args.seed + 2)
        self.began = time.monotonic()
        self.number = 0
        self.violations, self.counts = [], collections.Counter()
        self.told, self.settled, self.stops = [], [], []
        self.rss, self.files = collections.defaultdict(list), collections.defaultdict(list)
        self.flickers, self.hardships = [], 0
        self.publishing = False
        self.rosters = []
        self.owed = {}  # (watch, device) -> (when its node was killed or stopped, which)

    def now(self):
        return time.monotonic() - self.began

    def log(self, kind, **what):
        self.trace.write(json.dumps({"t": round(self.now(), 3), "kind": kind, **what}) + "\n")

    def violate(self, kind, text):
        self.violations.append((self.now(), kind, text))
        self.log("VIOLATION", what=kind, text=text)
        print(f"{self.now():8.2f}  VIOLATION {kind}: {text}", flush=True)

    def next_number(self):
        self.number += 1
        return self.number


class Node:
    """A daemon, and what may happen to it."""

    def __init__(self, world, inner):
        self.world, self.inner, self.name, self.domain = world, inner, inner.name, inner.domain
        self.http_port, self.sip_port, self.token, self.port = inner.http_port, inner.sip_port, inner.token, inner.port
        self.up, self.since, self.starts, self.epoch, self.busy, self.hup = False, 0.0, 0, 0, False, 0
        self.resumed = -100.0
        self.file = inner.folder / "own-federation.toml"

    def prepare(self):
        self.inner.write_config()
        text = self.inner.config.read_text()
        shutil.copy(self.inner.federation.file, self.file)
        text = text.replace(f'"{self.inner.federation.file}"', f'"{self.file}"')
        text = re.sub(r'^(change_interval|rate_interval) = "0s"\n', "", text, flags=re.M).replace('"warning"', f'"{self.world.args.log}"')
        self.inner.config.write_text(text)
        table = self.inner.folder / "loss"
        table.write_bytes(bytes(65536 * 2))
        with open(table, "r+b") as file:
            self.table = memoryview(mmap.mmap(file.fileno(), 0)).cast("H")
        self.environment = {"LOSS_TABLE": str(table), "LD_PRELOAD": str(self.world.preload)}

    async def start(self):
        self.starts += 1
        self.inner.process = self.inner.lab.start(f"presmeshd-{self.name}", [BIN / "presmeshd", "--config", self.inner.config],
                                                  folder=self.inner.folder, env=self.environment)
        self.begun = self.world.now()
        self.mark_up(True)  # before it answers: others may hear of it first
        while True:
            if not self.inner.process.running():
                self.world.violate("start", f"{self.name} ended with {self.inner.process.popen.returncode}: {self.inner.process.tail(3)}")
                raise SystemExit(1)
            try:
                status, told = await http(self, "GET", "/v1/node", seconds=5)
                if status == 200:
                    break
            except (OSError, Broken):
                pass
            await asyncio.sleep(0.05)
            if self.world.now() - self.begun > 20:
                self.world.violate("start", f"{self.name} is not ready after 20 s")
                raise SystemExit(1)
        if told["epoch"] <= self.epoch:
            self.world.violate("epoch", f"{self.name}: {told['epoch']} after {self.epoch}")
        self.epoch = told["epoch"]
        self.world.log("start", node=self.name, took=round(self.world.now() - self.begun, 3))

    def mark_up(self, up):
        self.up, self.since = up, self.world.now()

    def signal(self, number):
        os.kill(self.inner.process.pid, number)

    def wipe(self):
        for path in self.inner.folder.glob("state.sqlite*"):
            path.unlink()
        self.world.wiped(self)


class Soak(World):
    async def build(self, lab):
        federation = Federation(lab, quiet=True)
        keys = {}
        for name, domain in NODES:
            if domain not in keys:
                keys[domain] = federation.node(name, domain, sip="serve", crash_bound=BOUND, default_rule="confirm").folder / "domain.key"
                continue
            second = federation_module.Node(federation, name, domain, "serve", None, None, (), None, "confirm", BOUND, [])
            (second.folder / "node.cert").unlink()
            run(BIN / "presmesh", "node-cert", domain, "--domain-key", keys[domain], "--node-key", second.folder / "node.key",
                "--out", second.folder / "node.cert")
            federation.nodes.append(second)
        self.nodes = [Node(self, inner) for inner in federation.nodes]
        for node in self.nodes:
            node.prepare()
        self.contact = {}
        self.cut = collections.Counter()  # (from, to) -> how many hardships keep them apart
        self.barred = collections.Counter()  # likewise, by a federation file
        self.loss = 0
        await asyncio.gather(*(n.start() for n in self.nodes))
        self.sip = await Sip(random.Random(self.args.seed + 1), self.violate).open()
        self.users, self.watches = [], []
        for domain in DOMAINS:
            for i in range(self.args.users // len(DOMAINS)):
                user = User(self, f"u{i}", domain)
                homes = [n for n in self.nodes if n.domain == domain]
                for j in range(self.rng.choice([1, 1, 2])):
                    user.devices.append(Device(self, user, f"d{j}", self.rng.choice(homes), self.rng.choice(["http", "sip"]),
                                               self.rng.choice([60, 60, 90, 3600, 3600])))
                self.users.append(user)
        for user in self.users:
            for watcher in self.rng.sample([u for u in self.users if u is not user], self.args.watchers):
                node = self.rng.choice([n for n in self.nodes if n.domain == watcher.domain])
                self.watches.append(Watch(self, node, watcher.uri, user, self.rng.choice(["http", "sip"])))
        await asyncio.gather(*(u.tell_rules() for u in self.users))
        self.tasks = [asyncio.create_task(x.run()) for x in self.users]
        self.tasks += [asyncio.create_task(d.run()) for u in self.users for d in u.devices]
        self.subscribers = []
        for w in self.watches:
            if w.kind == "http":
                client = Stream(w, w.node, w.watcher, w.user.uri)
            else:
                client = w.subscriber = Subscriber(self.sip, w, w.node, w.watcher, w.user.uri, self.rng.choice([90, 120, 600]))
                self.subscribers.append(client)
            self.tasks.append(asyncio.create_task(client.run()))
        self.tasks.append(asyncio.create_task(self.check()))

    # ---- the model
    def wiped(self, node):
        for user in self.users:
            for device in user.devices:
                if device.node is node:
                    device.may = [(None, 0, 0)] + ([(device.flying, 1e9, 1e9)] if device.flying else [])
                    device.etag = None if device.kind == "http" else device.etag
                device.left = [one for one in device.left if one[2] is not node]
            if user.domain == node.domain:
                others = [n for n in self.nodes if n.domain == node.domain and n is not node]
                synced = any(n.up and self.now() - max(n.since, user.told_at) > 15 and not self.apart_lately(n, node) for n in others)
                if not others or not synced:
                    user.maybe = True
                    user.block_acked.clear()
                    user.needed.set()
        for watch in self.watches:
            if watch.node is node:
                watch.wiped_at = self.now()
                if watch.kind == "sip":
                    watch.subscriber.refresh()

    def sibling(self, node):
        """A running node of the same provider."""
        return next((n for n in self.nodes if n.domain == node.domain and n is not node and n.up), None)

    def apart_lately(self, one, other, seconds=40):
        return self.now() - self.cut_at.get(frozenset((one.name, other.name)), -100) < seconds

    def together(self, domain):
        """Have its nodes had the time to tell each other of rules?"""
        nodes = [n for n in self.nodes if n.domain == domain]
        if len(nodes) == 1:
            return nodes[0].up
        return all(n.up and self.now() - n.since > 12 for n in nodes) and not any(
            self.apart_lately(one, other, 12) for one in nodes for other in nodes if one is not other)

    async def check(self):
        self.cut_at = {}
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.25)
            if time.monotonic() - last > 1.5:
                self.log("late", by=round(time.monotonic() - last, 2))
            last = time.monotonic()
            now = self.now()
            for node in self.nodes:
                if node.up and not node.inner.process.running():
                    self.violate("exit", f"{node.name} ended by itself with {node.inner.process.popen.returncode}: {node.inner.process.tail(5)}")
                    raise SystemExit(1)
                for other in self.nodes:
                    to, fro = (node.name, other.name), (other.name, node.name)
                    if self.cut[to] or self.cut[fro] or self.barred[to] or self.barred[fro]:
                        self.cut_at[frozenset(to)] = now
                    if node.up and other.up and not (self.cut[fro] or self.barred[to] or self.barred[fro]):
                        self.contact[to] = now  # what `other` sends arrives
            for user in self.users:
                for device in user.devices:
                    left = {one[0] for one in device.left}
                    for n in device.possible(now):
                        if n is not None and (device.node.up or n in left):
                            device.ok[n] = now
            for watch in self.watches:
                for name, (began, text) in list(watch.doubtful.items()):
                    if now - began > FLICKER:
                        self.violate("older", text)
                        del watch.doubtful[name]
                # What came while a node stood still it reads afterwards, as if it came then.
                if not watch.node.up or now - watch.node.since < GRACE[watch.kind] or now - watch.node.resumed < BOUND + SLACK:
                    continue
                for name, n in watch.notes.items():
                    device = watch.device(name)
                    if not watch.shows(device) or (name, n) in watch.reported:
                        continue
                    behind = now - min(device.ok.get(n, 0), self.contact.get((watch.node.name, device.node.name), 0))
                    if n in {one[0] for one in device.left}:
                        continue
                    if behind < BOUND + SLACK:
                        watch.beyond.pop((name, n), None)
                    elif now - watch.beyond.setdefault((name, n), now) > FLICKER:
                        watch.reported.add((name, n))
                        self.violate("beyond", f"{watch}: {device} {n} is shown {watch.live}, {behind:.1f} s after it last was so; "
                                               f"may be {device.possible()}")

    def died(self, node):
        for watch in self.watches:
            if watch.node is not node and watch.node.up:
                for device in watch.user.devices:
                    if device.node is node and watch.shows(device) and watch.notes[device.name] in device.possible() and not device.left:
                        self.owed[(watch, device)] = (self.now(), node.name)

    def came_back(self, node):
        self.owed = {k: v for k, v in self.owed.items() if v[1] != node.name}

    # ---- hardships
    def set_loss(self):
        for node in self.nodes:
            for other in self.nodes:
                node.table[other.port] = 1000 if self.cut[(node.name, other.name)] else self.loss

    async def kill(self, node, rng):
        self.died(node)
        node.mark_up(False)
        node.inner.kill()
        await asyncio.sleep(rng.choice([0, 1, 3, 8, 36, 40]))
        if rng.random() < 0.2:
            node.wipe()
            self.counts["state file deleted"] += 1
        self.came_back(node)
        await node.start()

    async def term(self, node, rng):
        node.mark_up(False)
        at = self.now()
        status = await asyncio.to_thread(node.inner.process.stop)
        took = self.now() - at
        self.stops.append(took)
        if status != 0 or took > 5:
            self.violate("stop", f"{node.name}: status {status} after {took:.1f} s")
        await asyncio.sleep(rng.choice([0, 0, 1, 5, 15]))
        if rng.random() < 0.2:
            node.wipe()
            self.counts["state file deleted"] += 1
        await node.start()

    async def freeze(self, node, rng):
        self.died(node)
        node.mark_up(False)
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(5, 40))
        self.came_back(node)
        node.signal(signal.SIGCONT)
        node.mark_up(True)
        node.resumed = self.now()

    async def reload(self, node, rng):
        for _ in range(rng.randrange(1, 4)):
            node.signal(signal.SIGHUP)
            await asyncio.sleep(rng.random())

    async def reload_broken(self, node, rng):
        node.file.write_text("[[member]]\nnonsense")
        node.signal(signal.SIGHUP)
        await asyncio.sleep(rng.uniform(1, 4))
        shutil.copy(node.inner.federation.file, node.file)
        node.signal(signal.SIGHUP)
        await asyncio.sleep(0.3)

    async def expel(self, node, rng):
        """One member is missing in the node's federation file for a while."""
        domain = rng.choice([d for d in DOMAINS if d != node.domain])
        others = [n for n in self.nodes if n.domain == domain]
        run(BIN / "presmesh", "federation", "remove", node.file, domain)
        for other in others:
            self.barred[(node.name, other.name)] += 1
        node.signal(signal.SIGHUP)
        await asyncio.sleep(rng.uniform(2, 20))
        shutil.copy(node.inner.federation.file, node.file)
        node.signal(signal.SIGHUP)
        for other in others:
            self.barred[(node.name, other.name)] -= 1

    async def partition(self, node, rng):
        others = rng.sample([n for n in self.nodes if n is not node], rng.randrange(1, 5))
        one_way = rng.random() < 0.3
        self.log("apart", node=node.name, others=[o.name for o in others], one_way=one_way)
        pairs = [(node.name, o.name) for o in others] + ([] if one_way else [(o.name, node.name) for o in others])
        self.cut.update(pairs)
        self.set_loss()
        await asyncio.sleep(rng.uniform(5, 45))
        self.cut.subtract(pairs)
        self.set_loss()

    async def lossy(self, node, rng):
        self.loss = rng.choice([50, 100, 200, 300])
        self.set_loss()
        await asyncio.sleep(rng.uniform(8, 25))
        self.loss = 0
        self.set_loss()

    async def hardship(self, node, what):
        node.busy = True
        self.hardships += 1
        self.counts[what.__name__] += 1
        self.log("hardship", node=node.name, what=what.__name__)
        if self.args.verbose:
            print(f"{self.now():8.2f}  {what.__name__} {node.name}", flush=True)
        await what(node, random.Random(f"{self.args.seed} {self.hardships}"))
        self.log("over", node=node.name, what=what.__name__)
        node.busy = False

    async def round(self, seconds):
        self.publishing = True
        end, under_way = self.now() + seconds, set()
        while self.now() < end:
            await asyncio.sleep(self.fate.uniform(2, 7))
            free = [n for n in self.nodes if not n.busy]
            if len(free) > 2:
                what = self.fate.choice([self.kill] * 4 + [self.term] * 3 + [self.freeze] * 3 + [self.partition] * 3 +
                                       [self.reload, self.reload_broken, self.expel, self.lossy])
                task = asyncio.create_task(self.hardship(self.fate.choice(free), what))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.gather(*under_way)
        self.publishing = False

    async def calm(self):
        began = last = self.now()
        self.log("calm")
        while True:
            wrong = [(w, text) for w in self.watches + self.rosters if (text := w.wrong())]
            if wrong:
                last = self.now()
            elif self.now() - last > 5:
                break
            if self.now() - began > SETTLE + SLACK and wrong:
                for watch, text in wrong[:20]:
                    self.violate("not equal", f"{watch}: {text}, {self.now() - began:.0f} s after the last hardship")
                break
            await asyncio.sleep(0.25)
        self.settled.append(last - began)
        for node in self.nodes:
            status, told = await http(node, "GET", "/v1/node")
            self.log("status", node=node.name, told=told)
            self.rss[node.name].append(round(node.inner.process.resident_bytes() / 1e6, 1))
            self.files[node.name].append(len(os.listdir(f"/proc/{node.inner.process.pid}/fd")))
        if not wrong:
            for user in self.users:
                for node in [n for n in self.nodes if n.domain == user.domain]:
                    _, told = await http(node, "GET", f"/v1/rules/{user}")
                    have = sorted((r["who"], r["handling"]) for r in told["rules"])
                    want = sorted((r["who"], r["handling"]) for r in user.rules()["rules"])
                    if have != want and not user.maybe:
                        self.violate("rules", f"{user} at {node.name}: {sorted(set(have) ^ set(want))}")
        print(f"{self.now():8.2f}  equal {self.settled[-1]:.1f} s after the last hardship; RSS "
              f"{' '.join(f'{n.name}={self.rss[n.name][-1]:.0f}MB/{self.files[n.name][-1]}' for n in self.nodes)}", flush=True)

    async def run(self, lab):
        await self.build(lab)
        self.publishing = True
        await asyncio.sleep(5)
        self.publishing = False
        await self.calm()
        while self.now() < self.args.minutes * 60:
            await self.round(self.args.round)
            await self.calm()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for node in self.nodes:
            await self.term_last(node)

    async def term_last(self, node):
        at = self.now()
        status = await asyncio.to_thread(node.inner.process.stop)
        self.stops.append(self.now() - at)
        if status != 0:
            self.violate("stop", f"{node.name}: status {status} after {self.stops[-1]:.1f} s")

    def report(self):
        lines = collections.Counter()
        for node in self.nodes:
            for line in node.inner.process.log.read_text(errors="replace").splitlines():
                if re.search(r"\[error\]| error |\[critical\]|assert|terminate called|Sanitizer", line, re.I) and "own-federation" not in line:
                    self.violate("log", f"{node.name}: {line}")
                if re.search(r"warn", line, re.I) and "domain key lies" not in line:
                    lines[re.sub(r"[0-9a-f]{8,}|\d+", "#", line)] += 1
        print(f"seed {self.args.seed}: {self.now() / 60:.1f} minutes, {len(self.users)} users, {len(self.watches)} watches, "
              f"{self.number} changes, {sum(w.views for w in self.watches)} views, {sum(s.notifies for s in self.subscribers)} NOTIFYs")
        print("hardships: " + ", ".join(f"{k} {v}" for k, v in sorted(self.counts.items())))
        for what, values in (("told after a kill or stop", self.told), ("equal after hardship", self.settled), ("clean stop", self.stops),
                             ("older state shown in passing", self.flickers)):
            if values:
                print(f"{what}: median {statistics.median(values):.2f} s, most {max(values):.2f} s, of {len(values)}")
        print("RSS: " + "; ".join(f"{k} {v}" for k, v in self.rss.items()))
        print("files: " + "; ".join(f"{k} {v}" for k, v in self.files.items()))
        for line, count in lines.most_common(15):
            print(f"  {count} x {line}")
        for at, kind, text in self.violations:
            print(f"VIOLATION at {at:.2f}: {kind}: {text}")
        print(f"{len(self.violations)} violations")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--minutes", type=float, default=5, help="no new round begins after so long (5)")
    parser.add_argument("--round", type=float, default=60, help="seconds of new hardships in a round (60)")
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--watchers", type=int, default=3, help="of each user (3)")
    parser.add_argument("--change", type=float, default=8, help="mean seconds between the acts of one device (8)")
    parser.add_argument("--log", default="info", help="level of the daemons' logs (info)")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and trace.jsonl after a run without violations, too")
    parser.add_argument("--verbose", action="store_true", help="print each hardship as it begins")
    soak(Soak, parser.parse_args(), "soak")


def soak(kind, args, name):
    print(f"seed {args.seed}", flush=True)
    with Lab(name, keep_folder=args.keep) as lab:
        world = kind(args)
        world.trace = open(lab.folder / "trace.jsonl", "w")
        print(f"folder {lab.folder}", flush=True)
        world.preload = lab.folder / "loss.so"
        run("cc", "-shared", "-fPIC", "-O1", "-o", world.preload, pathlib.Path(__file__).with_name("loss.c"), "-ldl")
        try:
            asyncio.run(asyncio.wait_for(world.run(lab), args.minutes * 60 + 600))
        except (KeyboardInterrupt, SystemExit):
            pass
        except TimeoutError:
            world.violate("end", "the soak did not come to its end")
        finally:
            for process in lab.processes:
                if process.running():
                    os.killpg(process.pid, signal.SIGCONT)
        world.report()
        world.trace.close()
        lab.keep_folder = args.keep or bool(world.violations)  # it cannot be had again
    sys.exit(1 if world.violations else 0)


if __name__ == "__main__":
    main()
