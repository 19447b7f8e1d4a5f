#!/usr/bin/python3
"""tests/bench/run itself, with load generators of the test's own: what is lost is told, and what was measured is never thrown away."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

FOLDER = tempfile.TemporaryDirectory()
os.environ["PRESMESH_BIN"] = FOLDER.name
PATH = pathlib.Path(__file__).resolve().parent.parent / "bench" / "run"
LOADER = importlib.machinery.SourceFileLoader("bench_run", str(PATH))
bench_run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", LOADER))
LOADER.exec_module(bench_run)


def program(name, text):
    path = pathlib.Path(FOLDER.name) / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


class Clock:
    """A process whose CPU seconds are what the load generator of the test says that it cost."""

    def __init__(self, path):
        self.path = path

    def cpu_seconds(self):
        return sum(float(line) for line in self.path.read_text().split())


class LoadTest(unittest.TestCase):
    def test_what_is_lost_is_measured_too(self):
        lossy = program("lossy", 'echo \'{"changes": 8, "lost": 2, "seconds": 1}\'; exit 1')
        self.assertEqual(bench_run.run_load([lossy])["lost"], 2)
        bench = bench_run.Bench(2, 1)
        bench.lost_row("x.lost", [{"lost": 0}, {"lost": 0}, {"lost": 7}], [{"lost": 0}], "nothing")
        self.assertEqual(bench.rows[0]["ours"], 7)

    def test_what_could_not_begin_is_told_with_its_errors(self):
        for text in ("echo no such port >&2; exit 1", "echo no such port >&2; exit 2", "echo '{}'; echo no such port >&2; exit 2"):
            said = io.StringIO()
            with contextlib.redirect_stderr(said), self.assertRaises(RuntimeError):
                bench_run.run_load([program("broken", text)])
            self.assertIn("no such port", said.getvalue())

    def test_the_set_up_is_not_part_of_what_a_change_costs(self):
        spent = pathlib.Path(FOLDER.name) / "spent"
        spent.write_text("")
        # 3 s of set-up, and 2 s for each thousand changes.
        load = program("load", f'echo 3 >>{spent}; echo "$1" | sed "s/...$/ /;s/^ *$/0/" | awk \'{{print 2 * $1}}\' >>{spent}\n'
                               'echo \'{"lost": 0}\'')
        got = bench_run.measure_load(lambda changes: [load, changes], [Clock(spent)], 5000)
        self.assertAlmostEqual(got["cpu_per_1000"], 2.0)

    def test_what_was_measured_until_something_broke_is_written(self):
        def good(bench):
            bench.row("good", "1", [1], [1], "itself")

        def bad(bench):
            raise KeyboardInterrupt

        bench_run.OUT = pathlib.Path(FOLDER.name) / "build" / "bench.json"
        bench_run.prepare = lambda: None
        bench_run.GROUPS = {"good": good, "bad": bad}
        sys.argv = ["run", "good", "bad"]
        table = io.StringIO()
        with contextlib.redirect_stdout(table), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(KeyboardInterrupt):
            bench_run.main()
        self.assertIn("good", table.getvalue())
        self.assertEqual(json.loads(bench_run.OUT.read_text())[0]["name"], "good")

    def test_a_soak_that_breaks_off_has_rows(self):
        def load(minutes, soak):
            soak["publisher's node"] += [2, 2, 2, 4]
            soak["watcher's node"] += [1, 1, 1, 1]
            soak["lost"] += [0, 3, 0, 0]
            raise RuntimeError("broken")

        bench_run.soak_load = load
        bench = bench_run.Bench(1, 60)
        with self.assertRaises(RuntimeError):
            bench_run.soak_rows(bench)
        self.assertEqual({r["name"]: r["ours"] for r in bench.rows},
                         {"soak.resident.publisher's_node": 4, "soak.resident.watcher's_node": 1, "soak.lost_changes": 3})


if __name__ == "__main__":
    unittest.main()
