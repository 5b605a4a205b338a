"""The lab: network namespaces, the wires between them and the processes in them.

Both the smoke tests and the demonstration (tools/demo) build their networks from this. A Lab is a
context manager: what was made through it is gone when it ends, also after an exception. It ends
only processes that it started, by process id, and removes only namespaces that it made; interfaces
live in those namespaces and go with them. Nothing is changed outside.
"""

import atexit
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 3  # a wait may last so many times what it says: on a busy machine, under a sanitizer
STOP_SECONDS = 10  # what a process gets between SIGTERM and SIGKILL
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
PYTHON = "/usr/bin/python3"
EVERY_FRAME = "1,6 0 0 4294967295"  # a program of one instruction for tc-bpf(8): all of it matches
NETNS = "/run/netns"  # where `ip netns` keeps namespaces


class LabError(Exception):
    """The lab cannot be built; the text says what and why."""


def unavailable():
    """Why this machine cannot hold a lab, or None."""
    if os.geteuid() != 0:
        return "not root: network namespaces cannot be made"
    for program in ("ip", "ethtool", "curl", "nginx"):
        if find_program(program) is None:
            return f"{program} is not installed (tools/install-packages does that)"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun: the kernel has no TUN/TAP"
    made = run(["unshare", "--net", "--mount", "true"], check=False)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    return None


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def sweep():
    """Removes what labs left whose process was killed before it could: namespaces named after a
    process that is gone, and in which nothing runs."""
    for name in run(["ip", "netns", "list"]).stdout.split():
        match = re.fullmatch(r"weir(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match.group(1)}") and not pids_in(name):
            run(["ip", "netns", "delete", name], check=False)


def has_netns_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == NETNS for line in file)


def remove_netns_mount():
    """Undoes what the first `ip netns add` of a machine makes, if nobody else uses it by now."""
    if not os.listdir(NETNS) and run(["umount", NETNS], check=False).returncode == 0:
        os.rmdir(NETNS)


def pids_in(namespace):
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace], check=False).stdout.split()]


def has_af_xdp():
    """Whether the kernel has AF_XDP sockets."""
    try:
        socket.socket(getattr(socket, "AF_XDP", 44), socket.SOCK_RAW, 0).close()
        return True
    except OSError:
        return False


def run(command, timeout=30, check=True, **options):
    """Runs a command to its end; an error carries the command's own words."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * timeout,
                          check=False, stdin=subprocess.DEVNULL, **options)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(command)}: exit {done.returncode}: {said}")
    return done


def wait_until(condition, seconds, what):
    """Polls until the condition holds and returns its value; LabError names what did not come."""
    deadline = time.monotonic() + PATIENCE * seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {PATIENCE * seconds} s in vain for {what}")
        time.sleep(0.02)


def die_with_parent():
    """In a child: SIGTERM when the lab's process is gone, however it went (prctl(2))."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Process:
    """A process that the lab started, its output kept in a file."""

    def __init__(self, name, command, output):
        self.name = name
        self.output = output
        with open(output, "ab") as file:
            # A session of its own: Ctrl-C at the terminal reaches the lab, which ends it in order.
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,
                                          stderr=subprocess.STDOUT, start_new_session=True,
                                          preexec_fn=die_with_parent)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def said(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for_words(self, words, seconds=20):
        """Waits until its output holds `words`; tells what it said if it ends before."""
        def there():
            if words in self.said():
                return True
            if not self.running():
                raise LabError(f"{self.name} ended with {self.popen.returncode} before it said "
                               f"{words!r}:\n{self.said()}")
            return False
        wait_until(there, seconds, f"{words!r} from {self.name}, which said:\n{self.said()}")

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, seconds):
        try:
            return self.popen.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{self.name} still runs after {PATIENCE * seconds} s") from late

    def stop(self):
        """SIGTERM, and SIGKILL for what does not listen. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self.popen.wait()


class Namespace:
    """A network namespace; commands run in it, links are made into it."""

    def __init__(self, lab, short, name):
        self.lab = lab
        self.short = short
        self.name = name
        run(["ip", "netns", "add", name])

    def prepare(self):
        """Addresses work at once (no duplicate detection), and nothing speaks unasked."""
        self.ip("link", "set", "lo", "up")
        for key in ("accept_dad=0", "dad_transmits=0", "accept_ra=0", "router_solicitations=0"):
            for scope in ("all", "default"):
                self.sysctl(f"net.ipv6.conf.{scope}.{key}")

    def command(self, *arguments):
        return ["ip", "netns", "exec", self.name, *arguments]

    def ip(self, *arguments, check=True):
        return run(["ip", "-n", self.name, *arguments], check=check)

    def run(self, *arguments, timeout=30, check=True):
        return run(self.command(*arguments), timeout=timeout, check=check)

    def start(self, name, *arguments):
        """Starts a process that lives until the lab stops it."""
        return self.lab.start(f"{self.short}-{name}", self.command(*arguments))

    def python(self, name, program, *arguments):
        """Starts one of tests/smoke/programs."""
        return self.start(name, PYTHON, "-B", os.path.join(PROGRAMS, program), *arguments)

    def run_python(self, program, *arguments, timeout=60, check=True):
        return self.run(PYTHON, "-B", os.path.join(PROGRAMS, program), *arguments,
                        timeout=timeout, check=check)

    def sysctl(self, *settings):
        self.run("sysctl", "-q", "-w", *settings)

    def silence(self, interface="default"):
        """The kernel says nothing of its own by it (to IPv6 multicast groups: RFC 3810)."""
        self.sysctl(f"net.ipv6.conf.{interface}.disable_ipv6=1")

    def address(self, interface, *prefixes):
        for prefix in prefixes:
            nodad = ["nodad"] if ":" in prefix else []
            self.ip("address", "add", prefix, "dev", interface, *nodad)

    def join_vlan(self, interface, vlan):
        """The interface's frames are tagged from now on: by a VLAN device that takes its name, or
        where the kernel has none by programs/vlan.py. Before it gets addresses."""
        trunk = f"{interface}-trunk"[:15]
        self.ip("link", "set", interface, "down")
        self.ip("link", "set", interface, "name", trunk)
        made = self.ip("link", "add", "link", trunk, "name", interface, "type", "vlan", "id",
                       str(vlan), check=False)
        if made.returncode == 0:
            self.silence(trunk)
            self.ip("link", "set", trunk, "up")
        else:
            self.ip("link", "set", trunk, "name", interface)
            self.python("vlan", "vlan.py", interface, str(vlan)).wait_for_words("ready")
        self.ip("link", "set", interface, "up")

    def gateway(self, *routers):
        for router in routers:
            self.ip("-6" if ":" in router else "-4", "route", "add", "default", "via", router)

    def interfaces(self):
        said = self.ip("-o", "link", "show").stdout
        return [line.split(": ")[1].split("@")[0] for line in said.splitlines()]

    def join(self, one, other):
        """What comes in by one of two interfaces leaves by the other, whoever it is for: a bridge
        would keep what is for its interfaces' own addresses."""
        for came_by, leaves_by in ((one, other), (other, one)):
            self.run("tc", "qdisc", "add", "dev", came_by, "clsact")
            self.run("tc", "filter", "add", "dev", came_by, "ingress", "protocol", "all", "bpf",
                     "bytecode", EVERY_FRAME, "action", "mirred", "egress", "redirect", "dev",
                     leaves_by)

    def can(self, kind):
        """Whether the kernel can make devices of a kind ("ipip")."""
        made = self.ip("link", "add", "probe0", "type", kind, "local", "127.0.0.1", check=False)
        if made.returncode == 0:
            self.ip("link", "delete", "probe0", check=False)
        return made.returncode == 0


class Lab:
    """A set of namespaces whose names begin with `prefix`, a scratch folder, and processes."""

    def __init__(self, prefix, folder=None):
        self.prefix = prefix
        self.namespaces = []
        self.processes = []
        self.started = 0
        self.found_netns_mount = has_netns_mount()
        if folder:
            os.mkdir(folder)
        self.folder = folder or tempfile.mkdtemp(prefix=f"{prefix}-")
        os.chmod(self.folder, 0o755)
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, short):
        namespace = Namespace(self, short, f"{self.prefix}-{short}")
        self.namespaces.append(namespace)
        namespace.prepare()
        return namespace

    def wire(self, one, one_name, other, other_name, queues=1):
        """A veth pair between two namespaces, both ends up.

        Offloads are off: veth would hand over packets with unfinished checksums and super-frames,
        which a kernel forgives and a packet plane does not see through, and VLAN tags beside the
        frame instead of in it.
        """
        count = ("numrxqueues", str(queues), "numtxqueues", str(queues))
        run(["ip", "link", "add", one_name, "netns", one.name, *count, "type", "veth",
             "peer", "name", other_name, "netns", other.name, *count])
        for end, name in ((one, one_name), (other, other_name)):
            end.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
                    "txvlan", "off")
            end.ip("link", "set", name, "up")

    def segment(self, short):
        """A namespace that holds one bridge, `lan`: an Ethernet segment of its own."""
        namespace = self.namespace(short)
        namespace.silence()
        make_bridge(namespace, "lan")
        return namespace

    def plug(self, segment, namespace, name):
        """Connects a namespace to a segment by an interface of that name."""
        far = f"to-{namespace.short}"[:15]
        self.wire(namespace, name, segment, far)
        segment.ip("link", "set", far, "master", "lan")

    def start(self, name, command):
        self.started += 1
        output = os.path.join(self.folder, f"{name}-{self.started}.out")
        process = Process(name, command, output)
        self.processes.append(process)
        return process

    def path(self, name):
        return os.path.join(self.folder, name)

    def stop_since(self, count):
        """Stops what was started after the first `count` processes."""
        later, self.processes = self.processes[count:], self.processes[:count]
        for process in reversed(later):
            process.signal(signal.SIGTERM)
        for process in reversed(later):
            process.stop()

    def close(self):
        """Undoes everything. Safe to call twice. Returns what had to be killed."""
        self.stop_since(0)
        # What the lab's own processes started and left behind still sits in its namespaces.
        left = [pid for namespace in self.namespaces for pid in pids_in(namespace.name)]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for namespace in reversed(self.namespaces):
            run(["ip", "netns", "delete", namespace.name], check=False)
        self.namespaces = []
        if not self.found_netns_mount and has_netns_mount():
            remove_netns_mount()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)
        return left


def make_bridge(namespace, name):
    """A bridge that forwards at once and snoops nothing: neighbour discovery is multicast."""
    namespace.ip("link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0",
                 "mcast_snooping", "0")
    namespace.silence(name)
    namespace.ip("link", "set", name, "up")
