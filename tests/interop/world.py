"""What the interop tests share: the laboratory on the path, and waits that say what was seen instead."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
from lab import BIN, Lab, LabError, sip, wait_for  # noqa: E402,F401
from lab.ejabberd import Ejabberd  # noqa: E402,F401
from lab.federation import Federation, run  # noqa: E402,F401
from lab.kamailio import Kamailio  # noqa: E402,F401
from lab.prosody import Prosody  # noqa: E402,F401
from lab.sipp import Publisher, Watcher  # noqa: E402,F401
from lab.xmpp import User  # noqa: E402,F401


def has_tuple(**wanted):
    """A condition on a SIP watcher's state: some tuple with all of these (note: among its or the document's notes)."""
    def fits(state, t, key, value):
        if key == "note":
            return value in t["notes"] or value in state["notes"]
        return t[key] == value
    return lambda state: any(all(fits(state, t, k, v) for k, v in wanted.items()) for t in state["tuples"])


def all_closed(state):
    return bool(state["tuples"]) and all(t["basic"] == "closed" for t in state["tuples"])


def from_bare(jid, **wanted):
    """A condition on what an XMPP user hears: presence from this bare JID with all of these."""
    return lambda e: (e["event"] == "presence" and (e["from"] or "").split("/")[0] == jid and
                      all(e[k] == v for k, v in wanted.items()))


class WorldTest(unittest.TestCase):
    """One world per class, built by build(); its logs are printed when something failed."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(cls.__name__.lower())
        cls.counter = 0
        try:
            cls.build()
        except BaseException:
            cls.show_logs()
            cls.lab.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    @classmethod
    def show_logs(cls):
        for process in cls.lab.processes:
            if any(name in process.name for name in ("presmeshd", "kamailio", "prosody", "ejabberd")):
                print(f"---- end of {process.name}'s log\n{process.tail(25)}", file=sys.stderr)

    def name(self, what):
        """A name for a process or user that no other test of the class has."""
        type(self).counter += 1
        return f"{what}{type(self).counter}"

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            self.show_logs()
        return result
