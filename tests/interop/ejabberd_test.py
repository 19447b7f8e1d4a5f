"""A real ejabberd, held to what every XMPP server is, and to what its operators may set wrongly."""
import unittest

import xmpp_cases
from world import BIN, Ejabberd, User, run, wait_for


class EjabberdTest(xmpp_cases.XmppCases):
    Server = Ejabberd

    def test_mixed_routes_are_told(self):
        # ejabberd's default: a stanza leaves by any of its components' streams. Half would be lost without a word.
        domains = ["a.example", "b.example"]
        server = Ejabberd(self.lab, "ejabberd-mixed", "x.example", domains, users=["romeo"], global_routes=True).start()
        self.addCleanup(self.attach, self.x.xmpp, self.x.xmpp_domains, self.x.xmpp_gateway)
        self.attach(server, domains, None)
        user = User(self.lab, self.name("xmpp"), "romeo@x.example/home", server.c2s_port)

        def told():
            user.say("directed alice@a.example status=which way?")
            return [link for link in self.x.status()["links"] if link.get("reason") == "foreign-stanzas"]
        link = wait_for(told, 10, "a link that is not as it should be", every=0.05)[0]
        self.assertEqual((link["name"], link["state"]), ("xmpp.x.example/b.example", "up"))
        self.assertIn("global_routes: false", run(BIN / "presmesh", "--config", self.x.config, "doctor", check=False).stdout)
        user.stop()
        server.stop()

    def attach(self, server, domains, gateway):
        self.x.stop()
        self.x.xmpp, self.x.xmpp_domains, self.x.xmpp_gateway = server, domains, gateway
        self.x.write_config()
        self.x.start()


if __name__ == "__main__":
    unittest.main()
