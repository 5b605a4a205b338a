"""A flood of SYNs from everywhere costs no download that runs, and no new connection, its own.
Where replies pass us by, the flooded service goes stateless meanwhile, and comes back."""

import json

import harness
from harness import Downloads, url
from lab import wait_until
from members import start_decapsulator, take_vip
from networks import OneArm, Routed
from plane import best_driver
from servers import Nginx, sample_file

SYNS = 7_500
RATE = 5_000  # a second
FILE_BYTES = 3_000_000
DOWNLOADS = 4
FLOWS = 4096  # of which those without handshake may be an eighth


class Flood(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.driver = best_driver()
        self.content, _ = sample_file(FILE_BYTES, seed=5)

    def start_web(self, network):
        for name, member in network.members.items():
            Nginx(member, name, {"sample": self.content})

    def mode(self, plane):
        return plane.ask("show", "vips")["vips"][0]["mode"]

    def assert_unharmed(self, network, forward):
        """Returns the plane, and the modes in which the flooded vip was seen."""
        config = network.configuration(self.driver, flows={"per-worker": FLOWS})
        network.serve(config, "web", 80, forward=forward)
        plane = self.plane(network, config, self.driver)
        host = network.vip[4]
        downloads = Downloads(self, network.client, DOWNLOADS, host, self.content)
        flood = network.client.python("flood", "flood.py", host, "80", str(SYNS), str(RATE))
        answered, modes = 0, set()
        while flood.running():
            self.assertIn(self.curl(network.client, url(host)).strip(), network.members)
            modes.add(self.mode(plane))
            answered += 1
        flood.wait(1)
        modes.add(self.mode(plane))
        self.assertEqual({"sent": SYNS}, json.loads(flood.said()))
        downloads.finish()
        worker = plane.ask("show", "workers")["workers"][0]
        self.forgotten = worker["probation_evictions"]
        print(f"{answered} new connections, {self.forgotten} forgotten")
        self.assertGreater(answered, 0)
        self.assertLess(worker["flows"], FLOWS // 2)
        self.assertNotIn("flow-table-full", plane.drops())
        return plane, modes

    def assert_went_stateless(self, plane, modes):
        self.assertIn("stateless", modes)
        self.assertLess(self.forgotten, SYNS // 2)
        self.assertLess(plane.ask("show", "vips")["vips"][0]["flows_created"], SYNS // 4 * 3)
        wait_until(lambda: "under pressure" in plane.process.said(), 10, "a word about it")

    def test_nat(self):
        network = Routed(self.lab)
        self.start_web(network)
        _, modes = self.assert_unharmed(network, "nat")
        self.assertEqual({"tracking"}, modes)
        self.assertGreater(self.forgotten, SYNS // 4)

    def test_direct_return(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for member in network.members.values():
            take_vip(member, *network.vip.values())
        plane, modes = self.assert_unharmed(network, "direct")
        self.assert_went_stateless(plane, modes)
        wait_until(lambda: self.mode(plane) == "tracking", 30, "entries for new flows again")
        wait_until(lambda: "have entries again" in plane.process.said(), 10, "a word about it")

    def test_ip_in_ip(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for name, member in network.members.items():
            take_vip(member, *network.vip.values())
            start_decapsulator(member, network.member_address(name),
                               network.member_address(name, 6))
        self.assert_went_stateless(*self.assert_unharmed(network, "ipip"))


if __name__ == "__main__":
    harness.main()
