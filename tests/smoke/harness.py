"""What every smoke test begins with: a lab of its own, or a skip that says why there is none.

A test's build folder comes as the first argument: `x_test.py BUILD [unittest arguments]`.
"""

import hashlib
import itertools
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
            tell_what_was_said(self.lab)

    def client(self, namespace, *arguments, timeout=60):
        """Runs programs/client.py and returns its report."""
        words = [str(argument) for argument in arguments]
        return json.loads(namespace.run_python("client.py", *words, timeout=timeout).stdout)

    def plane(self, network, config, driver, resolved=True):
        """A started data plane in a network, which must stop cleanly when the test ends. Not
        `resolved`: members need not answer."""
        plane = Plane(network.plane, BUILD, config, network.wires, driver)
        self.addCleanup(assert_clean_end, plane)
        return plane.start(resolved=resolved)

    def curl(self, namespace, url, *options, check=True):
        """What curl printed; an error unless `check` is off."""
        return namespace.run("curl", "--silent", "--show-error", "--max-time", "10", *options, url,
                             check=check).stdout

    def assert_downloads(self, report, count, digest):
        self.assertEqual((count, [], [digest]),
                         (report["ok"], report["failed"], report["sha256"]), report)


def tell_what_was_said(lab):
    for process in lab.processes:
        print(f"--- {process.name}:\n{process.said()[-4000:]}", file=sys.stderr)


def assert_clean_end(plane):
    if plane.process is None:
        return
    plane.process.signal(signal.SIGTERM)
    code = plane.process.wait(30)
    said = plane.process.said()
    if code != 0 or "Sanitizer" in said or "runtime error:" in said:
        raise AssertionError(f"the data plane ended with {code}:\n{said}")


class SharedLabTest(LabTest):
    """Tests that stand in one lab: it takes seconds to build. build() does that once for all of
    them, and what one of them starts ends with it. What else it changes, it puts back."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(f"weir{os.getpid()}")
        cls.addClassCleanup(cls.lab.close)
        try:
            cls.build()
        except Exception:
            tell_what_was_said(cls.lab)
            raise

    @classmethod
    def shared_plane(cls, network, config, driver, resolved=True):
        """A data plane that serves all tests, for build()."""
        plane = Plane(network.plane, BUILD, config, network.wires, driver)
        cls.addClassCleanup(assert_clean_end, plane)
        return plane.start(resolved=resolved)

    def setUp(self):
        self.addCleanup(self.lab.stop_since, len(self.lab.processes))
        self.addCleanup(self.tell)

    def plane(self, *arguments, **more):
        # The one before may have had other MAC addresses.
        for namespace in self.lab.namespaces:
            namespace.ip("neighbour", "flush", "all")
        return super().plane(*arguments, **more)


def url(host, path="/"):
    return f"http://[{host}]{path}" if ":" in host else f"http://{host}{path}"


numbers = itertools.count()


class Hold:
    """Connections to an echo service that are kept open: round() sends a line over each and waits
    for the answers, `patience` seconds; end() tells how it went."""

    def __init__(self, test, namespace, count, host, port, protocol="tcp", patience=5):
        self.orders = test.lab.path(f"hold-{next(numbers)}")
        self.rounds = 0
        self.write("")
        self.process = namespace.python("hold", "client.py", "hold", str(count), host, str(port),
                                        self.orders, protocol, str(patience))
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


class Downloads:
    """Downloads that last as long as a test needs them: each takes a little now and then, until
    finish() lets them go on as fast as they can. The service is nginx's, `content` the file's."""

    def __init__(self, test, namespace, count, host, content, port=80):
        self.test, self.count, self.digest = test, count, hashlib.sha256(content).hexdigest()
        self.gate = test.lab.path(f"gate-{next(numbers)}")
        self.process = namespace.python("downloads", "client.py", "downloads", str(count), host,
                                        str(port), "/files/sample", self.gate)
        wait_until(lambda: os.path.exists(self.gate + ".begun"), 30, "all downloads to begin")

    def finish(self):
        """Their report, after all of them came whole."""
        self.test.assertTrue(self.process.running(), "downloads that ended too early")
        with open(self.gate, "w", encoding="ascii"):
            pass
        self.test.assertEqual(0, self.process.wait(60), self.process.said())
        report = json.loads(self.process.said())
        self.test.assert_downloads(report, self.count, self.digest)
        return report


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
