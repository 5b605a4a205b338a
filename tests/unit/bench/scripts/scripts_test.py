"""The scripts that drive other generators: what they would tell them is the profile asked for.

    scripts_test.py ROOT [unittest arguments]
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import math
import os
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv.pop(1))
SCRIPTS = os.path.join(ROOT, "bench", "scripts")
sys.path.insert(0, SCRIPTS)

import profiles

V4 = ("--from", "10.1.0.60", "--to", "10.1.0.100", "--destination-mac", "02:00:00:00:00:02")
V6 = ("--from", "fd00:1::60", "--to", "fd00:1::100", "--destination-mac", "02:00:00:00:00:02")


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"),
                                                  os.path.join(SCRIPTS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


KERNEL, DPDK = load("kernel-pktgen"), load("dpdk-pktgen")


def run(module, *arguments):
    """Exit code, lines of output, errors."""
    out, errors = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, [module.__name__, *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = module.main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return code, out.getvalue().splitlines(), errors.getvalue()


def pairs(ports, addresses):
    """What a generator sends that steps both with each packet."""
    return {(turn % ports, turn % addresses) for turn in range(ports * addresses)}


class Spread(unittest.TestCase):
    def test_all_pairs_are_met(self):
        for flows in (1, 2, 1000, 64511, 64512, 65536, 129022, 1000000):
            ports, addresses = profiles.spread(flows)
            self.assertLessEqual(flows, ports * addresses)
            self.assertLess(ports * addresses, flows + flows // 50 + 2)
            self.assertLessEqual(ports, profiles.PORTS_MAX)
            self.assertEqual(ports * addresses, len(pairs(ports, addresses)))

    def test_the_most_flows_fit(self):
        ports, addresses = profiles.spread(profiles.FLOWS_MAX)
        self.assertEqual(1, math.gcd(ports, addresses))
        self.assertLessEqual(profiles.FLOWS_MAX, ports * addresses)


class Kernel(unittest.TestCase):
    def writes(self, *arguments):
        code, lines, errors = run(KERNEL, *arguments, "--interface", "eth0", "--print")
        self.assertEqual(0, code, errors)
        return lines

    def test_smallest_frames_many_flows(self):
        lines = self.writes(*V4, "--flows", "65536", "--rate", "14M", "--core", "2")
        device = "/proc/net/pktgen/eth0: "
        self.assertEqual(["/proc/net/pktgen/pgctrl: reset",
                          "/proc/net/pktgen/kpktgend_2: rem_device_all",
                          "/proc/net/pktgen/kpktgend_2: add_device eth0"], lines[:3])
        for line in ("pkt_size 60", "src_min 10.1.0.60", "src_max 10.1.0.61", "dst_min 10.1.0.100",
                     "udp_src_min 1024", "udp_src_max 33793", "udp_dst_min 9", "udp_dst_max 9",
                     "dst_mac 02:00:00:00:00:02", "ratep 14000000", "count 0"):
            self.assertIn(device + line, lines)

    def test_imix_and_as_many_as_go(self):
        lines = self.writes(*V4, "--size", "imix", "--rate", "max")
        self.assertIn("/proc/net/pktgen/eth0: imix_weights 60,7 590,4 1514,1", lines)
        self.assertFalse([line for line in lines if "ratep" in line or "pkt_size" in line])

    def test_ipv6_has_one_source(self):
        lines = self.writes(*V6, "--flows", "64511")
        for line in ("src6 fd00:1::60", "dst6 fd00:1::100", "pkt_size 80", "udp_src_max 65535"):
            self.assertIn("/proc/net/pktgen/eth0: " + line, lines)
        code, _, errors = run(KERNEL, *V6, "--flows", "64512", "--interface", "eth0", "--print")
        self.assertEqual(2, code)
        self.assertIn("at most 64511 flows", errors)

    def test_what_it_cannot_send_is_said(self):
        for more, words in ((("--syn",), "no TCP"), (("--to", "fd00::1"), "same version")):
            code, _, errors = run(KERNEL, *V4, *more, "--interface", "eth0", "--print")
            self.assertEqual(2, code)
            self.assertIn(words, errors)

    def test_lines_are_written_and_the_result_is_shown(self):
        with tempfile.TemporaryDirectory() as folder:
            self.addCleanup(setattr, KERNEL, "FOLDER", KERNEL.FOLDER)
            KERNEL.FOLDER = folder
            code, lines, errors = run(KERNEL, *V4, "--interface", "eth0", "--seconds", "1")
            self.assertEqual(0, code, errors)
            # Of a plain file the last line stays.
            self.assertEqual(["ratep 1000"], lines)
            with open(os.path.join(folder, "pgctrl"), encoding="ascii") as file:
                self.assertEqual("start\n", file.read())
            KERNEL.FOLDER = os.path.join(folder, "none")
            code, _, errors = run(KERNEL, *V4, "--interface", "eth0")
            self.assertEqual(2, code)
            self.assertIn("modprobe pktgen", errors)


class Dpdk(unittest.TestCase):
    def commands(self, *arguments):
        code, lines, errors = run(DPDK, *arguments)
        self.assertEqual(0, code, errors)
        return lines

    def test_syn_flood_of_many_flows(self):
        lines = self.commands(*V4, "--syn", "--flows", "1000", "--rate", "max", "--seconds", "3")
        for line in ("range 0 proto tcp", "range 0 tcp flag clr all", "range 0 tcp flag set syn",
                     "range 0 src ip 10.1.0.60 10.1.0.60 10.1.0.60 0.0.0.0",
                     "range 0 src port 1024 1024 2023 1", "range 0 size 64 64 64 0",
                     "set 0 rate 100"):
            self.assertIn(line, lines)
        self.assertEqual(["enable 0 range", "start 0", "delay 3000", "stop 0"], lines[-4:])

    def test_rates_are_shares_of_the_link(self):
        # 14.88 M frames of 64 bytes fill 10 Gbit/s.
        self.assertIn("set 0 rate 50.0", self.commands(*V4, "--rate", "7440476"))
        self.assertIn("set 0 rate 20.0", self.commands(*V4, "--rate", "7440476", "--link", "25"))
        code, _, errors = run(DPDK, *V4, "--rate", "15M")
        self.assertEqual(2, code)
        self.assertIn("101 % of --link 10", errors)

    def test_imix_is_a_sequence(self):
        lines = self.commands(*V4, "--size", "imix", "--flows", "5")
        sizes = [line.split()[-1] for line in lines if line.startswith("seq ")]
        self.assertEqual(["64"] * 7 + ["594"] * 4 + ["1518"], sizes)
        self.assertIn("set 0 seq_cnt 12", lines)
        self.assertIn("seq 6 0 02:00:00:00:00:02 02:00:00:00:00:01 10.1.0.100 10.1.0.60/32 1025 9 "
                      "ipv4 udp 1 64", lines)
        code, _, errors = run(DPDK, *V4, "--size", "imix", "--flows", "13")
        self.assertEqual(2, code)
        self.assertIn("at most 12 flows", errors)

    def test_ipv6_ranges(self):
        lines = self.commands(*V6, "--flows", "65536")
        for line in ("range 0 type ipv6", "range 0 src ip fd00:1::60 fd00:1::60 fd00:1::61 ::1",
                     "range 0 size 84 84 84 0"):
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main(verbosity=2)
