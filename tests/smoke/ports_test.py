"""What ports can do beyond the ordinary: jumbo frames, VLANs."""

import harness
from lab import wait_until
from networks import BACK, FRONT, Routed, Trunk, address
from plane import AF_XDP, PCAP, TAP, best_driver, drivers_present
from servers import Nginx, sample_file, start_echo

JUMBO = 3000  # AF_XDP keeps a frame in one page
LARGEST = 9000
FILE_BYTES = 4_000_000
ETHERNET = 1500
PUNT = "weir-punt0"
IPV4, IPV6, ICMP = 20, 40, 8


class Ports(harness.LabTest):
    def jumbo_network(self, mtu):
        """Every interface on the way takes large frames; bridges follow their ports."""
        network = Routed(self.lab, members=1)
        ends = [(network.client, "eth0"), (network.plane, FRONT), (network.plane, BACK)]
        ends += [(member, "eth0") for member in network.members.values()]
        ends += [(network.lan, name) for name in network.lan.interfaces()
                 if name.startswith("to-")]
        for namespace, name in ends:
            namespace.ip("link", "set", name, "mtu", str(mtu))
        return network

    def test_jumbo_frames(self):
        if best_driver() != AF_XDP:
            self.skipTest("no AF_XDP, and a TAP device has no jumbo frames")
        self.carries(AF_XDP, JUMBO)

    def test_largest_frames(self):
        """By the one device of a kernel interface that takes them."""
        if not drivers_present(PCAP):
            self.skipTest("DPDK has no net_pcap here")
        self.carries(PCAP, LARGEST, memory="768MiB")

    def carries(self, driver, mtu, **node):
        """Whole pings and downloads through ports of that MTU."""
        network = self.jumbo_network(mtu)
        content, digest = sample_file(FILE_BYTES, seed=19)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
        config = network.configuration(driver, **node)
        for port in config["ports"]:
            port["mtu"] = mtu
        plane = self.plane(network, network.serve(config, "web", 80), driver)
        for version, header in ((4, IPV4), (6, IPV6)):
            network.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", "-M", "do", "-s",
                               str(mtu - header - ICMP), address(1, 1, version))
            report = self.client(network.client, "downloads", 1, network.vip[version], 80,
                                 "/files/sample")
            self.assert_downloads(report, 1, digest)
        self.assertEqual({}, plane.drops())
        self.assertRegex(plane.ctl("show", "ports", "--offloads").stdout,
                         r"front +rx-ipv4-cksum +(no +no +checked in software|yes +yes)")
        back = {port["name"]: port for port in plane.ask("show", "ports")["ports"]}["back"]
        self.assertGreater(back["rx_bytes"] / back["rx_packets"], mtu / 2, back)

    def test_vlans_share_a_device(self):
        """NAT between two VLANs of one wire, whole frames and pings; what the kernel has of a port;
        and a station of a VLAN that is none of ours."""
        self.vlans_share_a_device(best_driver())

    def test_vlans_share_a_tap_device(self):
        self.vlans_share_a_device(TAP)

    def vlans_share_a_device(self, driver):
        network = Trunk(self.lab)
        content, digest = sample_file(FILE_BYTES, seed=23)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
        config = network.configuration(driver, port={"punt": {"interface": PUNT}})
        plane = self.plane(network, network.serve(config, "web", 80), driver)
        start_echo(network.plane, "plane", "tcp", 22)
        for version, header in ((4, IPV4), (6, IPV6)):
            network.client.run("ping", "-c", "2", "-i", "0.2", "-W", "2", "-M", "do", "-s",
                               str(ETHERNET - header - ICMP), address(1, 1, version))
            network.client.run("ping", "-c", "2", "-i", "0.2", "-W", "2", "-s", "4000",
                               address(1, 1, version))
            report = self.client(network.client, "downloads", 2, network.vip[version], 80,
                                 "/files/sample")
            self.assert_downloads(report, 2, digest)
            held = harness.Hold(self, network.client, 2, address(1, 1, version), 22)
            held.round()
            self.assertEqual([], held.end()["failed"])
        # The kernel whose device is ours speaks by it, without a tag, before the lab silences it.
        drops = plane.drops()
        untagged = drops.pop("vlan-unknown", 0)
        self.assertEqual({}, drops)
        self.assertEqual([5, 6], [port["vlan"] for port in plane.ask("show", "ports")["ports"]])

        stranger = self.lab.namespace("stranger")
        self.lab.plug(network.lan, stranger, "eth0")
        stranger.join_vlan("eth0", 7)
        stranger.address("eth0", "10.1.0.66/24")
        stranger.run("ping", "-c", "1", "-W", "1", address(1, 1), check=False)
        wait_until(lambda: plane.drops().get("vlan-unknown", 0) > untagged, 10,
                   "a stranger's frames")
        self.assertEqual({"vlan-unknown"}, set(plane.drops()))


if __name__ == "__main__":
    harness.main()
