"""At its limits: a full flow table refuses new flows by name and keeps the established ones."""

import harness
from harness import Hold
from lab import wait_until
from networks import Routed, address
from plane import best_driver
from servers import start_echo

FLOWS = 1024  # the least the configuration takes; NAT needs two a flow
CONVERSATIONS = 640  # of UDP: of one word each there are never so many
UDP_SECONDS = 10
MEMBERS_MAX = 16384


class Limits(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.network = Routed(cls.lab, members=1)
        for protocol in ("tcp", "udp"):
            start_echo(cls.network.members["s1"], "s1", protocol, 7)

    def test_a_full_flow_table_keeps_what_is_established(self):
        driver, network = best_driver(), self.network
        config = network.configuration(
            driver, flows={"per-worker": FLOWS, "udp": f"{UDP_SECONDS}s"})
        network.serve(config, "tcp", 7)
        network.serve(config, "udp", 7, protocol="udp")
        plane = self.plane(network, config, driver)

        held = Hold(self, network.client, 20, network.vip[4], 7)

        def is_full():
            self.client(network.client, "converse", CONVERSATIONS, network.vip[4], 7)
            return plane.drops().get("flow-table-full", 0) > 0
        wait_until(is_full, 20, "a full flow table")
        wait_until(lambda: "reason=flow-table-full" in plane.process.said(), 10,
                   "a word about the full table")
        self.assertIn("node.flows.per-worker", plane.process.said())
        held.round()
        # Idle flows are forgotten, and there is room again.
        wait_until(lambda: self.client(network.client, "udp", 10, network.vip[4], 7) ==
                   {"answered": {"s1": 10}, "lost": 0}, 2 * UDP_SECONDS, "room for new flows")
        self.assertEqual([], held.end()["failed"])

    def test_what_waits_for_a_silent_member_is_bounded_and_named(self):
        driver, network = best_driver(), self.network
        config = network.configuration(driver)
        network.serve(config, "echo", 7, protocol="udp")
        plane = self.plane(network, config, driver)
        for pool, version in zip(config["pools"], (4, 6)):
            pool["members"][0]["address"] = address(2, 99, version)
        plane.reload(config)

        # It is asked for a few seconds before it counts as failed, and a few seconds later again.
        def sprayed(reason):
            self.client(network.client, "spray", 40, network.vip[4], 7)
            return plane.drops().get(reason, 0) > 0
        wait_until(lambda: sprayed("neighbour-pending"), 10, "too many to wait")
        wait_until(lambda: plane.members("echo4")["s1"]["next_hop"] == "failed", 20, "no answer")
        wait_until(lambda: sprayed("neighbour-failed"), 10, "a failed next hop")

    def test_as_many_members_as_there_may_be_are_replaced_at_once(self):
        driver, network = best_driver(), self.network
        config = network.configuration(driver)
        config["ports"][1]["addresses"] = ["10.2.0.1/16", "fd00:2::1/64"]
        members = [{"name": f"m{index}", "address": f"10.2.{1 + index // 200}.{1 + index % 200}"}
                   for index in range(2 * MEMBERS_MAX)]
        config["pools"] = [{"name": "many", "balancer": "round-robin", "members": []}]
        config["vips"] = [{"name": "many", "address": network.vip[4], "port": 7,
                           "protocol": "udp", "pool": "many"}]
        pool = config["pools"][0]
        pool["members"] = members[:MEMBERS_MAX]
        plane = self.plane(network, config, driver, resolved=False)
        pool["members"] = members[MEMBERS_MAX:]
        self.assertEqual(2, plane.reload(config)["revision"])
        states = [member["state"] for member in plane.members("many").values()]
        self.assertEqual(MEMBERS_MAX, states.count("active"))


if __name__ == "__main__":
    harness.main()
