"""Every packet is explained: whose drops they were, where cycles go, what each stage decided."""

import json
import shutil
import signal
import subprocess
import unittest

import harness
from harness import url
from lab import wait_until
from networks import Routed, address
from plane import best_driver
from servers import Nginx


class Explain(harness.SharedLabTest):
    @classmethod
    def build(cls):
        cls.network = Routed(cls.lab, members=2)
        for name, member in cls.network.members.items():
            Nginx(member, name)

    def start(self):
        driver, network = best_driver(), self.network
        config = network.serve(network.configuration(driver), "web", 80)
        return network, config, self.plane(network, config, driver)

    def test_drops_are_their_vips_and_stages_are_counted(self):
        network, config, plane = self.start()
        for _ in range(5):
            self.curl(network.client, url(network.vip[4]))
        timed = [member for member in plane.ask("show", "handshakes")["members"]
                 if member["pool"] == "web4"]
        self.assertEqual(5, sum(member["handshakes"] for member in timed))
        for member in timed:
            if member["handshakes"]:
                self.assertLess(0, member["p50_us"])
                self.assertLess(member["p50_us"], 1000000)
                self.assertLessEqual(member["p50_us"], member["p99_us"])
                self.assertEqual(member["handshakes"],
                                 sum(count for _, count in member["histogram_us"]))
                self.assertIn(member["p99_us"], [most for most, _ in member["histogram_us"]])
        talkers = plane.ask("show", "talkers")["talkers"]
        self.assertEqual({address(1, 10): 100.0},
                         {talker["client"]: talker["packets_percent"] for talker in talkers})
        for pool in config["pools"]:
            for member in pool["members"]:
                member["weight"] = 0
        plane.reload(config)
        self.curl(network.client, url(network.vip[4]), "--connect-timeout", "1", check=False)
        self.client(network.client, "spray", 5, network.vip[4], 9)

        drops = plane.ask("show", "drops", "--by-vip")["drops"]
        found = {(drop["vip"], drop["reason"]): drop["packets"] for drop in drops}
        self.assertGreater(found[("web4", "no-member")], 0)
        self.assertEqual(5, found[(None, "no-service")])
        only = plane.ask("show", "drops", "--vip", "web4")["drops"]
        self.assertEqual({"web4"}, {drop["vip"] for drop in only})
        self.assertEqual([], plane.ask("show", "drops", "--vip", "web6")["drops"])
        wrong = plane.ctl("show", "drops", "--vip", "wbe", check=False)
        self.assertEqual(1, wrong.returncode)
        self.assertIn("there is no virtual address wbe", wrong.stderr)
        self.assertIn("no-member", plane.ctl("show", "drops", "--by-vip").stdout)

        worker = plane.ask("show", "stages")["workers"][0]
        stages = {stage["stage"]: stage for stage in worker["stages"]}
        short = stages["short-path"]
        self.assertGreaterEqual(short["packets"], 5 * 8)
        self.assertGreaterEqual(short["packets"], short["calls"])
        self.assertGreater(stages["rx"]["calls"], short["calls"])
        self.assertLess(sum(stage["cycles"] for stage in worker["stages"]), worker["cycles"])
        self.assertIn("CYCLES/PACKET", plane.ctl("show", "stages", "--worker", "0").stdout)

        counters = {each["name"]: each for each in plane.ask("show", "counters")["counters"]}
        self.assertGreaterEqual(counters["weir_worker_packets_total"]["value"], 5 * 8)
        self.assertEqual(0, counters["weir_untracked_packets_total"]["value"])
        self.assertNotIn("weir_drops_packets_total", counters)  # has instances: show drops
        for each in counters.values():
            self.assertEqual(each["value"], sum(each["workers"]))
            self.assertTrue(each["help"].endswith("."), each)
        said = plane.ctl("show", "counters").stdout
        self.assertRegex(said, r"(?m)^weir_worker_packets_total +\d+ +0:\d+ +Packets a worker")
        self.assertNotIn("weir_untracked_packets_total", said)

    def watch(self, plane, *arguments):
        """weirctl trace or capture in the background, once it runs."""
        process = plane.namespace.start("watch", plane.weirctl, "--socket", plane.socket,
                                        *arguments)
        process.wait_for_words("watching packets", 10)
        return process

    def test_a_trace_tells_each_stages_verdict(self):
        network, config, plane = self.start()
        trace = self.watch(plane, "--json", "trace", "host", address(1, 10), "and", "tcp")
        self.assertIn("another trace", plane.ctl("trace", check=False).stderr)
        self.curl(network.client, url(network.vip[6]))
        self.curl(network.client, url(network.vip[4]))
        wait_until(lambda: trace.said().count("{\"time_ns\"") >= 8, 10, "a connection's packets")
        trace.signal(signal.SIGINT)
        self.assertEqual(0, trace.wait(20))
        packets = [json.loads(line) for line in trace.said().splitlines() if line[0] == "{"]
        # A connection of curl's: three to open, request, answer, four to close or fewer.
        self.assertIn(len(packets), range(8, 16))
        first = packets[0]
        self.assertIn(f"> {network.vip[4]}:80 tcp SYN, ", first["packet"])
        self.assertEqual(("sent", "web4", "front", "back"),
                         (first["verdict"], first["vip"], first["port"], first["out_port"]))
        stages = {step["stage"]: step["verdict"] for step in first["steps"]}
        self.assertIn("maglev chose member " + first["member"], stages["admit"])
        self.assertEqual("sent on back", stages["dispatch"])
        reply = next(packet for packet in packets if "SYN+ACK" in packet["packet"])
        self.assertEqual(("back", "front", first["member"]),
                         (reply["port"], reply["out_port"], reply["member"]))
        self.assertIn("flow of vip web4", {step["stage"]: step["verdict"]
                                           for step in reply["steps"]}["established"])
        self.assertGreater(packets[-1]["time_ns"], first["time_ns"])

    def test_a_trace_explains_a_drop_and_a_wrong_filter(self):
        network, config, plane = self.start()
        trace = self.watch(plane, "trace", "dropped no-service and dst port 9", "--count", "2")
        self.curl(network.client, url(network.vip[4]))
        self.client(network.client, "spray", 3, network.vip[4], 9)
        self.assertEqual(0, trace.wait(20))
        self.assertEqual(2, trace.said().count("dropped: no-service: to a virtual or local"))
        self.assertNotIn(":80 ", trace.said())
        for words, fault in ((("host", "10.1.0.x"), "`host` takes an IPv4 or IPv6 address"),
                             (("vip", "wbe4"), "did you mean web4?"),
                             (("tcp", "adn", "udp"), "`adn` does not belong here")):
            wrong = plane.ctl("trace", *words, check=False)
            self.assertEqual(1, wrong.returncode)
            self.assertIn(fault, wrong.stderr)
            self.assertIn("  " + " ".join(words) + "\n", wrong.stderr)
        # One whose reader was killed ends by itself.
        left = self.watch(plane, "trace", "arp")
        left.signal(signal.SIGKILL)
        wait_until(lambda: plane.ctl("trace", "arp", "--seconds", "1", check=False).returncode == 0,
                   15, "the trace that was left to end")

    def read_capture(self, file, *options, check=True):
        return subprocess.run(["tshark", "-n", "-r", file, *options], check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8").stdout.splitlines()

    @unittest.skipUnless(shutil.which("tshark"), "no tshark")
    def test_a_capture_is_read_by_others(self):
        network, config, plane = self.start()
        file = self.lab.path("web.pcapng")
        capture = self.watch(plane, "capture", "vip", "web4", "or", "dropped", "--write", file)
        self.curl(network.client, url(network.vip[4]))
        self.client(network.client, "spray", 2, network.vip[4], 9)
        # While it is written it may end within a packet.
        wait_until(lambda: len(self.read_capture(file, check=False)) > 16, 20,
                   "packets in the file")
        capture.signal(signal.SIGINT)
        self.assertEqual(0, capture.wait(10))
        rows = [line.split("\t") for line in self.read_capture(
            file, "-T", "fields", "-e", "frame.interface_name",
            "-e", "frame.packet_flags_direction", "-e", "ip.dst", "-e", "tcp.flags.syn",
            "-e", "frame.comment", "-e", "ip.src")]
        opening = [row for row in rows if row[3] in ("1", "True")]
        self.assertEqual([("front", 1), ("back", 2), ("back", 1), ("front", 2)],
                         [(row[0], int(row[1], 0)) for row in opening[:4]])
        self.assertEqual(network.vip[4], opening[0][2])
        self.assertIn(opening[1][2], {network.member_address(name) for name in network.members})
        self.assertEqual(network.vip[4], opening[3][5])
        dropped = [row for row in rows if "dropped: no-service" in row[4]]
        self.assertEqual(2, len(dropped))
        inbound = [row for row in rows if int(row[1], 0) == 1]
        self.assertIn(f"\n{len(inbound)} packets", capture.said())
        for row in rows:
            self.assertIn("; classify: ", row[4])
        size = int(capture.said().split(" bytes")[0].split()[-1])
        with open(file, "rb") as capture_file:
            self.assertEqual(size, len(capture_file.read()))


if __name__ == "__main__":
    harness.main()
