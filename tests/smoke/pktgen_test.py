"""weir-pktgen through a running data plane: nothing is lost while the member is there, and all of
it is seen to be lost when it is gone."""

import json
import os
import signal

import harness
from networks import Routed, address
from plane import best_driver

RATE = 500
SECONDS = 3
MEMBER = address(2, 50)


class Generated(harness.LabTest):
    def setUp(self):
        super().setUp()
        self.driver = best_driver()
        self.network = Routed(self.lab, members=0)
        # The client is the generator and the member too: its second leg is the receiver.
        self.lab.plug(self.network.lan, self.network.client, "back0")
        config = self.network.configuration(self.driver)
        config["pools"] = [{"name": "sink", "forward": "nat",
                            "members": [{"name": "s1", "address": MEMBER}]}]
        config["vips"] = [{"name": "sink", "address": self.network.vip[4], "port": 9,
                           "protocol": "udp", "pool": "sink"}]
        self.appliance = self.plane(self.network, config, self.driver, resolved=False)
        ports = self.appliance.ask("show", "ports")["ports"]
        self.mac = next(port["mac"] for port in ports if port["name"] == "front")

    def command(self, *more):
        return (os.path.join(harness.BUILD, "bench/pktgen/weir-pktgen"), "--json",
                "--tx", "net_af_packet0,iface=eth0", "--rx", "net_af_packet1,iface=back0",
                "--from", address(1, 60), "--to", self.network.vip[4],
                "--destination-mac", self.mac, "--memory", "128", *more)

    def generate(self, *more):
        """Exit code and report."""
        done = self.network.client.run(*self.command(*more), check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def test_loss_is_none_with_the_member_and_all_without(self):
        common = ("--rate", str(RATE), "--seconds", str(SECONDS), "--flows", "100")
        code, report = self.generate(*common, "--answer", MEMBER, "--warm-up", "5")
        self.assertEqual((0, 0), (code, report["lost"]), report)
        self.assertAlmostEqual(RATE * SECONDS, report["sent"], delta=RATE * SECONDS / 20)
        self.assertEqual(report["sent"], report["received"])
        self.assertLess(0, report["latency_us"]["p50"])
        self.assertLessEqual(report["latency_us"]["p50"], report["latency_us"]["max"])

        code, report = self.generate("--rate", "400", "--seconds", "1", "--search", "--answer",
                                     MEMBER)
        self.assertEqual((0, 400), (code, report["throughput_per_second"]), report)
        # The next member answers to nobody.
        with open(self.appliance.file, encoding="utf-8") as file:
            config = json.load(file)
        config["pools"][0]["members"] = [{"name": "gone", "address": address(2, 51)}]
        self.appliance.reload(config)
        code, report = self.generate(*common, "--from", address(1, 61), "--answer", MEMBER,
                                     "--warm-up", "0")
        self.assertEqual((1, 0), (code, report["received"]), report)
        self.assertLess(0, report["sent"])
        self.assertEqual(report["sent"], report["lost"])

    def test_it_ends_when_told_and_says_what_came(self):
        process = self.network.client.start("pktgen", *self.command(
            "--answer", MEMBER, "--seconds", "3600", "--warm-up", "0"))

        def received():
            return sum(port["rx_packets"] for port in self.appliance.ask("show", "ports")["ports"])
        before = received()
        harness.wait_until(lambda: received() > before + 100, 20, "packets")
        process.signal(signal.SIGINT)
        self.assertIn(process.wait(10), (0, 1))
        self.assertIn('"sent": ', process.said())


if __name__ == "__main__":
    harness.main()
