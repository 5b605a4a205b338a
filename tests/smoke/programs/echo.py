"""echo.py tcp|udp ADDRESS PORT NAME: sends back what comes, with NAME and a blank before it."""

import socket
import sys
import threading


def serve_udp(listener, name):
    while True:
        payload, client = listener.recvfrom(65536)
        listener.sendto(name + b" " + payload, client)


def serve_connection(connection, name):
    with connection:
        while payload := connection.recv(65536):
            connection.sendall(name + b" " + payload)


def main():
    protocol, address, port, name = sys.argv[1:5]
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((address, int(port)))
    if protocol == "udp":
        serve_udp(listener, name.encode())
    listener.listen(1024)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_connection, args=(connection, name.encode()),
                         daemon=True).start()


if __name__ == "__main__":
    main()
