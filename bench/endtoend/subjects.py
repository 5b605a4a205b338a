"""What is measured: packet forwarders between two memif devices, and weir-pktgen before them.

memif is shared memory that both sides copy from and to: no NIC, no kernel, and no huge pages are
in the way. The subject is the server of both devices, the generator comes and goes.

    weir-pktgen  --tx ---- memif 0, front ----  subject  ---- memif 1, back ----  --rx  weir-pktgen
"""

import json
import os
import re
import shutil
import subprocess

from children import Child, prepare
from lab import LabError, find_program, run

VIP, MEMBER, CLIENT = "10.1.0.100", "10.2.0.50", "10.1.0.60"
FORWARDS = ("direct", "nat", "fullnat", "ipip")
TESTPMD_MODES = ("io", "5tswap")
MEBIBYTES = 256
START_SECONDS = 30
GENERATOR_SECONDS = 60
PREPARE_TRIES = 10  # of a second each
# A local address carries 64448 flows to one member's port: enough for a million.
LOCAL_ADDRESSES = [f"10.2.0.{host}" for host in range(200, 220)]
FLOW_ENTRIES = 1 << 22  # twice a million and room: NAT takes two a flow


class Rig:
    """Where it happens: the build, the two processors, and a folder for sockets and output."""

    def __init__(self, build, cores, folder):
        self.build = build
        self.generator_core, self.subject_core = cores
        self.folder = folder
        self.running = None  # the generator

    def path(self, name):
        return os.path.join(self.folder, name)

    def device(self, number, role):
        return (f"net_memif{number},role={role},socket-abstract=no,"
                f"socket={self.path('memif.sock')},id={number}")

    def generator(self, *options):
        """weir-pktgen's command."""
        return [os.path.join(self.build, "bench/pktgen/weir-pktgen"), "--json",
                "--tx", self.device(0, "client"), "--rx", self.device(1, "client"),
                "--from", CLIENT, "--to", VIP, "--answer", MEMBER,
                "--memory", str(MEBIBYTES), "--warm-up", "0", *map(str, options)]

    def start_generator(self, *options):
        self.running = subprocess.Popen(self.generator(*options), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=prepare(self.generator_core))
        return self.running

    def stop_generator(self):
        """Ends one that is under way."""
        if self.running:
            self.running.kill()
            self.running.communicate()
            self.running = None

    def finish_generator(self, process):
        """Its report."""
        try:
            said, errors = process.communicate(timeout=GENERATOR_SECONDS)
        except subprocess.TimeoutExpired as late:
            self.stop_generator()
            raise LabError(f"weir-pktgen still runs after {GENERATOR_SECONDS} s") from late
        self.running = None
        # 1 is loss, which is what is measured.
        if process.returncode not in (0, 1):
            raise LabError(f"weir-pktgen: exit {process.returncode}: {errors}")
        return json.loads(said)


class Subject:
    """A forwarder. start(), then prepare() for the most flows, then run() for some of them: it
    offers packets and returns the generator's report and the cycles that the subject took for each,
    in turns in which it had some; None if it does not say."""

    flow_counts_matter = True

    def __init__(self, rig):
        self.rig = rig
        self.child = None

    def launch(self, command):
        socket = self.rig.path("memif.sock")
        if os.path.exists(socket):
            os.unlink(socket)
        # Its packets have one processor; the main thread must also run while that is busy.
        cores = self.rig.generator_core, self.rig.subject_core
        self.child = Child(command, cores, self.rig.path(f"{self.name}.out"))

    def stop(self):
        self.rig.stop_generator()
        if self.child:
            self.child.stop()


class Testpmd(Subject):
    """DPDK's own: `io` hands packets over untouched, the least that any forwarder costs on these
    devices; `5tswap` reads and swaps MAC and IP addresses and ports."""

    flow_counts_matter = False
    RESULT = re.compile(r"CPU cycles/packet=([\d.]+) \(total cycles=\d+ / total \S+ packets=(\d+)")

    @staticmethod
    def program():
        return find_program("dpdk-testpmd") or shutil.which("testpmd")

    def __init__(self, rig, mode):
        super().__init__(rig)
        self.mode = mode
        self.name = f"testpmd-{mode}"

    def start(self):
        cores = f"0@({self.rig.generator_core},{self.rig.subject_core}),1@{self.rig.subject_core}"
        self.launch([self.program(), "--lcores", cores, "--no-huge", "-m", str(MEBIBYTES),
                     "--no-shconf", "--no-pci", "--no-telemetry",
                     "--vdev", self.rig.device(0, "server"), "--vdev", self.rig.device(1, "server"),
                     "--", "--interactive", f"--forward-mode={self.mode}", "--auto-start",
                     "--total-num-mbufs=16384", "--rxd=1024", "--txd=1024",
                     "--record-core-cycles"])
        self.child.wait_for(lambda: "testpmd>" in self.child.said(), START_SECONDS, "its prompt")

    def prepare(self, flows):
        """It remembers nothing."""

    def run(self, *options):
        # memif forgets its counters when the other side goes: ask while it is there.
        self.child.tell("clear fwd stats all")
        before = len(self.child.said())
        generator = self.rig.start_generator("--destination-mac", "02:00:00:00:00:01", *options)
        while generator.poll() is None:
            try:
                generator.wait(0.2)
            except subprocess.TimeoutExpired:
                self.child.tell("show fwd stats all")
        report = self.rig.finish_generator(generator)
        return report, self.cycles(self.child.said()[before:])

    @classmethod
    def cycles(cls, said):
        """The figure over the most packets, or None."""
        found = [(int(packets), float(cycles)) for cycles, packets in cls.RESULT.findall(said)]
        return max(found)[1] if found else None


class Weir(Subject):
    """weir-dataplane with one worker, one service and one member."""

    def __init__(self, rig, forward):
        super().__init__(rig)
        self.forward = forward
        self.name = f"weir-{forward}"
        self.socket = rig.path("weir.sock")

    def configuration(self):
        ports = [{"name": name, "device": self.rig.device(number, "server"),
                  "addresses": [f"10.{number + 1}.0.1/24"]}
                 for number, name in enumerate(("front", "back"))]
        if self.forward == "fullnat":
            ports[1]["local-addresses"] = LOCAL_ADDRESSES
        return {"node": {"name": "bench", "cores": [self.rig.subject_core], "poll": "busy",
                         "memory": f"{MEBIBYTES}MiB", "flows": {"per-worker": FLOW_ENTRIES}},
                "ports": ports,
                "pools": [{"name": "sink", "forward": self.forward,
                           "members": [{"name": "member", "address": MEMBER}]}],
                "vips": [{"name": "sink", "address": VIP, "port": 9, "protocol": "udp",
                          "pool": "sink"}]}

    def start(self):
        file = self.rig.path("weir.yaml")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(self.configuration(), out)
        self.launch([os.path.join(self.rig.build, "dataplane/daemon/weir-dataplane"), "--config",
                     file, "--socket", self.socket])
        self.child.wait_for(lambda: " ready node=" in self.child.said(), START_SECONDS,
                            "readiness")

    def ask(self, *words):
        weirctl = os.path.join(self.rig.build, "controlplane/cli/weirctl")
        return json.loads(run([weirctl, "--socket", self.socket, "--json", *words]).stdout)

    def counts(self):
        """Packets and busy cycles since the start."""
        return (self.ask("show", "workers")["workers"][0]["packets"],
                self.ask("show", "stages")["workers"][0]["busy_cycles"])

    def prepare(self, flows):
        """Lets it learn its neighbours and the flows."""
        for _ in range(PREPARE_TRIES):
            self.rig.finish_generator(self.rig.start_generator(
                "--flows", flows, "--rate", "max", "--seconds", 1))
            if self.ask("show", "flows", "--limit", "1")["used"] >= flows:
                return
        raise LabError(f"{self.name}: {flows} flows are not made in {PREPARE_TRIES} s: "
                       f"{self.ask('show', 'drops')}")

    def run(self, *options):
        before = self.counts()
        report = self.rig.finish_generator(self.rig.start_generator(*options))
        packets, cycles = (after - old for after, old in zip(self.counts(), before))
        return report, cycles / packets if packets else None


def subject(rig, name):
    """By its name: io, 5tswap, or how Weir forwards."""
    return Testpmd(rig, name) if name in TESTPMD_MODES else Weir(rig, name)
