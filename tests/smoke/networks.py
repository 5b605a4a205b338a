"""The networks that tests and the demonstration stand in.

Routed, two ports, for NAT: members' replies come back through the appliance.

    client .10 ---- front 10.1.0.0/24 ---- .1 appliance .1 ---- back 10.2.0.0/24 ---- .11 .12 ...
                    fd00:1::/64                                 fd00:2::/64           members

One arm, one port, for direct return and IP in IP: all are neighbours, members answer the client
themselves.

    client .10, appliance .1, members .11 .12 ...: all on 10.3.0.0/24, fd00:3::/64

Trunk, the same networks as VLANs 5 and 6 of one device.

    client .10 ---- front, VLAN 5 --+== .1 appliance, one wire
    members .11 ... back, VLAN 6 ---+

Bonded, the same as Routed, but that the clients' port is two TAP devices, each joined to a wire.

    client .10 ---- front --+== .1 appliance .1 ---- back ---- members

Far, two ports, for FullNAT: members' router is their own, and knows no way to the clients.

    client .10 -- front 10.1.0.0/24 -- .1 appliance .1 -- back 10.2.0.0/24 -- .254 router .1 --
        10.4.0.0/24 -- .11 .12 ... members
"""

from plane import device, node

FRONT, BACK = "weir-front", "weir-back"
FIRST_MEMBER = 11


def address(network, host, version=4):
    """Host of network 1, 2 or 3: address(2, 11, 6) is "fd00:2::11"."""
    return f"10.{network}.0.{host}" if version == 4 else f"fd00:{network}::{host}"


def prefixes(network, host):
    return f"10.{network}.0.{host}/24", f"fd00:{network}::{host}/64"


def vip(name, host, port, protocol, pool):
    """An entry of `vips`; echo has no port, which is None."""
    at = {} if port is None else {"port": port}
    return {"name": name, "address": host, **at, "protocol": protocol, "pool": pool}


class Network:
    """The namespaces: `client`, `plane`, `members` by name, and the interfaces of the ports."""

    def __init__(self, lab, members, back):
        self.lab = lab
        self.back = back  # number of the members' network
        self.client = lab.namespace("client")
        self.plane = lab.namespace("plane")
        self.lan = lab.segment("lan")
        self.members = {}
        for index in range(members):
            name = f"s{index + 1}"
            member = lab.namespace(name)
            self.plug(member, "eth0", back)
            member.address("eth0", *prefixes(back, FIRST_MEMBER + index))
            self.members[name] = member

    def plug(self, namespace, interface, _network):
        self.lab.plug(self.lan, namespace, interface)

    def member_address(self, name, version=4):
        host = FIRST_MEMBER + list(self.members).index(name)
        return address(self.back, host, version)

    def configuration(self, driver, port=None, **node_changes):
        """A configuration without services. `port` adds keys to the clients' port."""
        return {"node": node(**node_changes), "ports": self.ports(driver, **(port or {})),
                "pools": [], "vips": []}

    def serve(self, config, name, port, protocol="tcp", names=None, **pool):
        """Adds a service in both versions to a configuration: pools and vips NAME4 and NAME6."""
        for version in (4, 6):
            full = f"{name}{version}"
            config["pools"].append({"name": full, **pool,
                                    "members": self.pool_members(version, names)})
            config["vips"].append(vip(full, self.vip[version], port, protocol, full))
        return config

    def pool_members(self, version=4, names=None, **common):
        """The `members` of a pool."""
        return [{"name": name, "address": self.member_address(name, version), **common}
                for name in (names or self.members)]


class Routed(Network):
    vip = {4: address(1, 100), 6: address(1, 100, 6)}

    def __init__(self, lab, members=2, queues=1):
        super().__init__(lab, members, back=2)
        self.wires = [FRONT, BACK]
        lab.wire(self.client, "eth0", self.plane, FRONT, queues)
        self.client.address("eth0", *prefixes(1, 10))
        lab.plug(self.lan, self.plane, BACK)
        self.client.gateway(address(1, 1), address(1, 1, 6))
        for member in self.members.values():
            member.gateway(address(2, 1), address(2, 1, 6))

    def ports(self, driver, **more):
        return [{"name": "front", "device": device(driver, 0, FRONT),
                 "addresses": list(prefixes(1, 1)), **more},
                {"name": "back", "device": device(driver, 1, BACK),
                 "addresses": list(prefixes(2, 1))}]


class Trunk(Network):
    vip = Routed.vip
    vlan = {1: 5, 2: 6}  # by network

    def __init__(self, lab, members=2):
        super().__init__(lab, members, back=2)
        self.wires = [FRONT]
        self.plug(self.client, "eth0", 1)
        self.client.address("eth0", *prefixes(1, 10))
        lab.plug(self.lan, self.plane, FRONT)
        self.client.gateway(address(1, 1), address(1, 1, 6))
        for member in self.members.values():
            member.gateway(address(2, 1), address(2, 1, 6))

    def plug(self, namespace, interface, network):
        super().plug(namespace, interface, network)
        namespace.join_vlan(interface, self.vlan[network])

    def ports(self, driver, **more):
        trunk = device(driver, 0, FRONT)
        return [{"name": "front", "device": trunk, "vlan": self.vlan[1],
                 "addresses": list(prefixes(1, 1)), **more},
                {"name": "back", "device": trunk, "vlan": self.vlan[2],
                 "addresses": list(prefixes(2, 1))}]


class Bonded(Network):
    vip = Routed.vip
    fronts = [f"{FRONT}{number}" for number in range(2)]
    taps = [f"weir-tap{number}" for number in range(2)]

    def __init__(self, lab, members=1):
        super().__init__(lab, members, back=2)
        self.wires = [BACK]
        self.access = lab.segment("access")
        lab.plug(self.access, self.client, "eth0")
        self.client.address("eth0", *prefixes(1, 10))
        for name in self.fronts:
            far = f"to-{name}"[:15]
            lab.wire(self.plane, name, self.access, far)
            self.access.ip("link", "set", far, "master", "lan")
        lab.plug(self.lan, self.plane, BACK)
        self.client.gateway(address(1, 1), address(1, 1, 6))
        for member in self.members.values():
            member.gateway(address(2, 1), address(2, 1, 6))

    def join_wires(self):
        """Once the data plane has made its TAP devices."""
        for tap, wire in zip(self.taps, self.fronts):
            self.plane.join(tap, wire)

    def ports(self, driver, **more):
        return [bond_port("front", "active-backup", self.taps, list(prefixes(1, 1)), **more),
                {"name": "back", "device": device(driver, 1, BACK),
                 "addresses": list(prefixes(2, 1))}]


def bond_port(name, mode, taps, addresses, **more):
    """A port of TAP devices."""
    members = [f"net_tap{8 + number},iface={tap}" for number, tap in enumerate(taps)]
    return {"name": name, "device": "net_bonding0", "bond": {"mode": mode, "members": members},
            "addresses": addresses, **more}


class OneArm(Network):
    vip = {4: address(3, 100), 6: address(3, 100, 6)}

    def __init__(self, lab, members=2):
        super().__init__(lab, members, back=3)
        self.wires = [FRONT]
        lab.plug(self.lan, self.client, "eth0")
        self.client.address("eth0", *prefixes(3, 10))
        lab.plug(self.lan, self.plane, FRONT)

    def ports(self, driver, **more):
        return [{"name": "lan", "device": device(driver, 0, FRONT),
                 "addresses": list(prefixes(3, 1)), **more}]


class Far(Network):
    vip = {4: address(1, 100), 6: address(1, 100, 6)}
    crossing = address(1, 101, 6)  # its clients are of IPv6, its members of IPv4
    local = {4: address(2, 200), 6: address(2, 200, 6)}

    def __init__(self, lab, members=2, queues=1):
        super().__init__(lab, members, back=4)
        self.wires = [FRONT, BACK]
        lab.wire(self.client, "eth0", self.plane, FRONT, queues)
        self.client.address("eth0", *prefixes(1, 10))
        self.near = lab.segment("near")
        self.join_back()
        self.router = lab.namespace("router")
        lab.plug(self.near, self.router, "eth0")
        lab.plug(self.lan, self.router, "eth1")
        self.router.address("eth0", *prefixes(2, 254))
        self.router.address("eth1", *prefixes(4, 1))
        self.router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for member in self.members.values():
            member.gateway(address(4, 1), address(4, 1, 6))

    def join_back(self):
        self.lab.plug(self.near, self.plane, BACK)

    def serve_crossing(self, config, name, port, protocol="tcp"):
        """Serves what is served already from the members of its IPv4 pool to IPv6 clients."""
        config["vips"].append(vip(f"{name}64", self.crossing, port, protocol, f"{name}4"))

    def ports(self, driver, **more):
        return [{"name": "front", "device": device(driver, 0, FRONT),
                 "addresses": list(prefixes(1, 1)), **more},
                {"name": "back", "device": device(driver, 1, BACK),
                 "addresses": list(prefixes(2, 1)),
                 "gateway": [address(2, 254), address(2, 254, 6)],
                 "local-addresses": list(self.local.values())}]


class Lossy(Far):
    """The same, with a wire that loses frames between the appliance and the members' router."""

    def __init__(self, lab, percent, seed):
        self.percent, self.seed = percent, seed
        super().__init__(lab)

    def join_back(self):
        wire = self.lab.namespace("wire")
        self.lab.wire(wire, "one", self.plane, BACK)
        self.lab.plug(self.near, wire, "other")
        self.loss = wire.python("lossy", "lossy.py", "one", "other", str(self.percent),
                                str(self.seed))
        self.loss.wait_for_words("ready")
