"""FullNAT: members behind a router of their own, which knows no way to the clients, are reached and
answer, those of IPv4 clients of IPv6, too, and pings; whatever worker a reply lands on, through
changes."""

import harness
from harness import Downloads, url
from networks import Far, address
from plane import TAP, best_driver
from servers import Nginx, sample_file, start_echo

DOWNLOADS = 6
FILE_BYTES = 2_000_000
RELOADS = 4
LARGE = 4000  # bytes of a datagram: three fragments
WHOLE = 1452  # bytes of a ping that fills a packet of IPv6
PINGS = (1, 2)  # identifiers


class FullNat(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.driver = best_driver()
        cls.network = Far(cls.lab)
        cls.content, cls.digest = sample_file(FILE_BYTES, seed=14)
        for name, member in cls.network.members.items():
            Nginx(member, name, {"sample": cls.content})
            start_echo(member, name, "udp", 7)

    def configuration(self, driver, **node):
        config = self.network.configuration(driver, **node)
        self.network.serve(config, "web", 80, forward="fullnat")
        self.network.serve(config, "echo", 7, protocol="udp", forward="fullnat")
        self.network.serve_crossing(config, "web", 80)
        self.network.serve_crossing(config, "echo", 7, protocol="udp")
        self.network.serve(config, "ping", None, protocol="icmp", forward="fullnat",
                           balancer="round-robin")
        self.network.serve_crossing(config, "ping", None, protocol="icmp")
        return config

    def hosts(self):
        return (*self.network.vip.values(), self.network.crossing)

    def ping(self, host, *arguments):
        said = self.network.client.run("ping", "-c", "3", "-i", "0.05", "-W", "2", *arguments,
                                       host).stdout
        self.assertIn(" 0% packet loss", said)

    def assert_served(self):
        for host in self.hosts():
            self.assertIn(self.curl(self.network.client, url(host)).strip(), self.network.members)
            report = self.client(self.network.client, "downloads", DOWNLOADS, host, 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)
            report = self.client(self.network.client, "udp", 40, host, 7)
            self.assertEqual(0, report["lost"], report)
            for identifier in PINGS:
                self.ping(host, "-e", str(identifier))

    def test_members_that_cannot_reach_clients_serve_them(self):
        plane = self.plane(self.network, self.configuration(self.driver), self.driver)
        route = self.network.router.run("ip", "route", "get", "10.1.0.10", check=False)
        self.assertNotEqual(0, route.returncode, "the router knows the clients")
        self.assert_served()
        by_address = {each["address"]: each for each in plane.ask("show", "locals")["locals"]}
        for version in (4, 6):
            local = by_address[self.network.local[version]]
            self.assertGreaterEqual(local["ports_used"], 40, local)
            self.assertEqual(0, local["refused"], local)
        self.assertEqual({}, {reason: count for reason, count in plane.drops().items()
                              if reason.startswith(("no-", "local", "flow"))})
        self.assertEqual({"single"}, {port["steering"]
                                      for port in plane.ask("show", "ports")["ports"]})
        self.assert_pings_reach_members(plane)
        self.assert_sizes_fit_the_other_version(plane)

    def assert_pings_reach_members(self, plane):
        """Each member has some, in fragments, too; and whose hops run out is told by whom: us, or
        the router behind us, which speaks of our own request."""
        for name in ("ping4", "ping6", "ping64"):
            flows = plane.ask("show", "flows", "--vip", name)["flows"]
            self.assertEqual({("icmp", identifier, 0) for identifier in PINGS},
                             {(flow["protocol"], flow["client_port"], flow["vip_port"])
                              for flow in flows}, flows)
            self.assertEqual(set(self.network.members), {flow["member"] for flow in flows}, flows)
        for host in self.network.vip.values():
            self.ping(host, "-s", str(LARGE))
        self.ping(self.network.crossing, "-M", "do", "-s", str(WHOLE))
        for host in self.hosts():
            own = address(1, 1, 6 if ":" in host else 4)
            for hops, teller in ((1, own), (2, host)):
                said = self.network.client.run("ping", "-c", "1", "-t", str(hops), host,
                                               check=False).stdout
                self.assertRegex(said, f"From {teller} .*(Time to live|Time) exceeded")

    def assert_sizes_fit_the_other_version(self, plane):
        """Datagrams in fragments both ways, and such as fit the member's header but not the
        client's: the member is told, once, and who it is."""
        host = self.network.crossing
        report = self.client(self.network.client, "udp", 20, host, 7, LARGE)
        self.assertEqual(0, report["lost"], report)
        report = self.client(self.network.client, "udp", 20, host, 7, 1450)
        self.assertLessEqual(report["lost"], len(self.network.members), report)
        for member in self.network.members.values():
            route = member.run("ip", "route", "get", self.network.local[4]).stdout
            self.assertIn("mtu 1480", route)
        self.assertEqual({"mtu"}, {reason for reason in plane.drops()
                                   if reason.startswith(("mtu", "version", "fragment", "icmp"))})
        # A port that nobody listens at, of a member that says so by ICMP.
        config = self.configuration(self.driver)
        self.network.serve(config, "dark", 9, protocol="udp", forward="fullnat")
        self.network.serve_crossing(config, "dark", 9, protocol="udp")
        plane.reload(config)
        report = self.client(self.network.client, "path_mtu", 3, host, 9, 100)
        self.assertIn("ECONNREFUSED", report["refused"], report)

    def test_two_workers_hand_replies_to_whose_port_it_is(self):
        config = self.configuration(TAP, cores=[0, 1])
        for port in config["ports"]:
            port["queues"] = 2
        plane = self.plane(self.network, config, TAP)
        self.assert_served()
        workers = plane.ask("show", "workers")["workers"]
        self.assertTrue(all(worker["flows"] > 0 for worker in workers), workers)
        self.assertGreater(sum(worker["fullnat_handoffs"] for worker in workers), 0, workers)
        for port in plane.ask("show", "ports")["ports"]:
            self.assertEqual("handoff", port["steering"], port)
            self.assertRegex(port["steering_why"], "[a-z]")

    def test_downloads_live_on_while_local_addresses_change(self):
        plane = self.plane(self.network, self.configuration(self.driver), self.driver)
        running = [Downloads(self, self.network.client, DOWNLOADS, self.network.vip[version],
                             self.content) for version in (4, 6)]
        for index in range(RELOADS):
            config = self.configuration(self.driver)
            config["ports"][1]["local-addresses"] = [f"10.2.0.{201 + index}",
                                                     f"fd00:2::{201 + index}"]
            plane.reload(config)
            self.assertEqual(
                [], self.client(self.network.client, "connect", 5, self.network.vip[4],
                                80)["failed"])
        states = {each["address"]: each["state"] for each in plane.ask("show", "locals")["locals"]}
        self.assertEqual("removed", states[self.network.local[4]])
        self.assertEqual("active", states[f"10.2.0.{200 + RELOADS}"])
        for downloads in running:
            downloads.finish()


if __name__ == "__main__":
    harness.main()
