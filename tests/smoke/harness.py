"""What every smoke test begins with: a lab of its own, or a skip that says why there is none.

A test's build folder comes as the first argument: `x_test.py BUILD [unittest arguments]`.
"""

import json
import os
import signal
import sys
import unittest

from lab import Lab, sweep, unavailable

SKIPPED = 77  # what meson takes for a skip
BUILD = None


class LabTest(unittest.TestCase):
    """A test with a lab; when it fails, what the lab's processes said is printed."""

    def run(self, result=None):
        self.result = result
        self.troubles_before = len(result.failures) + len(result.errors)
        return super().run(result)

    def setUp(self):
        self.lab = Lab(f"weir{os.getpid()}")
        self.addCleanup(self.lab.close)
        self.addCleanup(self.tell)

    def tell(self):
        if len(self.result.failures) + len(self.result.errors) > self.troubles_before:
            for process in self.lab.processes:
                print(f"--- {process.name}:\n{process.said()[-4000:]}", file=sys.stderr)

    def client(self, namespace, *arguments, timeout=60):
        """Runs programs/client.py and returns its report."""
        words = [str(argument) for argument in arguments]
        return json.loads(namespace.run_python("client.py", *words, timeout=timeout).stdout)

    def curl(self, namespace, url, *options):
        said = namespace.run("curl", "--silent", "--show-error", "--max-time", "10", *options, url)
        return said.stdout


def main():
    global BUILD
    why = unavailable()
    if why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    BUILD = os.path.abspath(sys.argv.pop(1))
    sweep()
    # A test that takes too long is told to end: what it made goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unittest.main(verbosity=2)
