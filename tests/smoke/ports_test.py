"""What ports can do beyond the ordinary: jumbo frames."""

import harness
from networks import BACK, FRONT, Routed, address
from plane import AF_XDP, best_driver
from servers import Nginx, sample_file

JUMBO = 3000  # AF_XDP keeps a frame in one page
FILE_BYTES = 20_000_000
IPV4, IPV6, ICMP = 20, 40, 8


class Ports(harness.LabTest):
    def jumbo_network(self):
        """Every interface on the way takes large frames; bridges follow their ports."""
        network = Routed(self.lab, members=1)
        ends = [(network.client, "eth0"), (network.plane, FRONT), (network.plane, BACK)]
        ends += [(member, "eth0") for member in network.members.values()]
        ends += [(network.lan, name) for name in network.lan.interfaces()
                 if name.startswith("to-")]
        for namespace, name in ends:
            namespace.ip("link", "set", name, "mtu", str(JUMBO))
        return network

    def test_jumbo_frames(self):
        if best_driver() != AF_XDP:
            self.skipTest("no AF_XDP, and a TAP device has no jumbo frames")
        network = self.jumbo_network()
        content, digest = sample_file(FILE_BYTES, seed=19)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
        config = network.configuration(AF_XDP)
        for port in config["ports"]:
            port["mtu"] = JUMBO
        plane = self.plane(network, network.serve(config, "web", 80), AF_XDP)
        for version, header in ((4, IPV4), (6, IPV6)):
            network.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", "-M", "do", "-s",
                               str(JUMBO - header - ICMP), address(1, 1, version))
            report = self.client(network.client, "downloads", 1, network.vip[version], 80,
                                 "/files/sample")
            self.assert_downloads(report, 1, digest)
        self.assertEqual({}, plane.drops())
        back = {port["name"]: port for port in plane.ask("show", "ports")["ports"]}["back"]
        self.assertGreater(back["rx_bytes"] / back["rx_packets"], 1500, back)


if __name__ == "__main__":
    harness.main()
