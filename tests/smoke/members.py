"""What a member needs to answer for a virtual address itself: direct return and tunnels.
docs/members.md tells operators the same."""

import os

# How the kernel takes a kind of tunnel off, where it has the devices: for the member's own IPv4 and
# IPv6 address, name, type and options.
KERNEL_DEVICES = {
    "ipip": (("decap4", "ipip", ()), ("decap6", "ip6tnl", ("mode", "ip6ip6", "remote", "::"))),
    "gre": (("decap4", "gre", ()), ("decap6", "ip6gre", ("remote", "::"))),
}


def take_vip(namespace, *addresses):
    """Puts virtual addresses on the loopback, and keeps them quiet on the wire: only the appliance
    may answer ARP for them. IPv6 answers only for addresses of the interface asked on anyway."""
    for scope in ("all", "default"):
        namespace.sysctl(f"net.ipv4.conf.{scope}.arp_ignore=1",
                         f"net.ipv4.conf.{scope}.arp_announce=2",
                         f"net.ipv4.conf.{scope}.rp_filter=0")
    for address in addresses:
        namespace.address("lo", address + ("/128" if ":" in address else "/32"))


def start_decapsulator(namespace, address4, address6, kind="ipip"):
    """Takes tunnelled packets to a member apart. Returns what does it, for the test to say."""
    devices = KERNEL_DEVICES[kind]
    if all(namespace.can(device) for _, device, _ in devices):
        for (name, device, options), local in zip(devices, (address4, address6)):
            namespace.ip("link", "add", name, "type", device, "local", local, *options)
        names = [name for name, _, _ in devices]
        which = f"the kernel's {' and '.join(device for _, device, _ in devices)} devices"
    else:
        process = namespace.python("decap", "decap.py", "decap0")
        process.wait_for_words("ready")
        names, which = ["decap0"], "tests/smoke/programs/decap.py"
    for name in names:
        namespace.ip("link", "set", name, "up")
        # The inner source is the client, which is reached another way.
        namespace.sysctl(f"net.ipv4.conf.{name}.rp_filter=0")
    return which


def start_weir_member(namespace, build):
    """Takes GUE apart as members of a pool with a second chance do."""
    process = namespace.start("weir-member", os.path.join(build, "member/weir-member"))
    process.wait_for_words("ready")
    return process
