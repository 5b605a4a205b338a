"""FullNAT: members behind a router of their own, which knows no way to the clients, are reached and
answer; whatever worker a reply lands on, and through changes."""

import harness
from harness import Downloads, url
from networks import Far
from plane import TAP, best_driver
from servers import Nginx, sample_file, start_echo

DOWNLOADS = 6
FILE_BYTES = 2_000_000
RELOADS = 4


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
        return config

    def assert_served(self):
        for version in (4, 6):
            host = self.network.vip[version]
            self.assertIn(self.curl(self.network.client, url(host)).strip(), self.network.members)
            report = self.client(self.network.client, "downloads", DOWNLOADS, host, 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, self.digest)
            report = self.client(self.network.client, "udp", 40, host, 7)
            self.assertEqual(0, report["lost"], report)

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
            self.assertIn("hash table of 0 entries", port["steering_why"])

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
