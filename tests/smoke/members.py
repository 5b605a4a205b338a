"""What a member needs to answer for a virtual address itself: direct return and IP in IP."""


def take_vip(namespace, *addresses):
    """Puts virtual addresses on the loopback, and keeps them quiet on the wire: only the appliance
    may answer ARP for them. IPv6 answers only for addresses of the interface asked on anyway."""
    for scope in ("all", "default"):
        namespace.sysctl(f"net.ipv4.conf.{scope}.arp_ignore=1",
                         f"net.ipv4.conf.{scope}.arp_announce=2",
                         f"net.ipv4.conf.{scope}.rp_filter=0")
    for address in addresses:
        namespace.address("lo", address + ("/128" if ":" in address else "/32"))


def start_decapsulator(namespace, address4, address6):
    """Takes tunnelled packets to a member apart. Returns what does it, for the test to say."""
    if namespace.can("ipip") and namespace.can("ip6tnl"):
        namespace.ip("link", "add", "decap4", "type", "ipip", "local", address4)
        namespace.ip("link", "add", "decap6", "type", "ip6tnl", "mode", "ip6ip6",
                     "local", address6, "remote", "::")
        devices, which = ("decap4", "decap6"), "the kernel's ipip and ip6tnl devices"
    else:
        process = namespace.python("decap", "decap.py", "decap0")
        process.wait_for_words("ready")
        devices, which = ("decap0",), "tests/smoke/programs/decap.py"
    for device in devices:
        namespace.ip("link", "set", device, "up")
        # The inner source is the client, which is reached another way.
        namespace.sysctl(f"net.ipv4.conf.{device}.rp_filter=0")
    return which
