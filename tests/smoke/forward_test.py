"""Every way of forwarding carries real connections of both IP versions, and the appliance answers
pings of its own and of virtual addresses."""

import harness
from harness import url
from lab import LabError
from members import start_decapsulator, take_vip
from networks import OneArm, Routed, address
from plane import best_driver
from servers import Nginx, sample_file, start_echo

DOWNLOADS = 4
FILE_BYTES = 3_000_000


class Forwarding(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.driver = best_driver()
        self.content, self.digest = sample_file(FILE_BYTES, seed=2)

    def start_web(self, network):
        for name, member in network.members.items():
            Nginx(member, name, {"sample": self.content})

    def assert_web(self, network):
        """curl gets an answer of a member, and whole files come through."""
        for version in (4, 6):
            host = network.vip[version]
            for _ in range(4):
                self.assertIn(self.curl(network.client, url(host)).strip(), network.members)
            report = self.client(network.client, "downloads", DOWNLOADS, host, 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)

    def test_nat(self):
        network = Routed(self.lab)
        self.start_web(network)
        config = network.serve(network.configuration(self.driver), "web", 80, forward="nat")
        self.plane(network, config, self.driver)
        self.assert_web(network)

    def test_nat_to_another_port(self):
        network = Routed(self.lab, members=1)
        Nginx(network.members["s1"], "s1", port=8080)
        config = network.serve(network.configuration(self.driver), "web", 80, forward="nat")
        for pool in config["pools"]:
            pool["members"][0]["port"] = 8080
        self.plane(network, config, self.driver)
        for version in (4, 6):
            self.assertEqual("s1\n", self.curl(network.client, url(network.vip[version])))

    def test_direct_return(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for member in network.members.values():
            take_vip(member, *network.vip.values())
        config = network.serve(network.configuration(self.driver), "web", 80, forward="direct")
        self.plane(network, config, self.driver)
        self.assert_web(network)

    def test_ip_in_ip(self):
        network = OneArm(self.lab)
        self.start_web(network)
        for name, member in network.members.items():
            take_vip(member, *network.vip.values())
            which = start_decapsulator(member, network.member_address(name),
                                       network.member_address(name, 6))
        print(f"decapsulation by {which}")
        config = network.serve(network.configuration(self.driver), "web", 80, forward="ipip")
        self.plane(network, config, self.driver)
        self.assert_web(network)

    def test_udp_through_nat(self):
        network = Routed(self.lab)
        for name, member in network.members.items():
            start_echo(member, name, "udp", 7)
        config = network.serve(network.configuration(self.driver), "echo", 7, protocol="udp")
        self.plane(network, config, self.driver)
        for version in (4, 6):
            report = self.client(network.client, "udp", 40, network.vip[version], 7)
            self.assertEqual(0, report["lost"], report)
            self.assertEqual({"s1", "s2"}, set(report["answered"]), report)

    def test_pings_are_answered(self):
        network = Routed(self.lab)
        config = network.serve(network.configuration(self.driver), "web", 80)
        self.plane(network, config, self.driver)
        for host in (address(1, 1), address(1, 1, 6), *network.vip.values()):
            network.client.run("ping", "-c", "3", "-i", "0.1", "-W", "2", host)
            network.client.run("ping", "-c", "1", "-s", "1400", "-W", "2", host)
        with self.assertRaises(LabError):
            network.client.run("ping", "-c", "1", "-W", "1", address(1, 77))

    def test_a_port_that_nobody_serves_is_dropped_by_name(self):
        network = Routed(self.lab)
        config = network.serve(network.configuration(self.driver), "web", 80)
        plane = self.plane(network, config, self.driver)
        self.client(network.client, "spray", 5, network.vip[4], 9)
        self.assertEqual(5, plane.drops().get("no-service"))


if __name__ == "__main__":
    harness.main()
