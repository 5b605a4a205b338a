"""A flood of SYNs from everywhere costs no download that runs, and no new connection, its own."""

import json

import harness
from harness import Downloads, url
from members import start_decapsulator, take_vip
from networks import OneArm, Routed
from plane import best_driver
from servers import Nginx, sample_file

SYNS = 20_000
RATE = 5_000  # a second
FILE_BYTES = 500_000
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

    def assert_unharmed(self, network, forward):
        config = network.configuration(self.driver, flows={"per-worker": FLOWS})
        network.serve(config, "web", 80, forward=forward)
        plane = self.plane(network, config, self.driver)
        host = network.vip[4]
        downloads = Downloads(self, network.client, DOWNLOADS, host, self.content)
        flood = network.client.python("flood", "flood.py", host, "80", str(SYNS), str(RATE))
        answered = 0
        while flood.running():
            self.assertIn(self.curl(network.client, url(host)).strip(), network.members)
            answered += 1
        flood.wait(1)
        self.assertEqual({"sent": SYNS}, json.loads(flood.said()))
        downloads.finish()
        worker = plane.ask("show", "workers")["workers"][0]
        print(f"{answered} new connections, {worker['probation_evictions']} forgotten")
        self.assertGreater(answered, 10)
        self.assertGreater(worker["probation_evictions"], SYNS // 4)
        self.assertLess(worker["flows"], FLOWS // 2)
        self.assertNotIn("flow-table-full", plane.drops())

    def test_nat(self):
        network = Routed(self.lab)
        self.start_web(network)
        self.assert_unharmed(network, "nat")

    def test_direct_return(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for member in network.members.values():
            take_vip(member, *network.vip.values())
        self.assert_unharmed(network, "direct")

    def test_ip_in_ip(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for name, member in network.members.items():
            take_vip(member, *network.vip.values())
            start_decapsulator(member, network.member_address(name),
                               network.member_address(name, 6))
        self.assert_unharmed(network, "ipip")


if __name__ == "__main__":
    harness.main()
