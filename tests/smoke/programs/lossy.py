"""lossy.py ONE OTHER PERCENT SEED: a wire between two interfaces that loses so many frames in a
hundred, doubles a tenth of that, and lets a tenth be overtaken by the next. The same seed does the
same to the same frames. Prints "ready" when it stands, and at the end what it did.
"""

import json
import random
import select
import signal
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1
PACKET_OUTGOING = 4
ROOM = 1 << 22


def opened(interface):
    opened_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened_socket.bind((interface, ETH_P_ALL))
    opened_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    promiscuous = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
    opened_socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
    return opened_socket


def main():
    one, other = opened(sys.argv[1]), opened(sys.argv[2])
    share, chance = float(sys.argv[3]) / 100, random.Random(int(sys.argv[4]))
    across = {one: other, other: one}
    overtaken = {one: [], other: []}
    counts = {"passed": 0, "lost": 0, "doubled": 0, "overtaken": 0}

    def tell(*_):
        print(json.dumps(counts), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, tell)
    print("ready", flush=True)
    while True:
        for ready in select.select([one, other], [], [])[0]:
            frame, (_, _, kind, _, _) = ready.recvfrom(65536)
            if kind == PACKET_OUTGOING:
                continue
            drawn = chance.random()
            if drawn < share:
                counts["lost"] += 1
                continue
            waiting = overtaken[ready]
            if drawn < share * 1.1 and not waiting:
                counts["overtaken"] += 1
                waiting.append(frame)
                continue
            counts["passed"] += 1
            across[ready].send(frame)
            if drawn > 1 - share * 0.1:
                counts["doubled"] += 1
                across[ready].send(frame)
            while waiting:
                across[ready].send(waiting.pop())


if __name__ == "__main__":
    main()
