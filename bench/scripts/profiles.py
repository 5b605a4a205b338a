"""The profiles of weir-pktgen, by the same options, for generators of others.

Those step the source port and the source address with each packet, both at once, so that a pair
comes again after the least common multiple of the two ranges: it is their product where they have
no common divisor, and the ranges are chosen so.
"""

import argparse
import ipaddress
import math

FCS = 4  # counted by sizes, as RFC 2544 does, and added by the device
SIZES_MIN = {4: 64, 6: 84}  # by version, as weir-pktgen has them
SIZE_MAX = 1518
IMIX = ((594, 4), (SIZE_MAX, 1))  # and seven of the least
FIRST_PORT = 1024
# The kernel's pktgen stops below its upper port, and ports have 16 bits.
PORTS_MAX = 65535 - FIRST_PORT
FLOWS_MAX = 1 << 24


class ProfileError(Exception):
    """What is asked for cannot be sent; the text says why."""


def spread(flows):
    """(ports, addresses) for at least so many flows, as few more as the rule allows."""
    addresses = -(-flows // PORTS_MAX)
    while True:
        ports = -(-flows // addresses)
        while ports <= PORTS_MAX and math.gcd(ports, addresses) != 1:
            ports += 1
        if ports <= PORTS_MAX:
            return ports, addresses
        addresses += 1


def size_or_imix(text):
    if text == "imix":
        return text
    size = int(text)
    if not SIZES_MIN[4] <= size <= SIZE_MAX:
        raise argparse.ArgumentTypeError(f"a size is {SIZES_MIN[4]} to {SIZE_MAX} bytes with FCS, "
                                         "or imix")
    return size


def flow_count(text):
    flows = int(text)
    if not 1 <= flows <= FLOWS_MAX:
        raise argparse.ArgumentTypeError(f"1 to {FLOWS_MAX} flows")
    return flows


def rate(text):
    """Packets a second, or None for as many as go."""
    if text == "max":
        return None
    unit = {"k": 1000, "M": 1000000}.get(text[-1:], 1)
    value = int(text[:-1] if unit > 1 else text) * unit
    if value < 1:
        raise argparse.ArgumentTypeError("a rate is at least 1 packet a second")
    return value


def parser(description):
    """The options that all generators share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--from", dest="source", required=True, type=ipaddress.ip_address,
                         metavar="ADDRESS", help="source of the first flow")
    options.add_argument("--to", required=True, type=ipaddress.ip_address, metavar="ADDRESS",
                         help="destination, of the same version")
    options.add_argument("--destination-mac", required=True, metavar="MAC",
                         help="of the device under test (weirctl show ports)")
    options.add_argument("--port", type=int, default=9, help="destination port (9)")
    options.add_argument("--flows", type=flow_count, default=1, help="source ports, then addresses")
    options.add_argument("--size", type=size_or_imix, metavar="N|imix",
                         help="bytes of a frame with FCS (the least: 64, over IPv6 84)")
    options.add_argument("--syn", action="store_true", help="TCP SYN instead of UDP")
    options.add_argument("--rate", type=rate, default=1000, metavar="N|max",
                         help="packets a second; k and M are understood (1k)")
    options.add_argument("--seconds", type=int, default=10, help="of a trial (10)")
    return options


class Profile:
    def __init__(self, arguments):
        self.source, self.to = arguments.source, arguments.to
        if self.source.version != self.to.version:
            raise ProfileError("--from and --to are addresses of the same version")
        self.mac, self.port = arguments.destination_mac, arguments.port
        self.least = SIZES_MIN[self.source.version]
        self.size, self.syn = arguments.size or self.least, arguments.syn
        self.rate, self.seconds = arguments.rate, arguments.seconds
        if self.syn and self.size == "imix":
            raise ProfileError("--syn takes no imix: SYNs are small")
        if self.size != "imix" and self.size < self.least:
            raise ProfileError(f"--size is at least {self.least} over IPv6")
        self.ports, self.addresses = spread(arguments.flows)

    @property
    def last_source(self):
        return self.source + (self.addresses - 1)

    @property
    def flows(self):
        return self.ports * self.addresses

    def mix(self):
        """[(size with FCS, how many of a mix)]."""
        if self.size != "imix":
            return [(self.size, 1)]
        return [(self.least, 7), *IMIX]
