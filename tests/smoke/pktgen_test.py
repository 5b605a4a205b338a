"""weir-pktgen through a running data plane: nothing is lost while the member is there, and all of
it is seen to be lost when it is gone."""

import copy
import json
import os
import signal

import harness
from networks import Routed, address
from plane import best_driver

RATE = 500
SECONDS = 1
TOLERANCE = "100000"  # of a million: a tenth
WARM_UP = 6  # seconds: a member that did not answer is asked for every five
MEMBER = {4: address(2, 50), 6: address(2, 50, 6)}


PKTGEN = "bench/pktgen/weir-pktgen"


class Facing(harness.LabTest):
    """Two generators on one wire: each asks where the other is, and answers for its sources."""

    def start(self, version, here, there):
        namespace = self.ends[here]
        return namespace.start("pktgen", os.path.join(harness.BUILD, PKTGEN), "--json",
                               "--tx", "net_af_packet0,iface=wire", "--memory", "128",
                               "--from", address(1, here, version),
                               "--to", address(1, there, version), "--flows", "64513",
                               "--seconds", "3", "--warm-up", "0", "--tolerance", "1000000")

    def test_they_find_each_other_in_both_versions(self):
        self.ends = {each: self.lab.namespace(f"end{each}") for each in (10, 20)}
        self.lab.wire(self.ends[10], "wire", self.ends[20], "wire")
        for version in (4, 6):
            # The second of 64513 flows' two sources is asked for, too.
            pair = self.start(version, 10, 21), self.start(version, 20, 11)
            for process in pair:
                self.assertEqual(0, process.wait(20), process.said())


class Generated(harness.SharedLabTest):
    """What the generator says agrees with itself. How much it sent and what came back are not
    exact: whoever is off its processor for a moment sends late, and loses what a ring cannot
    hold."""

    @classmethod
    def build(cls):
        driver = best_driver()
        cls.network = Routed(cls.lab, members=0)
        # The client is the generator and the member too: its second leg is the receiver.
        cls.lab.plug(cls.network.lan, cls.network.client, "back0")
        config = cls.network.configuration(driver)
        for version in (4, 6):
            name = f"sink{version}"
            config["pools"].append({"name": name, "forward": "nat",
                                    "members": [{"name": "s1", "address": MEMBER[version]}]})
            config["vips"].append({"name": name, "address": cls.network.vip[version], "port": 9,
                                   "protocol": "udp", "pool": name})
        cls.config = config
        cls.appliance = cls.shared_plane(cls.network, config, driver, resolved=False)

    def command(self, *more, version=4, host=60):
        return (os.path.join(harness.BUILD, PKTGEN), "--json",
                "--tx", "net_af_packet0,iface=eth0", "--rx", "net_af_packet1,iface=back0",
                "--from", address(1, host, version), "--to", self.network.vip[version],
                "--memory", "128", *more)

    def run_it(self, *more, **which):
        return self.network.client.run(*self.command(*more, **which), check=False)

    def generate(self, *more, **which):
        """Exit code and report."""
        done = self.run_it(*more, **which)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def assert_comes_back(self, *more, version=4):
        code, report = self.generate("--rate", str(RATE), "--seconds", str(SECONDS), "--flows",
                                     "100", "--answer", MEMBER[version], "--warm-up",
                                     str(WARM_UP), "--tolerance", TOLERANCE, *more,
                                     version=version)
        self.assertEqual(0, code, report)
        self.assertAlmostEqual(RATE * SECONDS, report["sent"], delta=RATE * SECONDS / 2)
        self.assertEqual(report["sent"], report["received"] + report["lost"])
        times = report["latency_us"]
        self.assertLess(0, times["min"])
        rising = [times[key] for key in ("min", "p50", "p90", "p99", "p999", "p9999", "max")]
        self.assertEqual(sorted(rising), rising)
        self.assertLessEqual(times["min"], times["mean"])
        self.assertLessEqual(times["mean"], times["max"])
        self.assertEqual(report["received"],
                         sum(count for _, count in report["latency_histogram_us"]))
        self.assertLess(0, report["turn_us"]["p99"])
        self.assertLessEqual(report["turn_us"]["p99"], report["turn_us"]["max"])
        self.assertFalse(report["interrupted"])

    def test_packets_come_back_with_the_member_and_none_without(self):
        self.assert_comes_back()
        code, report = self.generate("--rate", "400", "--seconds", "1", "--warm-up", "0",
                                     "--search", "--resolution", "7", "--answer", MEMBER[4],
                                     "--tolerance", TOLERANCE)
        self.assertEqual((0, 7), (code, report["resolution_per_second"]), report)
        self.assertIn(report["throughput_per_second"], range(1, 401))
        # The next member answers to nobody.
        gone = copy.deepcopy(self.config)
        gone["pools"][0]["members"] = [{"name": "gone", "address": address(2, 51)}]
        self.addCleanup(self.appliance.reload, self.config)
        self.appliance.reload(gone)
        code, report = self.generate("--rate", str(RATE), "--seconds", "1", "--answer", MEMBER[4],
                                     "--warm-up", "0", host=61)
        self.assertEqual((1, 0), (code, report["received"]), report)
        self.assertLess(0, report["sent"])
        self.assertEqual(report["sent"], report["lost"])

    def test_ipv6_mixed_sizes_through_a_gateway(self):
        self.assert_comes_back("--size", "imix", "--gateway", address(1, 1, 6), version=6)

    def test_a_next_hop_that_does_not_answer_is_named(self):
        done = self.run_it("--gateway", address(1, 99))
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("nobody at net_af_packet0,iface=eth0 answers for 10.1.0.99: give --gateway, "
                      "or --destination-mac", done.stderr)

    def test_it_ends_when_told_and_says_what_came(self):
        process = self.network.client.start("pktgen", *self.command(
            "--answer", MEMBER[4], "--seconds", "3600", "--warm-up", "0"))

        def received():
            return sum(port["rx_packets"] for port in self.appliance.ask("show", "ports")["ports"])
        before = received()
        harness.wait_until(lambda: received() > before + 100, 20, "packets")
        process.signal(signal.SIGINT)
        self.assertIn(process.wait(10), (0, 1))
        self.assertIn('"interrupted": true, "sent": ', process.said())


if __name__ == "__main__":
    harness.main()
