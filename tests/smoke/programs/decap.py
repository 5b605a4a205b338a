"""decap.py INTERFACE: takes IPv4 in IPv4 and IPv6 in IPv6 apart (RFC 2003, RFC 2473), and GRE
(RFC 2784) over either.

Stands in for the kernel's tunnel devices where there are none: raw sockets get what comes as IP
protocol 4, 41 and 47, and the inner packets go into a TUN device, by which the kernel takes them as
received. Prints "ready" when both stand.
"""

import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
PROTOCOL_IPV4 = 4
PROTOCOL_IPV6 = 41
PROTOCOL_GRE = 47
GRE_SIZE = 4  # without checksum and key


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def main():
    tun = open_tun(sys.argv[1])
    four = socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL_IPV4)
    six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL_IPV6)
    gre4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL_GRE)
    gre6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL_GRE)
    print("ready", flush=True)
    while True:
        for ready in select.select([four, six, gre4, gre6], [], [])[0]:
            packet = ready.recv(65536)
            # A raw IPv4 socket gives the outer header too, a raw IPv6 socket does not.
            inner = packet[(packet[0] & 15) * 4:] if ready in (four, gre4) else packet
            if ready in (gre4, gre6):
                if inner[:2] != b"\0\0":
                    print(f"GRE with flags: {inner[:4].hex()}", flush=True)
                    continue
                inner = inner[GRE_SIZE:]
            try:
                os.write(tun, inner)
            except OSError as error:
                print(f"refused by the kernel: {error}", flush=True)


if __name__ == "__main__":
    main()
