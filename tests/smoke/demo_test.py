"""The demonstration shows what it promises, and leaves the machine as it found it."""

import os
import re
import signal
import unittest

import harness
from lab import PROGRAMS, Lab, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(PROGRAMS)))
PROMPT = "Ctrl-C ends it"


def footprint():
    """What a demonstration could leave: namespaces, mounts, huge pages, folders."""
    namespaces = sorted(name for name in run(["ip", "netns", "list"]).stdout.split()
                        if re.match(r"weir-(client|plane|lan|s\d)$", name))
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = sorted(line for line in file if "weir" in line or "huge" in line or "bpf" in line)
    with open("/proc/meminfo", encoding="utf-8") as file:
        pages = [line for line in file if line.startswith("HugePages")]
    return namespaces, mounts, pages, os.path.exists("/run/weir-demo")


class Demo(unittest.TestCase):
    def setUp(self):
        if footprint()[0]:
            self.skipTest("a demonstration runs on this machine")
        self.lab = Lab(f"weir{os.getpid()}")
        self.addCleanup(self.lab.close)
        self.before = footprint()

    def start(self, name):
        demo = [os.path.join(ROOT, "tools", "demo"), harness.BUILD]
        return self.lab.start(name, demo)

    def test_its_commands_work_and_ctrl_c_removes_everything(self):
        demo = self.start("demo")
        demo.wait_for_words(PROMPT, 90)
        commands = re.findall(r"^    (\S.+)$", demo.said(), re.MULTILINE)[:3]
        answers = [run(command.split()).stdout for command in commands]
        self.assertRegex(answers[0], r"^s[12]\n$")
        self.assertIn("s1", answers[1])
        drained = run(commands[1].split()).stdout
        self.assertRegex(drained, r"s1\b.*\bdrain")

        second = self.start("second")
        self.assertEqual(2, second.wait(30))
        self.assertIn("another demonstration runs", second.said())

        demo.signal(signal.SIGINT)
        self.assertEqual(0, demo.wait(30), demo.said())
        self.assertEqual(self.before, footprint())

    def test_sigterm_while_it_starts_removes_everything(self):
        demo = self.start("demo")
        harness.wait_until(lambda: footprint()[0], 20, "the demonstration's first namespace")
        demo.signal(signal.SIGTERM)
        self.assertEqual(0, demo.wait(30), demo.said())
        self.assertEqual(self.before, footprint())


if __name__ == "__main__":
    harness.main()
