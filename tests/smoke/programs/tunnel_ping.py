"""tunnel_ping.py SOURCE VIP MEMBER PROTOCOL: an echo request from SOURCE to VIP, sent to MEMBER in
an outer IP header (PROTOCOL 4 or 41); prints "answered" when VIP replies."""

import ipaddress
import socket
import struct
import sys

TTL = 64


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request4(source, destination):
    echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + b"weir"
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), 1, 0, TTL, socket.IPPROTO_ICMP,
                         0, source.packed, destination.packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + echo


def request6(source, destination):
    echo = struct.pack("!BBHHH", 128, 0, 0, 1, 1) + b"weir"
    pseudo = source.packed + destination.packed + struct.pack("!II", len(echo),
                                                              socket.IPPROTO_ICMPV6)
    echo = echo[:2] + struct.pack("!H", checksum(pseudo + echo)) + echo[4:]
    return struct.pack("!IHBB", 6 << 28, len(echo), socket.IPPROTO_ICMPV6, TTL) + \
        source.packed + destination.packed + echo


def main():
    source, vip = (ipaddress.ip_address(text) for text in sys.argv[1:3])
    member, protocol = sys.argv[3], int(sys.argv[4])
    if vip.version == 4:
        family, icmp, request, reply_type, offset = socket.AF_INET, socket.IPPROTO_ICMP, \
            request4(source, vip), 0, 20
    else:
        family, icmp, request, reply_type, offset = socket.AF_INET6, socket.IPPROTO_ICMPV6, \
            request6(source, vip), 129, 0
    replies = socket.socket(family, socket.SOCK_RAW, icmp)
    replies.settimeout(5)
    outer = socket.socket(family, socket.SOCK_RAW, protocol)
    outer.sendto(request, (member, 0))
    while True:
        packet, peer = replies.recvfrom(2048)
        if peer[0] == str(vip) and packet[offset] == reply_type:
            print("answered")
            return


if __name__ == "__main__":
    main()
