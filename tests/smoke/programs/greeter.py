"""greeter.py ADDRESS PORT: a server that speaks first, and expects the PROXY protocol. As soon as
a connection's header is there it greets with who the client is, "ADDRESS PORT VIP PORT\\n"; then it
counts what comes to the end, and says "BYTES SHA-256\\n". What is no header gets "none\\n".
"""

import hashlib
import socket
import struct
import sys
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("cut short")
        data += more
    return data


def introduced(connection):
    head = exactly(connection, 16)
    family = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}.get(head[13])
    if head[:12] != SIGNATURE or head[12] != 0x21 or not family:
        return "none"
    rest = exactly(connection, struct.unpack("!H", head[14:])[0])
    size = family[1]
    client, vip = (socket.inet_ntop(family[0], rest[at:at + size]) for at in (0, size))
    return "%s %d %s %d" % ((client,) + struct.unpack("!H", rest[2 * size:2 * size + 2])
                            + (vip,) + struct.unpack("!H", rest[2 * size + 2:2 * size + 4]))


def serve(connection):
    with connection:
        try:
            connection.sendall(introduced(connection).encode() + b"\n")
            digest, size = hashlib.sha256(), 0
            while data := connection.recv(65536):
                digest.update(data)
                size += len(data)
            connection.sendall(f"{size} {digest.hexdigest()}\n".encode())
        except OSError as error:
            print(error, flush=True)


def main():
    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, backlog=1024,
                              dualstack_ipv6=family == socket.AF_INET6) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
