"""A link between appliance and member that takes less than the appliance's port: its router says
so, the appliance learns it, and clients send what fits."""

import harness
from lab import wait_until
from members import start_weir_member, take_vip
from networks import Far
from plane import best_driver
from servers import start_echo

LINK_MTU = 1400
OUTER = {4: 32, 6: 52}  # GUE's headers over IPv4 and IPv6
UPLOAD_BYTES = 300_000


class TunnelMtu(harness.LabTest):
    def test_clients_send_what_fits_a_narrow_link(self):
        network = Far(self.lab, members=1)
        member, router = network.members["s1"], network.router
        take_vip(member, *network.vip.values())
        start_weir_member(member, harness.BUILD)
        member.sysctl("net.ipv4.conf.weir0.rp_filter=0")
        start_echo(member, "s1", "tcp", 7)
        for host, interface in ((router, "eth1"), (member, "eth0")):
            host.ip("link", "set", interface, "mtu", str(LINK_MTU))
        router.sysctl("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        # Members answer by the router, past the appliance.
        self.lab.plug(network.near, network.client, "eth1")
        network.client.address("eth1", "10.2.0.10/24", "fd00:2::10/64")
        for prefix, via in (("10.1.0.0/24", "10.2.0.10"), ("fd00:1::/64", "fd00:2::10")):
            router.ip("-6" if ":" in prefix else "-4", "route", "add", prefix, "via", via)
        network.client.sysctl("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
                              "net.ipv4.conf.eth1.rp_filter=0")
        driver = best_driver()
        config = network.serve(network.configuration(driver), "echo", 7, forward="gue")
        for port in config["ports"]:
            port.pop("local-addresses", None)
        plane = self.plane(network, config, driver)
        for version in (4, 6):
            report = self.client(network.client, "upload", UPLOAD_BYTES, network.vip[version], 7)
            self.assertEqual(UPLOAD_BYTES, report["back"])
            routes = network.client.run("ip", f"-{version}", "route", "get",
                                        network.vip[version]).stdout
            self.assertIn(f"mtu {LINK_MTU - OUTER[version]}", routes)
            wait_until(lambda pool=f"echo{version}":
                       plane.members(pool)["s1"]["path_mtu"] == LINK_MTU, 5, "a path MTU to show")


if __name__ == "__main__":
    harness.main()
