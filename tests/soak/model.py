"""What the users mean, and so what each watcher may be shown: devices that publish, users with rules, watches that judge."""
import asyncio

from clients import Broken, http

FLICKER = 3  # a source that is heard again is shown as it was, until what happened meanwhile has come
DOMAINS = ["a.example", "b.example", "c.example", "d.example"]


class Device:
    """One publication of a user. `may` holds what its node may have of it: (number or None, ends not before, ends not after)."""

    def __init__(self, world, user, name, node, kind, expires):
        self.world, self.user, self.name, self.node, self.kind, self.expires = world, user, name, node, kind, expires
        self.may = [(None, 0, 0)]
        self.left = []  # (number, until, node): publications that nobody can take back, and that run out by themselves
        self.issued, self.acked, self.ok, self.withdrawn = {}, {}, {}, 0
        self.taken_by = {}  # by number: the node that it was confirmed by
        self.etag, self.flying, self.busy, self.uncertain, self.call = None, None, False, False, None

    def __str__(self):
        return f"{self.user}/{self.name}@{self.node.name}({self.kind})"

    def possible(self, now=None):
        now = self.world.now() if now is None else now
        out = set()
        for n, lo, hi in self.may:
            if n is None or now > lo - 1.5:
                out.add(None)
            if n is not None and now < hi + 1.5:
                out.add(n)
        self.left = [one for one in self.left if now < one[1]]
        return out | {one[0] for one in self.left}

    def leave(self, numbers):
        """These may stand at the node under a tag that nobody knows."""
        self.left += [(n, self.world.now() + self.expires + 3, self.node) for n in numbers if n is not None]

    def document(self, n):
        return {"services": [{"id": self.name, "basic": "open", "contact": f"sip:{self.user}",
                              "notes": [{"text": f"{self.user} {self.name} {n}"}]}]}

    def pidf(self, n):
        return (f"<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:{self.user}'>"
                f"<tuple id='{self.name}'><status><basic>open</basic></status><contact>sip:{self.user}</contact>"
                f"<note>{self.user} {self.name} {n}</note></tuple></presence>\n")

    async def ask(self, what, n):
        """(answered, gone, sent at): until the node answers. `gone`: it has no publication to do that with."""
        tries = 0
        while True:
            starts, sent, known = self.node.starts, self.world.now(), self.may
            if self.kind == "http":
                path = f"/v1/presence/{self.user}?publication={self.name}"
                try:
                    if what == "withdraw":
                        status, text = await http(self.node, "DELETE", path)
                    else:
                        status, text = await http(self.node, "PUT", f"{path}&expires={self.expires}",
                                                  self.document(n) if what == "put" else None)
                except Broken:
                    self.uncertain = True
                    status, text = 0, ""
                except OSError:
                    status, text = 0, ""
                gone = status == 404 or (status == 400 and what == "refresh")
                done = status in (200, 201, 204)
            else:
                headers = [("From", f"<sip:{self.user}>;tag={self.world.sip.token()}"), ("To", f"<sip:{self.user}>"),
                           ("Call-ID", self.world.sip.token()), ("CSeq", "1 PUBLISH"), ("Event", "presence"),
                           ("Expires", "0" if what == "withdraw" else str(self.expires))]
                if self.etag:
                    headers.append(("SIP-If-Match", self.etag))
                if what == "put":
                    headers.append(("Content-Type", "application/pidf+xml"))
                answer = await self.world.sip.request(self.node.sip_port, "PUBLISH", f"sip:{self.user}", headers,
                                                      self.pidf(n) if what == "put" else "", 50)
                status, text = (answer[0], "") if answer else (0, "")
                if status == 0 or starts != self.node.starts:
                    self.uncertain = True  # it may have been carried out before the restart, and again after it
                    if what == "put":
                        self.leave([n])
                done, gone = status == 200, status == 412
                if done:
                    self.etag = answer[1]["sip-etag"][0] if what != "withdraw" else None
                if gone:
                    self.leave([m for m, _, _ in self.may])
                    self.etag = None
            self.world.log("op", device=str(self), what=what, n=n, status=status, etag=self.etag)
            if done or gone:
                if gone and not self.uncertain and None not in self.possible():
                    self.world.violate("lost", f"{self}: {what} {n}: {status}, the publication is gone; may be {self.may}")
                return done, gone, sent
            if status not in (0, 503):
                self.world.violate("refused", f"{self}: {what}: {status} {text}")
            tries += 1
            if status == 503:
                self.world.counts["503"] += 1
            await asyncio.sleep(0.5 + self.world.rng.random() / 2)
            if self.kind == "http" and what == "put" and tries > 3 and not self.node.up and (other := self.world.sibling(self.node)):
                self.leave([m for m, _, _ in self.may])
                self.node = other
                self.may = [(None, 0, 0), (n, sent + 1e9, sent + 1e9)]
                self.world.counts["device moved to the provider's other node"] += 1
                self.world.log("moved", device=str(self))

    async def put(self):
        n = self.flying = self.world.next_number()
        self.issued[n] = self.ok[n] = self.world.now()
        while True:
            self.may.append((n, 1e9, 1e9))
            done, gone, sent = await self.ask("put", n)
            if done:
                break
            self.may.append((None, 0, 0))
        now = self.world.now()
        self.may, self.flying, self.uncertain = [(n, sent + self.expires, now + self.expires)], None, False
        self.acked[n], self.taken_by[n] = now, self.node

    async def withdraw(self):
        if self.kind == "sip" and not self.etag:
            return
        n = self.world.next_number()
        self.may.append((None, 0, 0))
        await self.ask("withdraw", n)
        self.may, self.withdrawn, self.uncertain = [(None, 0, 0)], n, False

    async def refresh(self):
        if self.kind == "sip" and not self.etag:
            return
        done, gone, sent = await self.ask("refresh", None)
        now = self.world.now()
        if done:
            self.may = [(m, sent + self.expires, now + self.expires) for m, _, hi in self.may if m is not None]
        else:
            self.may = [(None, 0, 0)]
        self.uncertain = False

    async def run(self):
        rng = self.world.rng
        lazy = False
        while True:
            await asyncio.sleep(rng.expovariate(1 / self.world.args.change))
            live = [x for x in self.may if x[0] is not None]
            self.busy = True
            if live and not lazy and min(lo for _, lo, _ in live) - self.world.now() < self.expires * 0.6 and self.expires < 300:
                await self.refresh()
            elif self.world.publishing:
                draw = rng.random()
                if draw < 0.7 or not live:
                    await self.put()
                    lazy = rng.random() < 0.15  # this one is left to run out
                elif draw < 0.9:
                    await self.withdraw()
                else:
                    await self.refresh()
            self.busy = False


class User:
    def __init__(self, world, name, domain):
        self.world, self.uri, self.domain = world, f"{name}@{domain}", domain
        self.devices = []
        self.blocked, self.maybe = {}, False  # watcher -> handling; is a change under way?
        self.rule_node = world.rng.choice([n for n in world.nodes if n.domain == domain])
        self.told_at, self.needed = 0.0, asyncio.Event()
        self.block_acked = {}

    def __str__(self):
        return self.uri

    def rules(self):
        return {"rules": [{"who": d, "handling": "allow"} for d in DOMAINS] + [{"who": w, "handling": h} for w, h in sorted(self.blocked.items())]}

    async def tell_rules(self):
        self.maybe = True
        self.needed.clear()
        while True:
            try:
                status, text = await http(self.rule_node, "PUT", f"/v1/rules/{self.uri}", self.rules())
                if status == 200:
                    break
                self.world.counts[f"rules {status}"] += 1
                if status != 503:
                    self.world.violate("rules refused", f"{self}: {status} {text}")
            except (OSError, Broken):
                pass
            await asyncio.sleep(0.7)
        self.told_at = self.world.now()
        self.maybe = self.needed.is_set()
        for w in self.blocked:
            self.block_acked.setdefault(w, self.told_at)
        for w in [w for w in self.block_acked if w not in self.blocked]:
            del self.block_acked[w]
        self.world.log("rules", user=self.uri, blocked=self.blocked, node=self.rule_node.name)

    async def run(self):
        rng = self.world.rng
        while True:
            try:
                await asyncio.wait_for(self.needed.wait(), rng.expovariate(1 / 50))
                # What one node lost another may have in an older form, and would bring back.
                while not self.world.together(self.domain):
                    await asyncio.sleep(0.5)
            except TimeoutError:
                if not self.world.publishing:
                    continue
                watchers = [w.watcher for w in self.world.watches if w.user is self]
                if not watchers:
                    continue
                who = rng.choice(watchers)
                self.maybe = True
                self.block_acked.pop(who, None)
                if self.blocked.pop(who, None) is None:
                    self.blocked[who] = rng.choice(["block", "polite-block"])
                self.world.counts["rules changed"] += 1
            await self.tell_rules()


class Watch:
    def __init__(self, world, node, watcher, user, kind):
        self.world, self.node, self.watcher, self.user, self.kind = world, node, watcher, user, kind
        self.state, self.live, self.notes, self.why, self.at = "none", "unknown", {}, "", 0.0
        self.seen, self.gone, self.reported, self.views = {}, {}, set(), 0
        self.seen_starts = {}
        self.beyond = {}
        self.doubtful = {}  # by device: since when something older than before is shown
        self.wiped_at = -100.0

    def __str__(self):
        return f"{self.watcher}->{self.user} ({self.kind} at {self.node.name})"

    def device(self, name):
        return next(d for d in self.user.devices if d.name == name)

    def dialog_lost(self):
        if self.world.now() - self.wiped_at > 400:
            self.world.violate("dialog", f"{self}: 481 to a refresh, and the state file was not lost")
        self.wiped_at = -100.0

    def shown(self, state, live, notes, why):
        world, now = self.world, self.world.now()
        self.state, self.live, self.why, self.at = state, live, why, now
        self.views += 1
        world.log("view", watch=str(self), state=state, live=live, notes={k: v[1] for k, v in notes.items()}, why=why)
        self.notes = {}
        for name, (user, n) in notes.items():
            device = self.device(name)
            if user != self.user.uri or n not in device.issued:
                world.violate("never published", f"{self}: {name} {n} of {user}")
                continue
            self.notes[name] = n
            meant = getattr(device, "directed", {}).get(n)
            if meant not in (None, self.watcher):
                world.violate("leak", f"{self} was shown {device} {n}, which was for {meant}")
            blocked = self.user.block_acked.get(self.watcher)
            if blocked is not None and self.user.rule_node is device.taken_by.get(n, device.node) and device.issued[n] > blocked:
                world.violate("blocked", f"{self} was shown {device} {n}, {now - blocked:.2f} s after the block was confirmed")
            old = n in {one[0] for one in device.left}
            if live == "unknown" and self.seen_starts.get(name) != self.node.starts:
                continue  # the last known state, from a record, after a restart of the watcher's node
            since = max(self.seen.get(name, 0), self.gone.get(name, 0))
            if n < since and not old:
                self.doubtful.setdefault(name, (now, f"{self}: {device} {n} ({live}) after {since}"))
                world.log("older", watch=str(self), device=str(device), n=n, since=since)
            if n in device.acked:
                self.seen[name] = max(n, self.seen.get(name, 0))
                self.seen_starts[name] = self.node.starts
        for name, (began, _) in list(self.doubtful.items()):
            if self.notes.get(name, now) >= max(self.seen.get(name, 0), self.gone.get(name, 0)) or name not in self.notes:
                world.flickers.append(now - began)
                del self.doubtful[name]
        if state == "active" and live == "live" and self.is_prompt():
            for device in self.user.devices:
                if device.name not in self.notes and device.withdrawn and device.possible() == {None}:
                    self.gone[device.name] = device.withdrawn
        for key in [k for k in self.beyond if self.notes.get(k[0]) != k[1] or live == "unknown"]:
            world.flickers.append(now - self.beyond.pop(key))
        for device in self.user.devices:
            self.settle_debt(device)

    def is_prompt(self):
        """Is what is shown now how it is now, and all of it?"""
        return True

    def shows(self, device):
        return self.live != "unknown" and device.name in self.notes

    def settle_debt(self, device):
        owed = self.world.owed.get((self, device))
        if owed and not self.shows(device):
            del self.world.owed[(self, device)]
            if self.node.since <= owed[0]:
                self.world.told.append(self.world.now() - owed[0])
                self.world.log("told", watch=str(self), device=str(device), after=round(self.world.told[-1], 2))

    def wrong(self):
        """What is not as it should be in the calm; empty: all is."""
        if self.user.maybe:
            return "the user's rules are being told"
        if self.watcher in self.user.blocked:
            return f"blocked, and sees {self.notes}" if self.notes else ""
        for device in self.user.devices:
            if device.busy:
                return f"{device} is being published"
            have, may = self.notes.get(device.name), device.possible()
            if have not in may:
                return f"{device}: shown {have}, should be {may}; {self.state} {self.live} {self.why}"
        if self.notes and self.live != "live":
            return f"shown as {self.live}"
        return ""
