"""What every smoke test begins with: a lab of its own, or a skip that says why there is none.

A test's build folder comes as the first argument: `x_test.py BUILD [unittest arguments]`.
"""

import json
import os
import signal
import sys
import unittest

from lab import Lab, sweep, unavailable, wait_until
from plane import Plane

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

    def plane(self, network, config, driver, resolved=True):
        """A started data plane in a network, which must stop cleanly when the test ends. Not
        `resolved`: members need not answer."""
        plane = Plane(network.plane, BUILD, config, network.wires, driver)
        self.addCleanup(self.assert_clean_end, plane)
        return plane.start(resolved=resolved)

    def assert_clean_end(self, plane):
        if plane.process is None:
            return
        plane.process.signal(signal.SIGTERM)
        code = plane.process.wait(30)
        said = plane.process.said()
        for words in ("Sanitizer", "runtime error:"):
            self.assertNotIn(words, said)
        self.assertEqual(0, code, said)

    def curl(self, namespace, url, *options, check=True):
        """What curl printed; an error unless `check` is off."""
        return namespace.run("curl", "--silent", "--show-error", "--max-time", "10", *options, url,
                             check=check).stdout

    def assert_downloads(self, report, count, digest):
        self.assertEqual((count, [], [digest]),
                         (report["ok"], report["failed"], report["sha256"]), report)


def url(host, path="/"):
    return f"http://[{host}]{path}" if ":" in host else f"http://{host}{path}"


class Hold:
    """Connections to an echo service that are kept open: round() sends a line over each and waits
    for the answers, end() tells how it went."""

    def __init__(self, test, namespace, count, host, port, protocol="tcp"):
        self.orders = test.lab.path(f"hold-{protocol}-{host}-{port}")
        self.rounds = 0
        self.write("")
        self.process = namespace.python("hold", "client.py", "hold", str(count), host, str(port),
                                        self.orders, protocol)
        self.round()

    def write(self, order):
        with open(self.orders + ".new", "w", encoding="ascii") as file:
            file.write(order)
        os.replace(self.orders + ".new", self.orders)

    def answered(self):
        try:
            with open(self.orders + ".answered", encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def round(self, order=None):
        self.rounds += 1
        order = order or str(self.rounds)
        self.write(order)
        wait_until(lambda: self.answered() == order, 30, f"round {order} of held connections")

    def end(self):
        """One more round, and the report: {"rounds", "lines", "failed", "answered"}."""
        self.round("end")
        self.process.wait(10)
        return json.loads(self.process.said())


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
