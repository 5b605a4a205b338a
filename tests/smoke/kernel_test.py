"""What is not ours goes to the kernel and back: a service of the machine itself, reached on a
port's address through the punt interface."""

import harness
from lab import wait_until
from networks import Routed, address, prefixes
from plane import best_driver
from servers import Nginx, start_echo

PUNT = "weir-punt0"


class Kernel(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.network = Routed(cls.lab)
        for name, member in cls.network.members.items():
            Nginx(member, name)

    def test_a_service_of_the_machine_is_reached_through_the_punt_interface(self):
        driver, network = best_driver(), self.network
        config = network.configuration(driver, port={"punt": {"interface": PUNT}})
        network.serve(config, "web", 80)
        self.plane(network, config, driver)
        self.assertIn(PUNT, network.plane.interfaces())
        start_echo(network.plane, "plane", "tcp", 22)
        start_echo(network.plane, "plane", "udp", 53)
        for version in (4, 6):
            host = address(1, 1, version)
            held = harness.Hold(self, network.client, 3, host, 22)
            held.round()
            self.assertEqual([], held.end()["failed"])
            report = self.client(network.client, "udp", 5, host, 53)
            self.assertEqual({"answered": {"plane": 5}, "lost": 0}, report)

    def test_what_a_downed_punt_interface_does_not_take_is_named(self):
        driver, network = best_driver(), self.network
        config = network.configuration(driver, port={"punt": {"interface": PUNT}})
        plane = self.plane(network, config, driver)
        network.plane.ip("link", "set", PUNT, "down")
        self.client(network.client, "spray", 5, address(1, 1), 53)
        wait_until(lambda: plane.drops().get("punt-full", 0) > 0, 10, "packets nobody takes")

    def test_a_link_that_goes_is_told_and_counted_and_traffic_comes_back_with_it(self):
        driver, network = best_driver(), self.network
        config = network.configuration(driver)
        network.serve(config, "web", 80)
        plane = self.plane(network, config, driver)

        def front():
            return plane.ask("show", "ports")["ports"][0]

        # A veth pair loses its carrier for a moment while XDP is attached: that may be counted too.
        wait_until(lambda: front()["link"] == "up", 10, "the first link")
        before = front()["link_downs"]
        network.client.ip("link", "set", "eth0", "down")
        wait_until(lambda: front()["link"] == "down" and front()["link_downs"] > before, 10,
                   "the lost link")
        network.client.ip("link", "set", "eth0", "up")
        # What went with the link; IPv6's address, too.
        network.client.address("eth0", prefixes(1, 10)[1])
        network.client.gateway(address(1, 1), address(1, 1, 6))
        wait_until(lambda: front()["link"] == "up", 10, "the link")
        report = self.client(network.client, "connect", 5, network.vip[4], 80)
        self.assertEqual([], report["failed"])
        self.assertIn("link down", plane.process.said())


if __name__ == "__main__":
    harness.main()
