"""options.py PORT: what a server's kernel would find in segments to a port that make a connection:
prints "ADDRESS PORT" of each TOA option (kind 254) in one without SYN. Prints "ready" first.
"""

import select
import socket
import struct
import sys

KIND = 254
SYN = 2


def option_of(tcp):
    """The value of the first option of that kind, or None."""
    options = tcp[20:(tcp[12] >> 4) * 4]
    while options and options[0] != 0:
        size = 1 if options[0] == 1 else options[1]
        if options[0] == KIND:
            return options[2:size]
        options = options[size:]
    return None


def main():
    port = int(sys.argv[1])
    sockets = {socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP): family
               for family in (socket.AF_INET, socket.AF_INET6)}
    print("ready", flush=True)
    while True:
        for listener in select.select(list(sockets), [], [])[0]:
            packet = listener.recv(65536)
            # Of IPv4 a raw socket gets the IP header, too.
            tcp = packet[(packet[0] & 15) * 4:] if sockets[listener] == socket.AF_INET else packet
            value = option_of(tcp)
            if tcp[13] & SYN or struct.unpack("!H", tcp[2:4])[0] != port or value is None:
                continue
            family = {6: socket.AF_INET, 18: socket.AF_INET6}[len(value)]
            print(socket.inet_ntop(family, value[2:]), struct.unpack("!H", value[:2])[0],
                  flush=True)


if __name__ == "__main__":
    main()
