"""The cases every XMPP server is held to: a real one with slixmpp users at x.example, and SIP users (sipp) at nodes that serve
SIP themselves: those of a.example have a component of their own, those of b.example are behind a gateway host.
A test file per server says which one it is; there is nothing to run here."""
import time

from world import Federation, Publisher, User, Watcher, WorldTest, from_bare, has_tuple, wait_for

GATEWAY = "presence.x.example"
USERS = 24
SHOWS = (None, "away", "chat", "dnd", "xa")


class XmppCases(WorldTest):
    Server = None  # of scripts/lab

    @classmethod
    def build(cls):
        cls.federation = Federation(cls.lab, quiet=True)
        cls.server = cls.Server(cls.lab, cls.Server.__name__.lower(), "x.example", ["a.example", GATEWAY],
                                users=[f"user{i}" for i in range(USERS)]).start()
        cls.a = cls.federation.node("a", "a.example", sip="serve", crash_bound=4)
        cls.x = cls.federation.node("x", "x.example", xmpp=cls.server, xmpp_domains=["a.example"], xmpp_gateway=GATEWAY,
                                    crash_bound=4)
        cls.b = cls.federation.node("b", "b.example", sip="serve", crash_bound=4)
        cls.federation.start()
        cls.users = iter(range(USERS))

    def xmpp_user(self, approve=True, resource="home", **more):
        jid = f"user{next(self.users)}@x.example"
        return jid, User(self.lab, self.name("xmpp"), f"{jid}/{resource}", self.server.c2s_port, approve=approve, **more)

    def sip_user(self):
        uri = f"{self.name('sip')}@a.example"
        return uri, Publisher(self.lab, self.name("publisher"), self.a.sip_port, uri)

    def sip_watches(self, watcher, presentity):
        return Watcher(self.lab, self.name("watcher"), self.a.sip_port, watcher, presentity)

    def watching_each_other(self, watcher):
        """A SIP user and an XMPP user who have seen the other's note "before" and "me before"; `watcher` watches the second."""
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        phone.publish(note="before")
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, status="before"), 10)
        subscription = self.sip_watches(watcher, jid)
        user.say("presence status=me before")
        subscription.wait(has_tuple(note="me before"), 10)
        return uri, phone, jid, user, subscription

    def test_xmpp_user_subscribes_and_gets_the_first_state(self):
        uri, phone = self.sip_user()
        phone.publish(note="first <state> & more", priority="0.5")
        jid, user = self.xmpp_user()
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, type="subscribed"), 10, "subscribed")
        seen = user.wait(from_bare(uri, type="available"), 10, "the first state")
        self.assertEqual(seen["status"], "first <state> & more")
        self.assertEqual(seen["priority"], 64)  # 0.5 * 127, rounded
        user.say("roster")
        items = user.wait(lambda e: e["event"] == "roster", 5)["items"]
        self.assertEqual(items.get(uri), "to")

    def test_subscription_before_the_user_ever_published(self):
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, type="subscribed"), 10, "subscribed")
        phone.publish(note="here at last")
        user.wait(from_bare(uri, type="available", status="here at last"), 10)

    def test_every_show_value_from_sip_to_xmpp(self):
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        phone.publish(note="start")
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, type="available", status="start"), 10)
        for show in SHOWS:
            phone.publish(note=f"now {show}", show=show)
            self.assertEqual(user.wait(from_bare(uri, type="available", status=f"now {show}"), 10)["show"], show)

    def test_every_show_value_and_priority_from_xmpp_to_sip(self):
        jid, user = self.xmpp_user()
        watcher = self.sip_watches("watcher1@a.example", jid)
        watcher.wait(has_tuple(basic="open"), 15, "first state")
        for show, priority, decimals in zip(SHOWS, (0, 1, 2, 126, 127), ("0", "0.007", "0.015", "0.992", "1")):
            status = f"now {show}"
            user.say("presence " + (f"show={show} " if show else "") + f"priority={priority} status={status}")
            at, state = None, None
            watcher.wait(has_tuple(note=status, show=show), 10, status)
            state = [s for _, s in watcher.states() if has_tuple(note=status)(s)][-1]
            tuple_ = next(t for t in state["tuples"] if status in t["notes"] or status in state["notes"])
            self.assertEqual(float(tuple_["priority"] or 0), float(decimals))
            self.assertEqual(tuple_["basic"], "open")

    def test_note_with_every_kind_of_character(self):
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        phone.publish(note="start")
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, status="start"), 10)
        note = "<b>ü & \"quotes\" 'n' 漢字 🙂 ]]>"
        phone.publish(note=note)
        user.wait(from_bare(uri, status=note), 10)
        watcher = self.sip_watches("watcher2@a.example", jid)
        watcher.wait(has_tuple(basic="open"), 15)
        user.say(f"presence status={note}")
        watcher.wait(has_tuple(note=note), 10)

    def test_two_devices_both_ways(self):
        jid, user = self.xmpp_user(resource="desk")
        watcher = self.sip_watches("watcher3@a.example", jid)
        watcher.wait(has_tuple(basic="open"), 15)
        user.say("presence status=at the desk")
        second = User(self.lab, self.name("xmpp"), f"{jid}/phone", self.server.c2s_port, approve=True, quiet=True)
        second.say("presence show=away priority=3 status=on the phone")
        watcher.wait(lambda s: has_tuple(note="at the desk")(s) and has_tuple(note="on the phone", show="away")(s), 10, "both devices")
        second.stop()
        watcher.wait(lambda s: has_tuple(note="at the desk", basic="open")(s) and not has_tuple(note="on the phone", basic="open")(s), 10)

        uri, phone = self.sip_user()
        tablet = Publisher(self.lab, self.name("publisher"), self.a.sip_port, uri, tuple_id="tablet")
        phone.publish(note="phone")
        tablet.publish(note="tablet", show="away")
        user.say(f"subscribe {uri}")
        one = user.wait(from_bare(uri, status="phone"), 10)
        two = user.wait(from_bare(uri, status="tablet", show="away"), 10)
        self.assertNotEqual(one["from"], two["from"])
        tablet.remove()
        user.wait(lambda e: e["event"] == "presence" and e["from"] == two["from"] and e["type"] == "unavailable", 10)

    def test_unsubscribe(self):
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        phone.publish(note="start")
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, status="start"), 10)
        user.say(f"unsubscribe {uri}")
        user.wait(from_bare(uri, type="unavailable"), 10)
        mark = user.mark()
        phone.publish(note="nobody should see this")
        # Another user of the same provider does see it, so it had the time to arrive.
        _, other = self.xmpp_user()
        other.say(f"subscribe {uri}")
        other.wait(from_bare(uri, status="nobody should see this"), 10)
        self.assertFalse([e for e in user.heard()[mark:] if e["event"] == "presence" and e["status"]])

    def test_a_user_who_says_no(self):
        jid, user = self.xmpp_user(approve=False)
        watcher = self.sip_watches("stranger@a.example", jid)
        user.wait(from_bare("stranger@a.example", type="subscribe"), 10, "the request")
        wait_for(watcher.notifies, 10, "a first NOTIFY")
        self.assertTrue(watcher.notifies()[-1][1].startswith("pending"), watcher.notifies())
        self.assertFalse(watcher.states())
        user.say("unsubscribed stranger@a.example")
        wait_for(lambda: "rejected" in watcher.notifies()[-1][1], 10, "terminated;reason=rejected")
        self.assertFalse(watcher.states())

    def test_a_gateway_host_packs_names(self):
        uri = f"{self.name('sip')}@b.example"
        packed = uri.replace("@", "\\40") + "@" + GATEWAY  # XEP-0106
        phone = Publisher(self.lab, self.name("publisher"), self.b.sip_port, uri)
        phone.publish(note="behind the gateway")
        jid, user = self.xmpp_user(approve=False)
        user.say(f"subscribe {packed}")
        user.wait(from_bare(packed, type="subscribed"), 10, "subscribed")
        user.wait(from_bare(packed, type="available", status="behind the gateway"), 10)
        watcher = Watcher(self.lab, self.name("watcher"), self.b.sip_port, uri, jid)
        user.wait(from_bare(packed, type="subscribe"), 10, "the request")
        user.say(f"subscribed {packed}")
        user.say("presence status=seen through it")
        watcher.wait(has_tuple(note="seen through it", basic="open"), 10)
        user.say(f"unsubscribed {packed}")
        wait_for(lambda: "rejected" in watcher.notifies()[-1][1], 10, "terminated;reason=rejected")

    def test_iq_and_messages_are_answered(self):
        uri, _ = self.sip_user()
        jid, user = self.xmpp_user()
        for command in (f"ping {uri}", f"disco {uri}", "disco a.example", f"disco {GATEWAY}"):
            mark = user.mark()
            user.say(command)
            user.wait(lambda e: e["event"] == "iq" and e["ok"], 10, command, after=mark)
        user.say(f"message {uri} hello")
        user.wait(lambda e: e["event"] == "message" and e["type"] == "error", 10, "an error for the message")

    def test_one_oversize_stanza_harms_nobody(self):
        uri, phone = self.sip_user()
        phone.publish(note="start")
        jid, user = self.xmpp_user()
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, status="start"), 10)
        mark = user.mark()
        user.say(f"message {uri} " + "&" * 20_000)  # five bytes each on the wire
        user.wait(lambda e: e["event"] == "message" and e["type"] == "error", 10, "an error", after=mark)
        phone.publish(note="still here")
        user.wait(from_bare(uri, status="still here"), 10)
        self.assertFalse([e for e in user.heard()[mark:] if e["event"] == "presence" and e["type"] == "unavailable"])

    def test_a_clean_stop(self):
        self.assertEqual(self.b.stop(), 0)
        self.b.start()
        self.assertEqual(self.x.stop(), 0)
        self.x.start()

    def test_server_restart_loses_nothing(self):
        uri, phone, jid, user, watcher = self.watching_each_other("watcher4@a.example")
        self.server.stop()
        phone.publish(note="while away")
        self.server.start()
        again = User(self.lab, self.name("xmpp"), f"{jid}/home", self.server.c2s_port, approve=True)
        again.wait(from_bare(uri, status="while away"), 20, "the state missed while the server was down")
        again.say("presence status=me after")
        watcher.wait(has_tuple(note="me after"), 20)

    def test_restart_and_crash_of_the_nodes(self):
        uri, phone, _, user, watcher = self.watching_each_other("watcher5@a.example")
        for node in (self.a, self.x):
            for crash in (False, True):
                with self.subTest(node=node.name, crash=crash):
                    node.restart(crash=crash)
                    mark = f"after {node.name} {'crash' if crash else 'restart'}"
                    phone.publish(note=mark)  # the entity tag from before is still good
                    user.wait(from_bare(uri, type="available", status=mark), 30, mark)
                    user.say(f"presence status=me {mark}")
                    watcher.wait(has_tuple(note=f"me {mark}"), 30, "me " + mark)  # in the dialog from before

    def test_a_lost_state_file_ends_no_subscription(self):
        uri, phone, jid, _, watcher = self.watching_each_other("watcher6@a.example")
        epoch = self.x.status()["epoch"]
        self.x.stop()
        for file in self.x.folder.glob("state.sqlite*"):
            file.unlink()
        wait_for(lambda: time.time() >= epoch + 1, 2, "a higher epoch, which the clock alone gives now")
        self.x.start()
        phone.publish(note="after the loss")
        again = User(self.lab, self.name("xmpp"), f"{jid}/next", self.server.c2s_port, approve=True)
        again.wait(from_bare(uri, type="available", status="after the loss"), 20, "who logs in to be shown it")
        again.say("presence status=me after the loss")
        watcher.wait(has_tuple(note="me after the loss"), 20)
        again.say("roster")
        self.assertIn(again.wait(lambda e: e["event"] == "roster", 5)["items"].get(uri), ("to", "both"))
        self.assertFalse([e for e in again.heard() if e.get("type") == "unsubscribed"])

    def test_a_crashed_source_is_not_shown_online(self):
        uri, phone = self.sip_user()
        jid, user = self.xmpp_user()
        phone.publish(note="here")
        user.say(f"subscribe {uri}")
        user.wait(from_bare(uri, status="here"), 10)
        mark = user.mark()
        self.a.kill()
        try:
            user.wait(from_bare(uri, type="unavailable"), 15, "the crash to be told", after=mark)
        finally:
            self.a.start()
        user.wait(from_bare(uri, type="available", status="here"), 30, "the publication back", after=mark)
