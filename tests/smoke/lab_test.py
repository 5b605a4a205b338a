"""The lab itself, before anything of Weir stands in it: with the kernel as the router in the
appliance's place, all that the other smoke tests build on works, and goes away."""

import os

import harness
from lab import Lab, run
from members import start_decapsulator, take_vip
from networks import OneArm, Routed, address, prefixes
from servers import Nginx, sample_file, start_echo


class LabStands(harness.LabTest):
    def route_by_kernel(self, network):
        for number, wire in ((1, network.wires[0]), (2, network.wires[1])):
            network.plane.address(wire, *prefixes(number, 1))
        network.plane.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def test_members_answer_over_both_versions(self):
        network = Routed(self.lab)
        self.route_by_kernel(network)
        content, digest = sample_file(300_000, seed=1)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
            start_echo(member, name, "udp", 7)
            for version in (4, 6):
                host = network.member_address(name, version)
                self.assertEqual(name + "\n", self.curl(network.client, harness.url(host)))
                report = self.client(network.client, "downloads", 3, host, 80, "/files/sample")
                self.assert_downloads(report, 3, digest)
                report = self.client(network.client, "udp", 5, host, 7)
                self.assertEqual({"answered": {name: 5}, "lost": 0}, report)

    def test_a_tunnelled_packet_is_taken_apart_and_answered(self):
        network = OneArm(self.lab, members=1)
        member = network.members["s1"]
        take_vip(member, *OneArm.vip.values())
        which = start_decapsulator(member, network.member_address("s1"),
                                   network.member_address("s1", 6))
        print(f"decapsulation by {which}")
        Nginx(member, "s1")
        # The client sends its own packets through a tunnel that Python makes of raw sockets: a
        # ping of the virtual address, which nobody on the wire answers for.
        for version, protocol in ((4, 4), (6, 41)):
            said = network.client.run_python("tunnel_ping.py", address(3, 10, version),
                                             OneArm.vip[version], address(3, 11, version),
                                             str(protocol))
            self.assertEqual("answered\n", said.stdout)

    def test_nothing_is_left(self):
        with Lab(f"weir{os.getpid()}-gone") as lab:
            network = Routed(lab)
            Nginx(network.members["s1"], "s1")
            start_echo(network.members["s2"], "s2", "tcp", 7)
            pids = [process.pid for process in lab.processes]
            folder = lab.folder
        self.assertNotIn(lab.prefix, run(["ip", "netns", "list"]).stdout)
        self.assertFalse(os.path.exists(folder))
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))


if __name__ == "__main__":
    harness.main()
