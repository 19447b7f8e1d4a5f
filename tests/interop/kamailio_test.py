"""A real Kamailio with SIP users (sipp) at k.example, and SIP users at a node that serves SIP itself."""
import unittest

from world import Federation, Kamailio, Publisher, Watcher, WorldTest, all_closed, has_tuple, wait_for

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
        port = self.a.sip_port if domain == "a.example" else self.kamailio.port
        return uri, Publisher(self.lab, self.name("publisher"), port, uri, tuple_id=self.name("t"))

    def watches(self, domain, presentity):
        port = self.a.sip_port if domain == "a.example" else self.kamailio.port
        return Watcher(self.lab, self.name("watcher"), port, f"{self.name('w')}@{domain}", presentity)

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
        uri, phone = self.user("a.example")
        tablet = Publisher(self.lab, self.name("publisher"), self.a.sip_port, uri, tuple_id="tablet")
        phone.publish(note="phone")
        tablet.publish(note="tablet", show="away")
        watcher = self.watches("k.example", uri)
        watcher.wait(lambda s: has_tuple(note="phone")(s) and has_tuple(note="tablet", show="away")(s), 15, "both devices")
        tablet.remove()
        watcher.wait(lambda s: has_tuple(note="phone")(s) and not has_tuple(note="tablet", basic="open")(s), 10)

    def test_removal(self):
        uri, phone = self.user("a.example")
        phone.publish(note="here")
        watcher = self.watches("k.example", uri)
        watcher.wait(has_tuple(note="here"), 15)
        before = len(watcher.notifies())
        phone.remove()
        wait_for(lambda: len(watcher.notifies()) > before and not has_tuple(basic="open")(
            (watcher.states() or [(0, {"tuples": []})])[-1][1] if watcher.notifies()[-1][2] else {"tuples": [], "notes": []}),
            10, "the removal")

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
