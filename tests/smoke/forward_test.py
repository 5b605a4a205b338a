"""Every way of forwarding carries real connections of both IP versions, and the appliance answers
pings of its own and of virtual addresses."""

import json

import harness
from harness import url
from lab import LabError, wait_until
from members import start_decapsulator, take_vip
from networks import OneArm, Routed, address
from plane import best_driver
from servers import IPERF_PORT, Nginx, sample_file, start_echo, start_iperf

DOWNLOADS = 4
FILE_BYTES = 3_000_000
IPERF_BYTES = 8_000_000
BUSY = "error - the server is busy running a test. try again later"


class Forwarding(harness.SharedLabTest):
    def assert_web(self, port=80):
        """curl gets an answer of a member, and whole files come through."""
        for version in (4, 6):
            host = self.network.vip[version]
            for _ in range(4):
                said = self.curl(self.network.client, f"{url(host, '')}:{port}/")
                self.assertIn(said.strip(), self.network.members)
            report = self.client(self.network.client, "downloads", DOWNLOADS, host, port,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)

    @classmethod
    def serve_iperf(cls, config, forward):
        """All connections of one run belong to one server: affinity brings them there."""
        cls.network.serve(config, "iperf", IPERF_PORT, forward=forward,
                          affinity={"timeout": "1m"})

    def assert_iperf(self):
        """Over several connections at once, and the other way round. What is still on its way at
        the end does not count for the receiver."""
        for version in (4, 6):
            for direction in ([], ["--reverse"]):
                end = self.iperf(version, "--parallel", "4", *direction)
                self.assertGreaterEqual(end["sum_sent"]["bytes"], IPERF_BYTES, end)
                self.assertGreater(end["sum_received"]["bytes"], 0, end)

    def iperf(self, version, *options):
        """What iperf3 says of a whole run, once the server is done with the one before."""
        def end():
            said = self.network.client.run(
                "iperf3", "--json", "--client", self.network.vip[version], "--bytes",
                str(IPERF_BYTES), *options, check=False).stdout
            report = json.loads(said)
            self.assertIn(report.get("error"), (None, BUSY), said)
            return None if "error" in report else report["end"]
        return wait_until(end, 10, "a run of iperf3")


class Routes(Forwarding):
    @classmethod
    def build(cls):
        cls.network = network = Routed(cls.lab)
        content, cls.digest = sample_file(FILE_BYTES, seed=2)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
            Nginx(member, name, {"sample": content}, port=8080)
            start_echo(member, name, "udp", 7)
            start_iperf(member)
        driver = best_driver()
        config = network.configuration(driver)
        network.serve(config, "web", 80, forward="nat")
        network.serve(config, "other", 81, forward="nat")
        for pool in config["pools"][-2:]:
            for member in pool["members"]:
                member["port"] = 8080
        network.serve(config, "echo", 7, protocol="udp")
        cls.serve_iperf(config, "nat")
        cls.appliance = cls.shared_plane(network, config, driver)

    def test_nat(self):
        self.assert_web()

    def test_nat_to_another_port(self):
        self.assert_web(81)

    def test_iperf_through_nat(self):
        self.assert_iperf()

    def test_udp_through_nat(self):
        for version in (4, 6):
            report = self.client(self.network.client, "udp", 40, self.network.vip[version], 7)
            self.assertEqual(0, report["lost"], report)
            self.assertEqual({"s1", "s2"}, set(report["answered"]), report)

    def test_pings_are_answered(self):
        client = self.network.client
        for host in (address(1, 1), address(1, 1, 6), *self.network.vip.values()):
            client.run("ping", "-c", "3", "-i", "0.1", "-W", "2", host)
            client.run("ping", "-c", "1", "-s", "1400", "-W", "2", host)
        with self.assertRaises(LabError):
            client.run("ping", "-c", "1", "-W", "1", address(1, 77))

    def test_a_port_that_nobody_serves_is_dropped_by_name(self):
        self.client(self.network.client, "spray", 5, self.network.vip[4], 9)
        self.assertEqual(5, self.appliance.drops().get("no-service"))

    def test_what_nobody_here_takes_is_seen(self):
        """Replies that reach no flow would be counted there."""
        self.client(self.network.client, "spray", 5, address(1, 1), 9)
        self.assertEqual(5, self.appliance.drops().get("punt-disabled"))


class Answers(Forwarding):
    """Members that answer clients themselves."""

    @classmethod
    def build(cls):
        cls.network = network = OneArm(cls.lab)
        content, cls.digest = sample_file(FILE_BYTES, seed=2)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
            start_iperf(member)
            take_vip(member, *network.vip.values())
            which = start_decapsulator(member, network.member_address(name),
                                       network.member_address(name, 6))
        print(f"decapsulation by {which}")

    def forward(self, how):
        driver = best_driver()
        config = self.network.configuration(driver)
        self.serve_iperf(config, how)
        self.plane(self.network, self.network.serve(config, "web", 80, forward=how), driver)
        self.assert_web()
        self.assert_iperf()

    def test_direct_return(self):
        self.forward("direct")

    def test_a_switch_that_snoops_passes_questions_on(self):
        """RFC 4541: it gives multicast, and so neighbour solicitations, to who listens alone."""
        network, lan = self.network, self.network.lan
        lan.sysctl("net.ipv6.conf.lan.disable_ipv6=0")  # who asks needs an address
        lan.ip("link", "set", "lan", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1",
               "mcast_query_response_interval", "10")
        self.addCleanup(lan.ip, "link", "set", "lan", "type", "bridge", "mcast_snooping", "0")
        driver = best_driver()
        config = network.serve(network.configuration(driver), "web", 80, forward="direct")
        self.plane(network, config, driver)
        wait_until(lambda: "ff02::1:ff00:100" in lan.run("bridge", "mdb", "show", "dev",
                                                         "lan").stdout, 5, "the vip's group")
        network.client.ip("neighbour", "flush", "all")
        self.assertIn(self.curl(network.client, url(network.vip[6])).strip(), network.members)

    def test_ip_in_ip(self):
        self.forward("ipip")


if __name__ == "__main__":
    harness.main()
