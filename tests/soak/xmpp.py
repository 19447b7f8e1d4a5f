"""The soak's XMPP users: a small client on asyncio whose socket can be cut, and the people behind it, who keep asking until their
server says that it is as they want."""
import asyncio
import base64
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from clients import Broken, read_notes
from model import Watch

CLIENT = "{jabber:client}"
ROSTER = "{jabber:iq:roster}"
SHOWS = [None, "away", "chat", "dnd", "xa"]
ASK_AGAIN = 20  # a person asks again when nothing was heard for so long
REFUSED = 660  # a refusal stands for ten minutes; then watchers ask again


def show_of(n):
    return SHOWS[n % 5]


def priority_of(n):
    return n * 37 % 128


def texts_of(user, name, n):
    return [f"{user} {name} {n}", f"de: {user} {name} {n}"]


class Connection:
    """One client's stream: logs in without TLS, hands out stanzas."""

    def __init__(self, jid, port, heard):
        self.jid, self.port, self.heard = jid, port, heard
        self.answers, self.last = {}, 0

    async def open(self):
        user, _, rest = self.jid.partition("@")
        self.domain, _, resource = rest.partition("/")
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.begin()
        await self.element()  # features
        token = base64.b64encode(f"\0{user}\0secret".encode()).decode()
        self.writer.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>".encode())
        answer = await self.element()
        if not answer.tag.endswith("}success"):
            raise Broken(f"{self.jid}: {ET.tostring(answer)}")
        self.begin()
        await self.element()
        self.pump = asyncio.create_task(self.run())
        await self.ask(f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>", "set")

    def begin(self):
        self.parser, self.root, self.depth, self.ready = ET.XMLPullParser(("start", "end")), None, 0, []
        self.writer.write(f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{self.domain}' "
                          "version='1.0'>".encode())

    async def element(self):
        while not self.ready:
            data = await self.reader.read(65536)
            if not data:
                raise Broken(f"{self.jid}: the stream ended")
            self.parser.feed(data)
            for kind, element in self.parser.read_events():
                self.depth += 1 if kind == "start" else -1
                if kind == "start" and self.depth == 1:
                    self.root = element
                elif kind == "end" and self.depth == 1:
                    self.ready.append(element)
                    self.root.remove(element)
        return self.ready.pop(0)

    async def run(self):
        while True:
            stanza = await self.element()
            waiting = self.answers.get(stanza.get("id")) if stanza.tag == CLIENT + "iq" else None
            if waiting and not waiting.done() and stanza.get("type") in ("result", "error"):
                waiting.set_result(stanza)
            else:
                self.heard(stanza)

    def send(self, text):
        self.writer.write(text.encode())

    async def ask(self, child, kind="get", to=""):
        self.last += 1
        name = f"q{self.last}"
        answer = self.answers[name] = asyncio.get_running_loop().create_future()
        self.send(f"<iq id='{name}' type='{kind}'{to}>{child}</iq>")
        await asyncio.wait([answer, self.pump], return_when=asyncio.FIRST_COMPLETED, timeout=30)
        del self.answers[name]
        if not answer.done():
            raise Broken(f"{self.jid}: no answer")
        return answer.result()

    async def settled(self):
        """When the server has done what was sent before."""
        await self.ask("<ping xmlns='urn:xmpp:ping'/>", to=f" to='{self.domain}'")

    def cut(self):
        self.writer.transport.abort()

    def end(self):
        if hasattr(self, "pump"):
            self.pump.cancel()
        if hasattr(self, "writer"):
            self.writer.close()


class XmppUser:
    """A person with a roster. `contacts`: whom to watch, or not any more; `refused`: who must not watch, until when."""

    def __init__(self, world, name, domain, node, server):
        self.world, self.uri, self.domain, self.node, self.server = world, f"{name}@{domain}", domain, node, server
        self.rule_node = node
        self.devices, self.contacts, self.watchers = [], {}, set()
        self.roster, self.asked = {}, {}
        self.blocked, self.block_acked, self.maybe = {}, {}, False
        self.left_at = {}
        self.ripe = {}  # whom a refusal may still be told: until when

    def __str__(self):
        return self.uri

    def session(self):
        return next((d for d in self.devices if d.online), None)

    def heard_roster(self, stanza):
        for item in stanza.iter(ROSTER + "item"):
            said = (item.get("subscription"), item.get("ask"))
            if self.roster.get(item.get("jid")) != said:
                self.world.log("roster", user=self.uri, jid=item.get("jid"), said=said)
            self.roster[item.get("jid")] = said

    def heard_presence(self, device, who, kind):
        if kind == "subscribe":
            device.connection.send(f"<presence to='{who}' type='{'unsubscribed' if who in self.blocked else 'subscribed'}'/>")
        elif kind == "error":
            self.asked[who] = self.world.now() - ASK_AGAIN + 4

    def to(self, who):
        return self.roster.get(who, ("none",))[0] in ("to", "both")

    def of(self, who):
        return self.roster.get(who, ("none",))[0] in ("from", "both")

    async def run(self):
        rng, world = self.world.rng, self.world
        while True:
            await asyncio.sleep(1 + rng.random())
            now, device = world.now(), self.session()
            for who in [w for w, until in self.ripe.items() if until < now]:
                del self.ripe[who]
            if not device:
                continue
            try:
                await self.tend(device, now)
            except Broken:
                pass
            if not world.publishing:
                continue
            if rng.random() < 1 / 60:
                who = rng.choice(list(self.contacts))
                self.contacts[who] = not self.contacts[who]
                world.counts["contact wanted" if self.contacts[who] else "contact not wanted"] += 1
            if self.watchers and rng.random() < 1 / 200 and len(self.blocked) + len(self.ripe) < 2:
                self.blocked[rng.choice(sorted(self.watchers))] = "block"
                world.counts["watcher refused"] += 1
            if self.blocked and rng.random() < 1 / 60:
                who = rng.choice(sorted(self.blocked))
                del self.blocked[who]
                self.block_acked.pop(who, None)
                self.ripe[who] = now + REFUSED

    async def tend(self, device, now):
        def again(who):
            if now - self.asked.get(who, -100) < ASK_AGAIN:
                return False
            self.asked[who] = now
            return True

        for who, wanted in self.contacts.items():
            sub, ask = self.roster.get(who, ("none", None))
            if wanted and not self.to(who) and again(who):
                device.connection.send(f"<presence to='{who}' type='subscribe'/>")
                self.world.log("asks", user=self.uri, who=who)
            elif not wanted and (self.to(who) or ask) and again(who):
                device.connection.send(f"<presence to='{who}' type='unsubscribe'/>")
                self.left_at[who] = now
                self.world.log("leaves", user=self.uri, who=who)
            elif not wanted and not self.to(who) and who in self.left_at and any(d.window.get(who) for d in self.devices) and again(who):
                # The word was lost on the way: nobody but the server could know, and it keeps no note of it.
                if not self.world.was_bad(self.domain, self.left_at[who]):
                    self.world.violate("left", f"{self} left {who} {now - self.left_at[who]:.0f} s ago, and is shown presence")
                self.world.counts["unsubscribe lost on the way"] += 1
                device.connection.send(f"<presence to='{who}' type='unsubscribe'/>")
        for who in list(self.blocked):
            if who in self.block_acked:
                continue
            device.connection.send(f"<presence to='{who}' type='unsubscribed'/>")
            await device.connection.settled()
            if who in self.blocked and not self.of(who):
                self.block_acked[who] = self.world.now()
                self.world.log("refused", user=self.uri, who=who)

    def wrong(self):
        if not self.session():
            return ""
        for who in sorted(self.watchers):
            if who in self.blocked and self.of(who):
                return f"{who} is refused, and the roster has {self.roster[who]}"
            if who not in self.blocked and who not in self.ripe and not self.of(who):
                return f"{who} is allowed and watches, and the roster has {self.roster.get(who)}"
        for who, wanted in self.contacts.items():
            if self.to(who) and not wanted:
                return f"{who} is not wanted, and the roster has {self.roster[who]}"
            if wanted and not self.to(who) and self.world.allows(who, self.uri):
                return f"{who} is wanted, and the roster has {self.roster.get(who)}"
        return ""


class Resource:
    """One client of a person: a source of presence, and a window in which contacts are seen."""
    kind = "xmpp"

    def __init__(self, world, user, name):
        self.world, self.user, self.name, self.node = world, user, name, user.node
        self.issued, self.acked, self.ok, self.taken_by, self.left, self.withdrawn = {}, {}, {}, {}, [], 0
        self.directed = {}  # number -> to whom
        self.may, self.busy, self.online, self.wanted, self.past = {None}, False, False, True, []
        self.connection, self.watches, self.window, self.stanzas, self.stale = None, {}, {}, 0, False

    def __str__(self):
        return f"{self.user}/{self.name}"

    def possible(self, now=None):
        now = self.world.now() if now is None else now
        self.past = [one for one in self.past if now < one[1]]
        return self.may | {one[0] for one in self.past}

    async def run(self):
        rng = self.world.rng
        await asyncio.sleep(rng.random() * 3)
        while True:
            if not self.wanted:
                await asyncio.sleep(0.5)
                self.wanted = not self.world.publishing or rng.random() < 0.05
                continue
            self.connection = Connection(f"{self.user}/{self.name}", self.user.server.c2s_port, self.heard)
            try:
                async with asyncio.timeout(20):
                    await self.connection.open()
                    self.user.roster = {}
                    self.user.heard_roster(await self.connection.ask("<query xmlns='jabber:iq:roster'/>"))
                    await self.show()
                self.online = True
                self.world.log("online", who=str(self))
                await self.live()
            except (OSError, Broken, TimeoutError, asyncio.IncompleteReadError, ET.ParseError):
                pass
            finally:
                self.connection.end()
                self.gone()
            await asyncio.sleep(0.5 + rng.random())

    def gone(self):
        """The session is over, for the server too."""
        if self.may != {None}:
            self.past = [(n, self.world.now() + 2) for n in self.may if n is not None]
            self.withdrawn = self.world.next_number()
            self.may = {None}
        if self.online:
            self.world.log("gone", who=str(self))
        self.online = self.busy = self.stale = False
        self.window = {}
        for watch in self.watches.values():
            watch.shown("none", "unknown", {}, "not logged in")

    async def live(self):
        rng = self.world.rng
        while True:
            pause = asyncio.create_task(asyncio.sleep(min(3, rng.expovariate(1 / self.world.args.change))))
            await asyncio.wait([pause, self.connection.pump], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            if self.connection.pump.done():
                return
            if not self.world.publishing:
                if self.stale:
                    await self.show()
                continue
            draw = rng.random() * self.world.args.change / 2
            if draw < 0.6:
                await self.show()
            elif draw < 0.7 and self.user.watchers:
                await self.direct(rng.choice(sorted(self.user.watchers)))
            elif draw < 0.8:
                self.connection.send("<presence type='unavailable'><status>bye</status></presence>")
                await self.connection.settled()
                self.connection.send("</stream:stream>")
                self.wanted = rng.random() < 0.5
                return
            elif draw < 0.9:
                self.connection.cut()
                self.wanted = rng.random() < 0.5
                return

    def stanza(self, n, to=""):
        show = f"<show>{show_of(n)}</show>" if show_of(n) else ""
        one, two = map(escape, texts_of(self.user, self.name, n))
        return f"<presence{to}>{show}<status>{one}</status><status xml:lang='de'>{two}</status><priority>{priority_of(n)}</priority></presence>"

    async def show(self):
        n = self.world.next_number()
        self.issued[n] = self.ok[n] = self.world.now()
        self.busy = True
        self.may = self.may | {n}
        self.connection.send(self.stanza(n))
        self.world.log("op", device=str(self), n=n)
        await self.connection.settled()
        self.may, self.acked[n] = {n}, self.world.now()
        self.busy = self.stale = False

    async def direct(self, who):
        n = self.world.next_number()
        self.issued[n], self.directed[n], self.stale = self.world.now(), who, True
        self.connection.send(self.stanza(n, f" to='{who}'"))
        self.world.log("op", device=str(self), n=n, directed=who)
        self.world.counts["directed presence"] += 1
        await self.connection.settled()

    # ---- the window
    def heard(self, stanza):
        if stanza.tag == CLIENT + "iq":
            if stanza.get("type") == "set":
                self.user.heard_roster(stanza)
                self.connection.send(f"<iq type='result' id='{stanza.get('id')}'/>")
            elif stanza.get("type") == "get":
                self.connection.send(f"<iq type='error' id='{stanza.get('id')}' to='{stanza.get('from')}'><error type='cancel'>"
                                     "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
            return
        if stanza.tag != CLIENT + "presence":
            return
        who, _, resource = (stanza.get("from") or "").partition("/")
        kind = stanza.get("type")
        if who == self.user.uri:
            return
        if kind not in (None, "unavailable"):
            self.world.log("heard", at=str(self), who=who, type=kind)
            return self.user.heard_presence(self, who, kind)
        self.stanzas += 1
        shown = self.window.setdefault(who, {})
        unknown = stanza.find("{urn:presmesh:presence:0}unknown") is not None
        if kind == "unavailable":
            shown.clear() if not resource else shown.pop(resource, None)
            if (watch := self.watches.get(who)) and not unknown:
                for device in watch.user.devices:
                    if device.name == resource and device.withdrawn and device.possible() == {None}:
                        watch.gone[resource] = device.withdrawn
        else:
            texts = [s.text for s in stanza.findall(CLIENT + "status")]
            notes = read_notes(texts)
            shown[resource] = notes
            for user, n in notes.values():
                want = (show_of(n), priority_of(n), texts_of(user, resource, n))
                have = (stanza.findtext(CLIENT + "show"), int(stanza.findtext(CLIENT + "priority") or 0), texts)
                if want != have and resource != "summary":  # of a record, until the document has come
                    self.world.violate("garbled", f"{self}: {have}, should be {want}")
        if watch := self.watches.get(who):
            notes = {name: said for one in shown.values() for name, said in one.items()}
            watch.shown("active" if self.user.to(who) else "none", "unknown" if unknown and not notes else "live", notes, f"{kind} {resource}")
        elif who not in self.user.contacts:
            self.world.violate("stranger", f"{self}: presence of {who}")


class Window(Watch):
    """What one client shows of one contact."""

    def __init__(self, world, resource, user):
        super().__init__(world, resource.node, resource.user.uri, user, "xmpp")
        self.resource = resource
        resource.watches[user.uri] = self

    def __str__(self):
        return f"{self.resource}->{self.user}"

    def is_prompt(self):
        return False  # each device comes and goes by itself

    def wrong(self):
        if not self.resource.online:
            return "not logged in" if self.resource.wanted else ""
        if not self.resource.user.contacts[self.user.uri]:
            return f"not wanted, and sees {self.notes}" if self.notes else ""
        if not self.world.allows(self.user.uri, self.watcher):
            return f"refused, and sees {self.notes}" if self.notes and self.watcher not in getattr(self.user, "ripe", ()) else ""
        return super().wrong()
