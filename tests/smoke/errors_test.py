"""ICMP errors reach whom they are about, what does not fit is answered or goes on in fragments, and
fragments follow their first one."""

import re

import harness
from members import start_decapsulator, take_vip
from networks import OneArm, Routed, address
from plane import best_driver
from servers import Nginx, sample_file, start_echo

SMALL_MTU = 1300
FILE_BYTES = 2_000_000
LARGE = 4000  # bytes of a datagram: three fragments


class Errors(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.driver = best_driver()

    def far_client(self, network, mtu):
        """A client behind the network's own client, which routes for it. The link in between takes
        less than its ends say."""
        router, far = network.client, self.lab.namespace("far")
        self.lab.wire(router, "eth1", far, "eth0")
        router.address("eth1", "10.4.0.1/24", "fd00:4::1/64")
        far.address("eth0", "10.4.0.10/24", "fd00:4::10/64")
        far.gateway("10.4.0.1", "fd00:4::1")
        router.ip("link", "set", "eth1", "mtu", str(mtu))
        router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                      "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        return far

    def router_of(self, network):
        """The router's addresses, for a port's gateway."""
        number = 1 if isinstance(network, Routed) else network.back
        return [address(number, 10), address(number, 10, 6)]

    def one_arm(self, forward, members=1):
        """Members that answer for the virtual addresses themselves, and reach far clients."""
        network = OneArm(self.lab, members)
        for name, member in network.members.items():
            take_vip(member, *network.vip.values())
            for prefix, router in zip(("10.4.0.0/24", "fd00:4::/64"), self.router_of(network)):
                member.ip("-6" if ":" in prefix else "-4", "route", "add", prefix, "via", router)
            if forward == "ipip":
                start_decapsulator(member, network.member_address(name),
                                   network.member_address(name, 6))
        return network

    def assert_downloads_over_small_link(self, network, forward):
        """A download whose segments do not pass the link in full size: it must be told so."""
        content, digest = sample_file(FILE_BYTES, seed=16)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
        far = self.far_client(network, SMALL_MTU)
        config = network.configuration(self.driver, port={"gateway": self.router_of(network)})
        plane = self.plane(network, network.serve(config, "web", 80, forward=forward), self.driver)
        for version in (4, 6):
            report = self.client(far, "downloads", 1, network.vip[version], 80, "/files/sample")
            self.assert_downloads(report, 1, digest)
            for member in network.members.values():
                routes = member.run("ip", f"-{version}", "route", "get",
                                    "10.4.0.10" if version == 4 else "fd00:4::10").stdout
                self.assertIn(f"mtu {SMALL_MTU}", routes)
        return plane

    def test_path_mtu_discovery_with_direct_return(self):
        self.assert_downloads_over_small_link(self.one_arm("direct"), "direct")

    def test_path_mtu_discovery_with_tunnels(self):
        self.assert_downloads_over_small_link(self.one_arm("ipip"), "ipip")

    def test_path_mtu_discovery_with_nat(self):
        plane = self.assert_downloads_over_small_link(Routed(self.lab, members=1), "nat")
        self.assertNotIn("icmp-no-flow", plane.drops())

    def echo(self, network, forward):
        """A UDP echo service on port 7 of both versions. Where members answer clients themselves,
        they must do so from the virtual address."""
        for name, member in network.members.items():
            if forward == "nat":
                start_echo(member, name, "udp", 7)
            else:
                for vip in network.vip.values():
                    start_echo(member, name, "udp", 7, vip)
        config = network.configuration(self.driver)
        network.serve(config, "echo", 7, protocol="udp", forward=forward)
        return self.plane(network, config, self.driver)

    def assert_large_datagrams(self, network, lost_most):
        for version in (4, 6):
            report = self.client(network.client, "udp", 20, network.vip[version], 7, LARGE)
            self.assertNotIn("corrupted", report["answered"])
            self.assertLessEqual(report["lost"], lost_most[version], report)

    def test_large_datagrams_through_nat(self):
        network = Routed(self.lab)
        plane = self.echo(network, "nat")
        self.assert_large_datagrams(network, {4: 0, 6: 0})
        self.assertEqual({}, plane.drops())

    def test_large_datagrams_through_tunnels(self):
        network = self.one_arm("ipip", members=2)
        self.echo(network, "ipip")
        # IPv6 fragments are never fragmented again: the sender is told, and the first is lost.
        self.assert_large_datagrams(network, {4: 0, 6: 1})
        # IPv4 without DF goes on in fragments; with it, the sender is told.
        for version, header in ((4, 20), (6, 40)):
            report = self.client(network.client, "path_mtu", 3, network.vip[version], 7,
                                 1500 - header - 8)
            self.assertEqual(1500 - header, report["mtu"], report)
            self.assertIn("EMSGSIZE", report["refused"])

    def test_a_member_without_the_service_is_told_of(self):
        network = Routed(self.lab, members=1)
        config = network.configuration(self.driver)
        self.plane(network, network.serve(config, "echo", 7, protocol="udp"), self.driver)
        for version in (4, 6):
            report = self.client(network.client, "path_mtu", 3, network.vip[version], 7, 100)
            self.assertIn("ECONNREFUSED", report["refused"], report)

    def test_routes_are_traced(self):
        network = Routed(self.lab)
        plane = self.echo(network, "nat")
        for version in (4, 6):
            vip, port_address = network.vip[version], address(1, 1, version)
            said = network.client.run("traceroute", f"-{version}", "-n", "-U", "-p", "7", "-q", "1",
                                      "-w", "2", "-m", "4", vip).stdout
            hops = re.findall(r"^ *(\d+)  (\S+)", said, re.MULTILINE)
            self.assertEqual([("1", port_address), ("2", vip)], hops, said)
            # tracepath asks ports that nobody serves, at the virtual address itself.
            said = network.client.run("tracepath", f"-{version}", "-n", "-m", "4", vip).stdout
            self.assertRegex(said, rf"{re.escape(vip)} .*reached")
            self.assertIn("pmtu 1500", said)
            # Never fragmented, and as large as the link takes.
            size = 1500 - (28 if version == 4 else 48)
            network.client.run("ping", "-c", "1", "-W", "2", "-M", "do", "-s", str(size), vip)
        self.assertGreaterEqual(plane.drops()["ttl"], 2)


if __name__ == "__main__":
    harness.main()
