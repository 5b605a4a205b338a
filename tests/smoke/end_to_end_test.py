"""bench/end-to-end measures what it says, and its figures are worked out right."""

import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

import harness
from lab import PROGRAMS, die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(PROGRAMS)))
BENCH = os.path.join(ROOT, "bench")
sys.path.insert(0, os.path.join(BENCH, "endtoend"))

import report
from subjects import Testpmd

TESTPMD_SAID = """
  CPU cycles/packet=172.74 (total cycles=742345464 / total io packets=4297536) at 2100 MHz Clock
  TX-packets: 0              TX-dropped: 0             TX-total: 0
  CPU cycles/packet=174.53 (total cycles=1025216934 / total io packets=5874112) at 2100 MHz Clock
"""


def result(subject, number, rate, cycles, flows=None, light=None):
    return {"subject": subject, "flows": flows, "round": number, "packets_per_second": rate,
            "cycles": cycles, "light": light}


def processes_with(words):
    """Those whose command line has the words in it."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                if words in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


def light(lost, p50):
    return {"sent": 1000, "lost": lost, "latency_us": {"p50": p50, "p99": 20, "p999": 30}}


class Report(unittest.TestCase):
    # The machine was half as fast in the second round, and very slow for one subject in the third.
    RESULTS = [result("io", 0, 8e6, 100, light=light(0, 1)),
               result("nat", 0, 4e6, 150, 1024, light(10, 4)),
               result("io", 1, 4e6, 200), result("nat", 1, 2e6, 260, 1024, light(0, 6)),
               result("io", 2, 8e6, 100), result("nat", 2, 1e6, None, 1024)]

    def test_rounds_are_paired(self):
        rows = {row[0]: row for row in report.rows(self.RESULTS)}
        self.assertEqual(("nat", "1024", "2.00 M", "0.50", "150", "205", "+55", "0.500 %", "5",
                          "20", "30"), rows["nat"])
        self.assertEqual(("io", "any", "8.00 M", "1.00", "100", "100", "+0"), rows["io"][:7])

    def test_without_a_yardstick_figures_stand_alone(self):
        only = [each for each in self.RESULTS if each["subject"] == "nat"]
        self.assertEqual(("2.00 M", "-", "150", "205", "-"), report.rows(only)[0][2:7])

    def test_columns_line_up(self):
        lines = report.table(self.RESULTS).split("\n")
        self.assertEqual(3, len(lines))
        end = lines[0].index("PACKETS/S") + len("PACKETS/S")
        for line in lines[1:]:
            self.assertEqual("M", line[end - 1])

    def test_testpmd_is_read_where_it_saw_most(self):
        self.assertEqual(174.53, Testpmd.cycles(TESTPMD_SAID))
        self.assertIsNone(Testpmd.cycles("testpmd> "))


class EndToEnd(unittest.TestCase):
    def setUp(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one processor")

    def run_it(self, *options):
        command = [os.path.join(BENCH, "end-to-end"), harness.BUILD, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)

    def test_packets_go_through_and_are_counted(self):
        subjects = ["nat"] + (["io"] if Testpmd.program() else [])
        results = os.path.join(harness.BUILD, "end_to_end_smoke.json")
        self.addCleanup(lambda: os.path.exists(results) and os.unlink(results))
        done = self.run_it("--rounds", "1", "--flows", "64", "--subjects", ",".join(subjects),
                           "--json", results)
        self.assertEqual(0, done.returncode, done.stderr)
        print(done.stdout)
        with open(results, encoding="utf-8") as file:
            runs = json.load(file)["benchmarks"]
        # testpmd says its cycles once a second, of as many as it had by then.
        self.assertEqual("end_to_end_nat/64", runs[0]["name"])
        self.assertLessEqual({run["name"] for run in runs[1:]}, {"end_to_end_io/any"})
        for run in runs:
            self.assertLess(1000, run["packets_per_second"])
            self.assertLess(10, run["cycles/packet"])
        # What it wrote is what bench/compare reads.
        loader = importlib.machinery.SourceFileLoader("compare", os.path.join(BENCH, "compare"))
        compare = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("compare", loader))
        loader.exec_module(compare)
        self.assertEqual({(run["name"], "cycles/packet"): run["cycles/packet"] for run in runs},
                         compare.read(results))

    def test_interrupted_it_leaves_nothing_and_tells_what_it_has(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [os.path.join(BENCH, "end-to-end"), harness.BUILD, "--rounds", "9",
                       "--flows", "64", "--subjects", "direct"]
            bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True, env=dict(os.environ, TMPDIR=folder),
                                     preexec_fn=die_with_parent)
            for line in bench.stderr:
                if line.startswith("round 2 "):
                    break
            # Both are told of their devices' socket in the folder.
            harness.wait_until(lambda: len(processes_with(folder)) >= 2, 20,
                               "the subject and the generator")
            bench.send_signal(signal.SIGTERM)
            said, errors = bench.communicate(timeout=30)
            self.assertEqual(1, bench.returncode, errors)
            self.assertIn("interrupted", errors)
            self.assertRegex(said, r"(?m)^direct +64 +\d")
            self.assertEqual([], os.listdir(folder))
            self.assertEqual([], processes_with(folder))

    def test_an_unknown_subject_is_named(self):
        done = self.run_it("--subjects", "io,bridge")
        self.assertEqual(2, done.returncode)
        self.assertIn("bridge is none of io, 5tswap, direct, nat, fullnat, ipip", done.stderr)


if __name__ == "__main__":
    harness.main()
