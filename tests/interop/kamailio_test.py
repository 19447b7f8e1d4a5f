"""A real Kamailio with SIP users (sipp) at k.example, and SIP users at a node that serves SIP itself."""
import unittest

from world import Federation, Kamailio, Publisher, Watcher, WorldTest, all_closed, has_tuple, sip, wait_for

SHOWS = (None, "away", "chat", "dnd", "xa")


class KamailioTest(WorldTest):
    @classmethod
    def build(cls):
        cls.federation = Federation(cls.lab, quiet=True)
        cls.a = cls.federation.node("a", "a.example", sip="serve", crash_bound=4)
        cls.k = cls.federation.node("k", "k.example", sip="attach", crash_bound=4)
        cls.kamailio = Kamailio(cls.lab, "kamailio", "k.example", "memory", translator_port=cls.k.sip_port)
        cls.k.kamailio = cls.kamailio
        cls.kamailio.start()
        cls.federation.start()

    def user(self, domain):
        """A SIP user who publishes: of the node itself, or of Kamailio."""
        uri = f"{self.name('user')}@{domain}"
        return uri, Publisher(self.lab, self.name("publisher"), self.port(domain), uri, tuple_id=self.name("t"))

    def port(self, domain):
        return self.a.sip_port if domain == "a.example" else self.kamailio.port

    def watches(self, domain, presentity, **more):
        return Watcher(self.lab, self.name("watcher"), self.port(domain), f"{self.name('w')}@{domain}", presentity, **more)

    BOTH = (("a.example", "k.example"), ("k.example", "a.example"))

    def test_first_state_show_priority_and_note(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                uri, phone = self.user(source)
                phone.publish(note="first", priority="0.25")
                watcher = self.watches(target, uri)
                watcher.wait(has_tuple(note="first", basic="open", priority="0.25"), 15, "the first state")
                for show in SHOWS:
                    phone.publish(note=f"now {show}", show=show, priority="0.8")
                    watcher.wait(has_tuple(note=f"now {show}", show=show, priority="0.8"), 10, f"now {show}")

    def test_watched_before_published(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                uri, phone = self.user(source)
                watcher = self.watches(target, uri)
                wait_for(watcher.notifies, 10, "a first NOTIFY")
                phone.publish(note="here at last")
                watcher.wait(has_tuple(note="here at last"), 15)

    def test_two_devices(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                uri, phone = self.user(source)
                tablet = Publisher(self.lab, self.name("publisher"), self.port(source), uri, tuple_id="tablet")
                phone.publish(note="phone")
                tablet.publish(note="tablet", show="away")
                watcher = self.watches(target, uri)
                watcher.wait(lambda s: has_tuple(note="phone")(s) and has_tuple(note="tablet", show="away")(s), 15, "both devices")
                tablet.remove()
                wait_for(lambda: has_tuple(note="phone")(watcher.last()) and not has_tuple(note="tablet", basic="open")(watcher.last()),
                         10, "the phone alone")

    def test_removal(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                uri, phone = self.user(source)
                phone.publish(note="here")
                watcher = self.watches(target, uri)
                watcher.wait(has_tuple(note="here"), 15)
                phone.remove()
                wait_for(lambda: not has_tuple(basic="open")(watcher.last()), 10, "the removal")

    def test_who_watches_is_taken_from_the_server_alone(self):
        watched, watcher = f"{self.name('user')}@a.example", f"{self.name('w')}@k.example"
        for source, status in (("127.0.0.2", 403), ("127.0.0.1", 200)):
            self.assertEqual(sip.ask(self.k.sip_port, "SUBSCRIBE", watched, watcher, source=source, seconds=10), status)

    def test_unsubscribe(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                uri, phone = self.user(source)
                phone.publish(note="start")
                watcher = self.watches(target, uri, until="start")
                wait_for(lambda: watcher.notifies() and watcher.notifies()[-1][1].startswith("terminated"), 15, "the last NOTIFY")
                heard = len(watcher.notifies())
                phone.publish(note="nobody should see this")
                # Another user of the same provider does see it, so it had the time to arrive.
                self.watches(target, uri).wait(has_tuple(note="nobody should see this"), 15)
                self.assertEqual(len(watcher.notifies()), heard)

    def test_a_crashed_source_is_not_shown_online(self):
        for source, target in self.BOTH:
            with self.subTest(source=source, target=target):
                node = self.a if source == "a.example" else self.k
                uri, phone = self.user(source)
                phone.publish(note="here")
                watcher = self.watches(target, uri)
                watcher.wait(has_tuple(note="here"), 15)
                node.kill()
                try:
                    wait_for(lambda: not has_tuple(basic="open")(watcher.last()), 15, "the crash to be told")
                    self.assertIn("presence unknown", watcher.last()["notes"])
                finally:
                    node.start()
                wait_for(lambda: has_tuple(note="here", basic="open")(watcher.last()), 30, "the publication back")

    def test_server_restart_loses_nothing(self):
        uri, phone = self.user("k.example")
        phone.publish(note="before")
        watcher = self.watches("a.example", uri)
        watcher.wait(has_tuple(note="before"), 15)
        self.kamailio.restart()
        phone.etag = None  # its memory is gone, and with it the publication
        phone.publish(note="after")
        watcher.wait(has_tuple(note="after"), 40, "the state after Kamailio's restart")

    def test_restart_and_crash_of_the_nodes(self):
        uri, phone = self.user("a.example")
        bob, desk = self.user("k.example")
        phone.publish(note="before")
        desk.publish(note="bob before")
        at_k, at_a = self.watches("k.example", uri), self.watches("a.example", bob)
        at_k.wait(has_tuple(note="before"), 15)
        at_a.wait(has_tuple(note="bob before"), 15)
        for node in (self.a, self.k):
            for crash in (False, True):
                with self.subTest(node=node.name, crash=crash):
                    node.restart(crash=crash)
                    mark = f"after {node.name} {'crash' if crash else 'restart'}"
                    phone.publish(note=mark)
                    desk.publish(note="bob " + mark)
                    at_k.wait(has_tuple(note=mark), 30, mark)
                    at_a.wait(has_tuple(note="bob " + mark), 30, "bob " + mark)


if __name__ == "__main__":
    unittest.main()
