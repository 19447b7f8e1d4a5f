"""A real Prosody, held to what every XMPP server is."""
import unittest

import xmpp_cases
from world import Prosody


class ProsodyTest(xmpp_cases.XmppCases):
    Server = Prosody


if __name__ == "__main__":
    unittest.main()
