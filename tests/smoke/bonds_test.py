"""Bonds: links that go and come back while downloads run, and LACP between two data planes."""

import harness
from harness import Downloads
from lab import wait_until
from networks import Bonded, address, bond_port, prefixes
from plane import TAP, Plane, best_driver, node
from servers import Nginx, sample_file

DOWNLOADS = 8
FILE_BYTES = 2_000_000
LACP_SECONDS = 30


def states(plane, name="front"):
    ports = {port["name"]: port for port in plane.ask("show", "ports")["ports"]}
    return [member["state"] for member in ports[name]["members"]]


class Bonds(harness.LabTest):
    def wait_for(self, plane, *wanted, seconds=5):
        wait_until(lambda: states(plane) == list(wanted), seconds, f"members that are {wanted}")

    def link(self, network, number, state):
        network.plane.ip("link", "set", network.taps[number], state)

    def test_no_download_fails_when_links_go(self):
        network = Bonded(self.lab)
        content, _ = sample_file(FILE_BYTES, seed=29)
        Nginx(network.members["s1"], "s1", {"sample": content})
        driver = best_driver()
        config = network.configuration(driver)
        network.serve(config, "web", 80)
        plane = self.plane(network, config, driver, resolved=False)
        network.join_wires()
        wait_until(plane.members_resolved, 20, "every member's MAC address")
        self.wait_for(plane, "active", "standby")
        self.assert_switch_learns(network, plane)
        running = [Downloads(self, network.client, DOWNLOADS, network.vip[version], content)
                   for version in (4, 6)]
        self.link(network, 0, "down")
        self.wait_for(plane, "down", "active")
        self.link(network, 0, "up")
        self.wait_for(plane, "active", "standby")
        for downloads in running:
            downloads.finish()
        front = plane.ask("show", "ports")["ports"][0]
        self.assertEqual(("active-backup", "up", 0),
                         (front["bond"], front["link"], front["link_downs"]))
        self.assertGreaterEqual(front["failovers"], 4)
        self.assertGreaterEqual(front["members"][0]["link_downs"], 2)
        self.assertTrue(all(member["tx_packets"] > 0 for member in front["members"]), front)
        for words in ("link of a bond's device down", "port=front"):
            self.assertIn(words, plane.process.said())
        self.assertIn("active-backup", plane.ctl("show", "ports").stdout)

    def assert_switch_learns(self, network, plane):
        """The segment of the clients is told of a fail-over, though nobody sends through it."""
        mac = plane.ask("show", "ports")["ports"][0]["mac"]

        def learnt_at():
            entries = network.access.run("bridge", "fdb", "show", "br", "lan").stdout.splitlines()
            return [line.split()[2] for line in entries if line.startswith(mac)]

        for number, state in ((0, "down"), (0, "up")):
            self.link(network, number, state)
            carrier = network.fronts[1 if state == "down" else 0]
            wait_until(lambda far=f"to-{carrier}"[:15]: learnt_at() == [far], 5,
                       f"the segment to learn that {mac} is behind {carrier}")

    def test_two_data_planes_agree_by_lacp(self):
        """The other end is a data plane, too, whose kernel pings ours."""
        ends = {name: self.lab.namespace(name) for name in ("one", "other")}
        planes = []
        taps = Bonded.taps
        for number in range(2):
            self.lab.wire(ends["one"], f"wire{number}", ends["other"], f"wire{number}")
        for host, (name, namespace) in enumerate(ends.items(), start=1):
            port = bond_port("front", "802.3ad", taps, list(prefixes(1, host)),
                             punt={"interface": "weir-punt0"})
            plane = Plane(namespace, harness.BUILD, {"node": node(name=name), "ports": [port]}, [],
                          TAP)
            self.addCleanup(harness.assert_clean_end, plane)
            planes.append(plane.start(resolved=False))
            for number in range(2):
                namespace.join(taps[number], f"wire{number}")
        for plane in planes:
            self.wait_for(plane, "active", "active", seconds=LACP_SECONDS)
        self.ping(ends["other"])
        wait_until(lambda: self.is_cut(ends, planes, taps[0]), 10, "both ends without the link")
        self.ping(ends["other"])

    def is_cut(self, ends, planes, tap):
        """Takes the link down at both ends. DPDK, when it sees that, writes the flags of a TAP
        interface back as they were while the kernel took it down: so again, until it stays."""
        for namespace in ends.values():
            namespace.ip("link", "set", tap, "down")
        return all(states(plane) == ["down", "active"] for plane in planes)

    def ping(self, namespace):
        for version in (4, 6):
            wait_until(lambda host=address(1, 1, version): namespace.run(
                "ping", "-c", "1", "-W", "1", host, check=False).returncode == 0, 10, "a ping")
            namespace.run("ping", "-c", "5", "-i", "0.05", "-W", "2", address(1, 1, version))


if __name__ == "__main__":
    harness.main()
