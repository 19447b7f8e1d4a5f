#!/usr/bin/python3
"""The laboratory leaves nothing behind: whatever ends it, the servers that it started end with it."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
# A laboratory with a server that has a child of its own, as Kamailio has.
LAB = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from lab import Lab
with Lab("end") as lab:
    server = lab.start("server", ["/bin/sh", "-c", "sleep 1000 & child=$!; trap 'kill $child; exit' TERM; echo $child; wait"],
                       ready=lambda: lab.processes and lab.processes[0].tail().strip())
    print(server.pid, server.tail().strip(), lab.folder, flush=True)
    threading.Event().wait()
"""


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class LabTest(unittest.TestCase):
    def setUp(self):
        self.lab = None

    def tearDown(self):
        for pid in [int(p) for p in self.pids if runs(p)]:
            os.kill(pid, signal.SIGKILL)
        self.lab.kill()
        self.lab.wait()
        self.lab.stdout.close()

    def begin(self, *before):
        self.lab = subprocess.Popen([*before, sys.executable, "-c", LAB, str(SCRIPTS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        *self.pids, self.folder = self.lab.stdout.readline().split()
        self.assertEqual([runs(p) for p in self.pids], [True, True])

    def left(self):
        deadline = time.monotonic() + 10
        while any(runs(p) for p in self.pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [p for p in self.pids if runs(p)]

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(number.name):
                self.begin()
                self.lab.send_signal(number)
                self.lab.wait(10)
                self.assertEqual(self.left(), [])
                self.assertFalse(pathlib.Path(self.folder).exists())

    def test_killed(self):
        self.begin()
        self.lab.kill()
        self.assertEqual(self.left(), [])
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def test_nohup_is_minded(self):
        self.begin("nohup")
        self.lab.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.assertIsNone(self.lab.poll())
        self.assertEqual([runs(p) for p in self.pids], [True, True])
        self.lab.terminate()
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    unittest.main()
