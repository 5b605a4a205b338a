"""weir-dataplane as tests and the demonstration run it: its configuration, its process in a
namespace, its devices, and weirctl beside it."""

import glob
import json
import os
import signal

from lab import LabError, has_af_xdp, make_bridge, run, wait_until

AF_XDP = "net_af_xdp"
TAP = "net_tap"
PCAP = "net_pcap"
READY = " ready node="
CTL_SECONDS = 20


def drivers_present(name):
    """Whether DPDK's driver library is installed."""
    return bool(glob.glob(f"/usr/lib/*/dpdk/pmds-*/librte_{name}.so*"))


def best_driver():
    """AF_XDP where kernel and DPDK have it, else TAP."""
    return AF_XDP if has_af_xdp() and drivers_present(AF_XDP) else TAP


def device(driver, number, interface):
    """The DPDK device string of a port. A TAP device makes its own interface, which must be
    bridged to the wire."""
    if driver == PCAP:  # else it would hear what it sends itself
        return f"{driver}{number},rx_iface_in={interface},tx_iface={interface}"
    name = tap_interface(interface) if driver == TAP else interface
    return f"{driver}{number},iface={name}"


def tap_interface(interface):
    return f"{interface}-tap"[:15]


def node(**changes):
    """A node for two shared cores: little memory, short sleeps."""
    settings = {"name": "smoke", "cores": [0], "poll": "adaptive", "memory": "256MiB",
                "huge-pages": "auto", "flows": {"per-worker": 16384}}
    settings.update(changes)
    return settings


class Plane:
    """A data plane in a namespace. `wires` are the interfaces its ports stand on, in the order of
    the configuration's ports."""

    def __init__(self, namespace, build, config, wires, driver):
        self.namespace = namespace
        self.binary = os.path.join(build, "dataplane/daemon/weir-dataplane")
        self.weirctl = os.path.join(build, "controlplane/cli/weirctl")
        self.socket = namespace.lab.path(f"{namespace.short}.sock")
        self.file = namespace.lab.path(f"{namespace.short}.yaml")
        self.wires = wires
        self.driver = driver
        self.process = None
        self.write(config)

    def write(self, config):
        """Replaces the configuration file in one step. A dictionary is written as JSON, which is
        YAML too."""
        text = config if isinstance(config, str) else json.dumps(config, indent=2) + "\n"
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.file + ".new", self.file)

    def check(self):
        """--check: returns the finished process."""
        return self.namespace.run(self.binary, "--config", self.file, "--check", check=False)

    def launch(self):
        """Starts the process and does not wait for anything."""
        self.process = self.namespace.start("dataplane", self.binary, "--config", self.file,
                                            "--socket", self.socket)
        return self.process

    def start(self, seconds=60, resolved=True):
        """Starts it and waits until it forwards."""
        self.launch().wait_for_words(READY, seconds)
        if self.driver == TAP:
            for wire in self.wires:
                self.bridge(wire)
        if resolved:
            wait_until(self.members_resolved, 20, "every member's MAC address")
        return self

    def bridge(self, wire):
        """Joins the interface that a TAP device made with the wire it stands for."""
        bridge, tap = f"{wire}-br"[:15], tap_interface(wire)
        wait_until(lambda: tap in self.namespace.interfaces(), 10, tap)
        if bridge not in self.namespace.interfaces():
            make_bridge(self.namespace, bridge)
            self.namespace.silence(wire)
            self.namespace.ip("link", "set", wire, "master", bridge)
        # A bridge keeps what is sent to its interfaces' own addresses, and the interface was made
        # with the port's: it gets one that nobody uses, and the port's lies behind it.
        number = self.wires.index(wire)
        self.namespace.silence(tap)
        self.namespace.ip("link", "set", tap, "address", f"02:00:00:00:00:{number:02x}")
        self.namespace.ip("link", "set", tap, "master", bridge, "up")

    def members_resolved(self):
        """The first questions may have been asked before the wire was there, or carried."""
        return all(member["next_hop"] == "reachable" for pool in self.ask("show", "pools")["pools"]
                   for member in pool["members"])

    def stop(self):
        """Asks it to stop and returns its exit code; LabError if it does not."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(20)

    def ctl(self, *arguments, check=True):
        """weirctl for people: the finished process."""
        command = self.namespace.command(self.weirctl, "--socket", self.socket, *arguments)
        return run(command, timeout=CTL_SECONDS, check=check)

    def ask(self, *arguments):
        """weirctl --json: the answer."""
        said = self.ctl("--json", *arguments).stdout
        try:
            return json.loads(said)
        except ValueError as error:
            raise LabError(f"weirctl {' '.join(arguments)} is no JSON: {said!r}") from error

    def revision(self):
        return self.ask("show", "status")["revision"]

    def members(self, pool):
        """{name: member} of a pool."""
        pools = {each["name"]: each for each in self.ask("show", "pools")["pools"]}
        return {member["name"]: member for member in pools[pool]["members"]}

    def drops(self):
        """{reason: packets}, only what was dropped. Kernels around ask for each other and tell
        their multicast groups (RFC 3810) when they like, which nobody here listens to."""
        return {each["reason"]: each["packets"] for each in self.ask("show", "drops")["drops"]
                if each["packets"] and each["reason"] != "multicast-unjoined"}

    def reload(self, config=None, by="ctl"):
        """Changes to `config` by weirctl or by SIGHUP, and waits until it was taken over."""
        if config is not None:
            self.write(config)
        if by == "ctl":
            return self.ask("reload")
        before = self.revision()
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: self.revision() != before, 10, "a new revision after SIGHUP")
        return None
