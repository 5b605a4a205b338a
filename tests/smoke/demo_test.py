"""The demonstration shows what it promises, and leaves the machine as it found it."""

import fcntl
import glob
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness
from lab import PROGRAMS, Lab, die_with_parent, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(PROGRAMS)))
PROMPT = "Ctrl-C ends it"


def footprint():
    """What a demonstration could leave: namespaces, processes, mounts, huge pages, folders."""
    namespaces = sorted(name for name in run(["ip", "netns", "list"]).stdout.split()
                        if re.match(r"weir-(client|plane|lan|s\d)$", name))
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = sorted(line for line in file if re.search(r"weir-|hugetlbfs|bpf", line))
    with open("/proc/meminfo", encoding="utf-8") as file:
        pages = [line for line in file if line.startswith("HugePages")]
    return namespaces, processes(), mounts, pages, os.path.exists("/run/weir-demo")


def processes():
    """The command lines of those that belong to a demonstration."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                line = file.read().replace("\0", " ")
        except OSError:
            continue  # gone
        if re.search(r"/run/weir-demo|client\.py trickle", line):
            found.append(line)
    return sorted(found)


def screen(said, rows):
    """The lines that stand on a terminal after this: of its language, what the demonstration
    speaks. Any other sequence is an error."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|\r|\n|[^\x1b\r\n]+", said):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
            gone = max(0, len(lines) - rows)
            lines, row = lines[gone:], row - gone
        elif part == "\x1b[J":
            lines[row:] = [""]
        elif re.fullmatch(r"\x1b\[\d+A", part):
            row = max(0, row - int(part[2:-1]))
        elif part.startswith("\x1b"):
            raise AssertionError(f"not known here: {part!r}")
        elif part != "\r":
            lines[row] += part
    return lines


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
        self.assertGreater(len(footprint()[1]), 4)  # data plane, servers, client, counters
        drained = run(commands[1].split()).stdout
        self.assertRegex(drained, r"s1\b.*\bdrain")

        second = self.start("second")
        self.assertEqual(2, second.wait(30))
        self.assertIn("another demonstration runs", second.said())

        demo.signal(signal.SIGINT)
        self.assertEqual(0, demo.wait(30), demo.said())
        self.assertEqual(self.before, footprint())

    def test_its_text_stays_above_the_counters_on_a_terminal(self):
        rows, columns = 24, 100
        ours, its = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        demo = subprocess.Popen([os.path.join(ROOT, "tools", "demo"), harness.BUILD],
                                stdin=subprocess.DEVNULL, stdout=its, stderr=its,
                                start_new_session=True, preexec_fn=die_with_parent)
        os.close(its)
        said = b""
        try:
            deadline = time.monotonic() + 90
            # At the third erasure, two refreshes have been painted whole.
            while said.count(b"\x1b[J") < 3 and time.monotonic() < deadline:
                if select.select([ours], [], [], 1)[0]:
                    said += os.read(ours, 65536)
        finally:
            demo.send_signal(signal.SIGINT)
            self.assertEqual(0, demo.wait(30))
        stands = "\n".join(screen(said.decode(), rows))
        for words in ("weir-client ", "curl http://10.1.0.100/", "show pools", "drain web s1",
                      PROMPT):
            self.assertIn(words, stands)

    def test_sigterm_while_it_starts_removes_everything(self):
        demo = self.start("demo")
        harness.wait_until(lambda: footprint()[0], 20, "the demonstration's first namespace")
        demo.signal(signal.SIGTERM)
        self.assertEqual(0, demo.wait(30), demo.said())
        self.assertEqual(self.before, footprint())

    def test_a_machine_that_never_had_namespaces_gets_no_mount(self):
        """As after a boot: /run is empty. Its terminal goes while the demonstration starts."""
        script = f"""
            set -e
            ! mountpoint --quiet /run/netns || umount --lazy /run/netns
            mount -t tmpfs tmpfs /run
            cp /proc/mounts {self.lab.path("before")}
            timeout --signal=HUP 5 {ROOT}/tools/demo {harness.BUILD} || test $? = 124
            cp /proc/mounts {self.lab.path("after")}
            ls -A /run > {self.lab.path("run")}
            """
        run(["unshare", "--mount", "sh", "-c", script], timeout=60)
        texts = {}
        for name in ("before", "after", "run"):
            with open(self.lab.path(name), encoding="utf-8") as file:
                texts[name] = file.read()
        self.assertEqual(texts["before"], texts["after"])
        self.assertFalse({"netns", "weir-demo"} & set(texts["run"].split()), texts["run"])


if __name__ == "__main__":
    harness.main()
