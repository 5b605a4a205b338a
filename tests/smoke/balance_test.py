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


# Each balancer serves on a port of its own, and its members listen there: two connections of one
# client port to one member's port would be one to a NAT, which then takes another member.
# (balancer, weights)
SPREADS = {81: ("maglev", (1, 1, 2)), 82: ("round-robin", (1, 1, 1)),
           83: ("weighted-round-robin", (1, 2, 3)), 84: ("two-choices", (1, 1, 1)),
           85: ("least-connections", (1, 2, 3)), 86: ("source-hash", (1, 1, 1)),
           87: ("ring", (1, 1, 1)), 88: ("failover", (0, 1, 1))}
WARM_UP_SECONDS = 4


class Balancing(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.driver = best_driver()
        cls.network = Routed(cls.lab, members=3)
        for name, member in cls.network.members.items():
            Nginx(member, name, last_port=max(SPREADS))


class Spreads(Balancing):
    @classmethod
    def build(cls):
        super().build()
        # What has ended counts as long as the test lasts: connections come one after the other.
        config = cls.network.configuration(cls.driver, flows={"tcp-closing": "10m"})
        for port, (balancer, weights) in SPREADS.items():
            cls.network.serve(config, balancer, port, balancer=balancer)
            for pool in config["pools"][-2:]:
                for member, weight in zip(pool["members"], weights):
                    member["weight"] = weight
        cls.shared_plane(cls.network, config, cls.driver)

    def spread(self, balancer):
        """How many connections each member gets, and its weight."""
        port, weights = next((port, weights) for port, (name, weights) in SPREADS.items()
                             if name == balancer)
        report = self.client(self.network.client, "connect", CONNECTIONS, self.network.vip[4], port)
        self.assertEqual([], report["failed"])
        return [report["answered"].get(name, 0) for name in self.network.members], weights

    def test_maglev_keeps_to_the_weights(self):
        counts, weights = self.spread("maglev")
        for count, weight in zip(counts, weights):
            share = weight / sum(weights)
            bound = CONNECTIONS * share * TABLE_IMBALANCE + \
                DEVIATIONS * math.sqrt(CONNECTIONS * share * (1 - share))
            self.assertLessEqual(abs(count - CONNECTIONS * share), bound, (count, weight))

    def test_round_robin_is_even(self):
        self.assertEqual([200, 200, 200], self.spread("round-robin")[0])

    def test_weighted_round_robin_keeps_to_the_weights(self):
        self.assertEqual([100, 200, 300], self.spread("weighted-round-robin")[0])

    def test_two_choices_are_nearly_even(self):
        for count in self.spread("two-choices")[0]:
            self.assertLessEqual(abs(count - CONNECTIONS / 3), 10)

    def test_least_connections_keeps_to_the_weights(self):
        for count, expected in zip(self.spread("least-connections")[0], (100, 200, 300)):
            self.assertLessEqual(abs(count - expected), 3)

    def test_a_source_stays_with_one_member(self):
        self.assertEqual([0, 0, CONNECTIONS], sorted(self.spread("source-hash")[0]))

    def test_a_ring_gives_to_all(self):
        for count in self.spread("ring")[0]:
            self.assertGreater(count, CONNECTIONS / 6)

    def test_failover_gives_to_the_first(self):
        self.assertEqual([0, CONNECTIONS, 0], self.spread("failover")[0])


class Members(Balancing):
    def test_shares_and_moves_are_told(self):
        config = self.network.serve(self.network.configuration(self.driver), "web", 80)
        self.network.serve(config, "turns", 81, balancer="weighted-round-robin")
        config["pools"][2]["members"][0]["weight"] = 2
        plane = self.plane(self.network, config, self.driver)
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
        config = self.network.serve(self.network.configuration(self.driver), "web", 80,
                                    names=["s1", "s2"], balancer="weighted-round-robin",
                                    **{"slow-start": f"{WARM_UP_SECONDS}s"})
        plane = self.plane(self.network, config, self.driver)
        plane.ctl("drain", "web4", "s2")
        plane.ctl("undrain", "web4", "s2")
        began = time.monotonic()
        self.assertEqual("slow-start", plane.members("web4")["s2"]["state"])
        report = self.client(self.network.client, "connect", 102, self.network.vip[4], 80)
        # Of sixteen, when it was over.
        steps = 2 + int((time.monotonic() - began) * 16 / WARM_UP_SECONDS)
        self.assertEqual([], report["failed"])
        share = 102 * steps / (16 + steps)
        self.assertLessEqual(report["answered"].get("s2", 0), share + 3)
        self.assertGreaterEqual(report["answered"].get("s2", 0), 5)
        wait_until(lambda: plane.members("web4")["s2"]["state"] == "active", 20, "a warm member")
        report = self.client(self.network.client, "connect", 100, self.network.vip[4], 80)
        self.assertEqual({"s1": 50, "s2": 50}, report["answered"])

    def test_a_client_stays_with_its_member_when_members_change(self):
        network = self.network
        network.client.address("eth0", *(f"{address(1, host)}/24" for host in range(20, 40)))
        config = network.serve(network.configuration(self.driver), "web", 80, names=["s1", "s2"],
                               affinity={"timeout": "5m"})
        plane = self.plane(network, config, self.driver)

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


if __name__ == "__main__":
    harness.main()
