"""What is not ours goes to the kernel and back: a service of the machine itself, reached on a
port's address through the punt interface."""

import harness
from networks import Routed, address
from plane import best_driver
from servers import start_echo

PUNT = "weir-punt0"


class Kernel(harness.LabTest):
    def test_a_service_of_the_machine_is_reached_through_the_punt_interface(self):
        driver = best_driver()
        network = Routed(self.lab)
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


if __name__ == "__main__":
    harness.main()
