"""GRE and GUE carry real connections of both IP versions, and with a second chance none of them
breaks when members change and the appliance loses what it knew, at the same time."""

import signal

import harness
from harness import Downloads, Hold, url
from lab import wait_until
from members import start_decapsulator, start_weir_member, take_vip
from networks import OneArm
from plane import best_driver
from servers import Nginx, sample_file, start_echo

DOWNLOADS = 4
FILE_BYTES = 3_000_000
HELD = 40  # none on one of three members: once in four million runs
CHANCES = 3
UPLOAD_BYTES = 400_000
ADVMSS = 1300


class TunnelTest(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.driver = best_driver()

    def members_with_vips(self, count):
        network = OneArm(self.lab, members=count)
        for member in network.members.values():
            take_vip(member, *network.vip.values())
        return network


class Tunnels(TunnelTest):
    def assert_web(self, network, forward):
        content, digest = sample_file(FILE_BYTES, seed=3)
        for name, member in network.members.items():
            Nginx(member, name, {"sample": content})
        config = network.serve(network.configuration(self.driver), "web", 80, forward=forward)
        plane = self.plane(network, config, self.driver)
        for version in (4, 6):
            host = network.vip[version]
            for _ in range(4):
                self.assertIn(self.curl(network.client, url(host)).strip(), network.members)
            report = self.client(network.client, "downloads", DOWNLOADS, host, 80,
                                 "/files/sample")
            self.assert_downloads(report, DOWNLOADS, digest)
        self.assertEqual({}, {reason: packets for reason, packets in plane.drops().items()
                              if reason in ("mtu", "headroom")})

    def test_gre(self):
        network = self.members_with_vips(2)
        for name, member in network.members.items():
            which = start_decapsulator(member, network.member_address(name),
                                       network.member_address(name, 6), kind="gre")
        print(f"decapsulation by {which}")
        self.assert_web(network, "gre")

    def test_gue(self):
        network = self.members_with_vips(2)
        for member in network.members.values():
            start_weir_member(member, harness.BUILD)
        print("decapsulation by weir-member")
        self.assert_web(network, "gue")


    def upload(self, network):
        for host in network.vip.values():
            report = self.client(network.client, "upload", UPLOAD_BYTES, host, 7)
            self.assertEqual(UPLOAD_BYTES, report["back"])

    def tell_mss(self, member, *metrics):
        """Changes the routes by which the member answers, in their places."""
        for version, prefix, metric in (("-4", "10.3.0.0/24", "0"), ("-6", "fd00:3::/64", "256")):
            member.ip(version, "route", "replace", prefix, "dev", "eth0", "metric", metric,
                      *metrics)

    def test_full_sized_segments_find_what_fits(self):
        """Clients learn it by ICMP, and need not where members tell them a smaller MSS."""
        network = self.members_with_vips(1)
        member = network.members["s1"]
        start_weir_member(member, harness.BUILD)
        start_echo(member, "s1", "tcp", 7)
        config = network.serve(network.configuration(self.driver), "echo", 7, forward="gue")
        plane = self.plane(network, config, self.driver)
        self.tell_mss(member, "advmss", str(ADVMSS))
        self.upload(network)
        self.assertNotIn("mtu", plane.drops())
        self.tell_mss(member)
        self.upload(network)
        self.assertGreater(plane.drops()["mtu"], 0)


class SecondChance(TunnelTest):
    """Four members, of whom three serve at first."""

    def setUp(self):
        super().setUp()
        self.network = self.members_with_vips(4)
        self.programs = {}
        self.content, _ = sample_file(FILE_BYTES, seed=4)
        for name, member in self.network.members.items():
            Nginx(member, name, {"sample": self.content})
            self.get_another_address(name, member)
            self.programs[name] = start_weir_member(member, harness.BUILD)
            start_echo(member, name, "tcp", 7)
            for host in self.network.vip.values():
                start_echo(member, name, "udp", 7, host)

    def get_another_address(self, name, member):
        """One that the kernel prefers to that by which the others know the member."""
        own = self.network.member_address(name)
        member.ip("address", "delete", own + "/24", "dev", "eth0")
        first, last = own.rsplit(".", 1)
        member.address("eth0", f"{first}.{100 + int(last)}/24", own + "/24")

    def config(self, names, drained=(), chances=CHANCES):
        more = {"second-chance": chances} if chances else {}
        config = self.network.configuration(self.driver)
        for name, protocol, port in (("web", "tcp", 80), ("tcp", "tcp", 7), ("udp", "udp", 7)):
            self.network.serve(config, name, port, protocol=protocol, names=names, forward="gue",
                               balancer="ring", **more)
        for pool in config["pools"]:
            for member in pool["members"]:
                if member["name"] in drained:
                    member["state"] = "drain"
        return config

    def replace(self, plane, config):
        """Another appliance that knows nothing but the new configuration."""
        self.assertEqual(0, plane.stop())
        plane.write(config)
        plane.start()

    def hold(self):
        return [Hold(self, self.network.client, HELD, self.network.vip[version], 7, protocol)
                for protocol in ("tcp", "udp") for version in (4, 6)]

    def passed_on(self):
        """Packets that members sent on, all together."""
        total = 0
        for program in self.programs.values():
            lines = program.said().count("weir-member:")
            program.signal(signal.SIGUSR1)
            wait_until(lambda p=program, n=lines: p.said().count("weir-member:") > n, 5,
                       "a member's counts")
            total += int(program.said().strip().split("\n")[-1].split(" passed on")[0].split()[-1])
        return total

    def assert_they_may_do_nothing(self):
        for program in self.programs.values():
            with open(f"/proc/{program.pid}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
            self.assertNotIn("0", status["Uid"].split() + status["Gid"].split())
            self.assertEqual(0, int(status["CapPrm"], 16) | int(status["CapEff"], 16))
            self.assertEqual("1", status["NoNewPrivs"].strip())

    def test_members_and_appliance_change_at_once(self):
        self.assert_they_may_do_nothing()
        plane = self.plane(self.network, self.config(("s1", "s2", "s3")), self.driver)
        held = self.hold()
        running = [Downloads(self, self.network.client, HELD, self.network.vip[version],
                             self.content) for version in (4, 6)]
        for version in (4, 6):
            for member in plane.members(f"web{version}").values():
                self.assertGreater(member["flows"], 0)
        before = self.passed_on()
        # One is drained, one comes, and what the appliance knew is lost; then two more are.
        for drained in (("s1",), ("s1", "s3")):
            self.replace(plane, self.config(("s1", "s2", "s3", "s4"), drained))
            for each in held:
                each.round()
        reports = [each.end() for each in held]
        for report in reports:
            self.assertEqual([], report["failed"])
            self.assertEqual({"s1", "s2", "s3"}, set(report["answered"]))
        self.assertGreater(self.passed_on(), before)
        for downloads in running:
            self.assertEqual({"s1", "s2", "s3"}, set(downloads.finish()["served"]))
        # What is new goes to who serves now, and only there.
        report = self.client(self.network.client, "udp", 40, self.network.vip[4], 7)
        self.assertEqual(0, report["lost"], report)
        self.assertEqual({"s2", "s4"}, set(report["answered"]))

    def test_a_dead_member_swallows_nothing_for_long(self):
        """One that died is passed over by the others after two seconds, though it is still told
        of: new UDP flows, which visit all members, begin."""
        self.plane(self.network, self.config(("s1", "s2", "s3"), drained=("s3",)), self.driver)
        self.programs["s3"].stop()

        def begins():
            report = self.client(self.network.client, "udp", 10, self.network.vip[4], 7)
            self.assertLessEqual(set(report["answered"]), {"s1", "s2"})
            return report["lost"] == 0
        self.assertFalse(begins())
        wait_until(begins, 20, "new UDP flows past a dead member")

    def test_without_a_second_chance_they_break(self):
        names = ("s1", "s2", "s3")
        plane = self.plane(self.network, self.config(names, chances=0), self.driver)
        held = Hold(self, self.network.client, HELD, self.network.vip[4], 7)
        self.replace(plane, self.config(names, drained=("s1",), chances=0))
        self.assertNotEqual([], held.end()["failed"])


if __name__ == "__main__":
    harness.main()
