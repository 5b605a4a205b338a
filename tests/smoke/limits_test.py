"""At its limits: a full flow table refuses new flows by name and keeps the established ones."""

import time

import harness
from harness import Hold
from networks import Routed
from plane import best_driver
from servers import start_echo

FLOWS = 1024  # the least the configuration takes; NAT needs two a flow
SPRAYED = 2000
UDP_SECONDS = 2


class Limits(harness.LabTest):
    def test_a_full_flow_table_keeps_what_is_established(self):
        driver = best_driver()
        network = Routed(self.lab, members=1)
        member = network.members["s1"]
        start_echo(member, "s1", "tcp", 7)
        start_echo(member, "s1", "udp", 7)
        config = network.configuration(
            driver, flows={"per-worker": FLOWS, "udp": f"{UDP_SECONDS}s"})
        network.serve(config, "tcp", 7)
        network.serve(config, "udp", 7, protocol="udp")
        plane = self.plane(network, config, driver)

        held = Hold(self, network.client, 20, network.vip[4], 7)
        self.client(network.client, "spray", SPRAYED, network.vip[4], 7)
        self.assertGreater(plane.drops().get("flow-table-full", 0), 0)
        held.round()
        # Idle flows are forgotten, and there is room again.
        time.sleep(UDP_SECONDS + 1)
        report = self.client(network.client, "udp", 10, network.vip[4], 7)
        self.assertEqual({"answered": {"s1": 10}, "lost": 0}, report)
        self.assertEqual([], held.end()["failed"])


if __name__ == "__main__":
    harness.main()
