"""Connections spread over members as their weights say, within what a hash allows."""

import math
import time

import harness
from harness import url
from lab import wait_until
from networks import Routed, address
from plane import best_driver
from servers import Nginx

CONNECTIONS = 600
TABLE_IMBALANCE = 0.01  # Maglev's own, at more than 100 entries a member
DEVIATIONS = 5          # of the binomial distribution: one run in a million fails by chance


class Balancing(harness.LabTest):
    def spread(self, balancer, weights):
        driver = best_driver()
        network = Routed(self.lab, members=len(weights))
        for name, member in network.members.items():
            Nginx(member, name)
        config = network.serve(network.configuration(driver), "web", 80, balancer=balancer)
        for pool in config["pools"]:
            for member, weight in zip(pool["members"], weights):
                member["weight"] = weight
        self.plane(network, config, driver)
        report = self.client(network.client, "connect", CONNECTIONS, network.vip[4], 80)
        self.assertEqual([], report["failed"])
        return [report["answered"].get(name, 0) for name in network.members]

    def test_maglev_keeps_to_the_weights(self):
        weights = (1, 1, 2)
        for count, weight in zip(self.spread("maglev", weights), weights):
            share = weight / sum(weights)
            bound = CONNECTIONS * share * TABLE_IMBALANCE + \
                DEVIATIONS * math.sqrt(CONNECTIONS * share * (1 - share))
            self.assertLessEqual(abs(count - CONNECTIONS * share), bound, (count, weight))

    def test_round_robin_is_even(self):
        self.assertEqual([200, 200, 200], self.spread("round-robin", (1, 1, 1)))

    def test_weighted_round_robin_keeps_to_the_weights(self):
        self.assertEqual([100, 200, 300], self.spread("weighted-round-robin", (1, 2, 3)))

    def test_two_choices_are_nearly_even(self):
        for count in self.spread("two-choices", (1, 1, 1)):
            self.assertLessEqual(abs(count - CONNECTIONS / 3), 10)

    def test_least_connections_keeps_to_the_weights(self):
        for count, expected in zip(self.spread("least-connections", (1, 2, 3)), (100, 200, 300)):
            self.assertLessEqual(abs(count - expected), 3)

    def test_a_source_stays_with_one_member(self):
        self.assertEqual([0, 0, CONNECTIONS], sorted(self.spread("source-hash", (1, 1, 1))))

    def test_a_ring_gives_to_all(self):
        for count in self.spread("ring", (1, 1, 1)):
            self.assertGreater(count, CONNECTIONS / 6)

    def test_shares_and_moves_are_told(self):
        driver = best_driver()
        network = Routed(self.lab, members=3)
        config = network.serve(network.configuration(driver), "web", 80)
        network.serve(config, "turns", 81, balancer="weighted-round-robin")
        config["pools"][2]["members"][0]["weight"] = 2
        plane = self.plane(network, config, driver)
        plane.ctl("drain", "web4", "s3")

        def members(pool):
            rows = plane.ask("show", "balance", "--pool", pool)["members"]
            return {row["member"]: row for row in rows}

        web = members("web4")
        self.assertEqual([50, 50, 0], [round(web[name]["share_percent"]) for name in sorted(web)])
        self.assertEqual(0, web["s3"]["moves_percent"])  # it has left already
        self.assertEqual([50, 25, 25], [round(row["share_percent"])
                                        for row in members("turns4").values()])
        self.assertNotIn("moves_percent", members("turns4")["s1"])
        self.assertEqual(12, len(plane.ask("show", "balance")["members"]))
        refused = plane.ctl("show", "balance", "--pool", "nowhere", check=False)
        self.assertIn("there is no pool nowhere", refused.stderr)

    def test_a_member_that_returns_warms_up(self):
        driver = best_driver()
        network = Routed(self.lab)
        for name, member in network.members.items():
            Nginx(member, name)
        config = network.serve(network.configuration(driver), "web", 80,
                               balancer="weighted-round-robin", **{"slow-start": "16s"})
        plane = self.plane(network, config, driver)
        plane.ctl("drain", "web4", "s2")
        plane.ctl("undrain", "web4", "s2")
        began = time.monotonic()
        self.assertEqual("slow-start", plane.members("web4")["s2"]["state"])
        report = self.client(network.client, "connect", 102, network.vip[4], 80)
        steps = 2 + int(time.monotonic() - began)  # of sixteen, when it was over
        self.assertEqual([], report["failed"])
        share = 102 * steps / (16 + steps)
        self.assertLessEqual(report["answered"].get("s2", 0), share + 3)
        self.assertGreaterEqual(report["answered"].get("s2", 0), 5)
        wait_until(lambda: plane.members("web4")["s2"]["state"] == "active", 20, "a warm member")
        report = self.client(network.client, "connect", 100, network.vip[4], 80)
        self.assertEqual({"s1": 50, "s2": 50}, report["answered"])

    def test_a_client_stays_with_its_member_when_members_change(self):
        driver = best_driver()
        network = Routed(self.lab, members=3)
        for name, member in network.members.items():
            Nginx(member, name)
        network.client.address("eth0", *(f"{address(1, host)}/24" for host in range(20, 40)))
        config = network.serve(network.configuration(driver), "web", 80, names=["s1", "s2"],
                               affinity={"timeout": "5m"})
        plane = self.plane(network, config, driver)

        def member_of(host):
            return self.curl(network.client, url(network.vip[4]), "--interface",
                             address(1, host)).strip()

        had = {host: member_of(host) for host in range(20, 30)}
        self.assertEqual({"s1", "s2"}, set(had.values()))
        for pool, version in zip(config["pools"], (4, 6)):
            pool["members"] = network.pool_members(version)
        plane.reload(config)
        self.assertEqual(had, {host: member_of(host) for host in had})
        self.assertIn("s3", {member_of(host) for host in range(30, 40)})

    def test_failover_gives_to_the_first(self):
        self.assertEqual([0, CONNECTIONS, 0], self.spread("failover", (0, 1, 1)))


if __name__ == "__main__":
    harness.main()
