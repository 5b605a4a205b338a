"""Clients that a test runs in the client's namespace. Each prints one JSON object.

    client.py downloads COUNT HOST PORT PATH [GATE]
        COUNT downloads at once, each over its own connection: {"ok", "failed", "sha256", "served"}.
        Until the file GATE exists they take only SIP_BYTES every SIP_SECONDS; the file GATE.begun
        appears when all of them have begun.
    client.py udp COUNT HOST PORT [SIZE]
        COUNT datagrams, each from a socket of its own: {"answered": {name: count}, "lost"}
    client.py path_mtu COUNT HOST PORT SIZE
        COUNT datagrams that are never fragmented: {"mtu", "refused": {error: count}}
    client.py spray COUNT HOST PORT
        COUNT datagrams, each from a socket of its own, no answer awaited: {"sent"}
    client.py converse COUNT HOST PORT
        COUNT datagrams, each from a socket of its own, some at a time, and another one from each
        that was answered: {"answered"}
    client.py connect COUNT HOST PORT
        COUNT connections, one request each, one after the other: {"answered": {name: count},
        "failed"}
    client.py upload BYTES HOST PORT
        so many bytes to an echo server, all of which must come back: {"back"}
    client.py greet COUNT HOST PORT BYTES
        COUNT connections at once to a greeter, so many bytes over each: {"right", "failed"}. Right
        is who is greeted with its own address and port, and HOST and PORT, and told what it sent.
    client.py trickle 0 HOST PORT
        a few requests a second until it is ended: nothing is printed
    client.py hold COUNT HOST PORT FILE tcp|udp SECONDS
        COUNT connections (or UDP sockets) to an echo server, kept open; a line is sent over each
        whenever FILE's content changes, until it is "end": {"rounds", "lines", "failed"}. An answer
        of another server than at first is a failure, and so is none in SECONDS.
"""

import collections
import errno
import hashlib
import http.client
import json
import os
import select
import socket
import sys
import threading
import time

TIMEOUT_SECONDS = 30
CONVERSE_AT_ONCE = 64
CONVERSE_SECONDS = 1
SIP_BYTES, SIP_SECONDS = 2048, 0.1
SIP_BUFFER = 65536  # of the socket: what is not taken stays with the server


def bracketed(host):
    return f"[{host}]" if ":" in host else host


def open_tcp(host, port, buffer_bytes=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    if buffer_bytes:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    opened.settimeout(TIMEOUT_SECONDS)
    opened.connect((host, port))
    return opened


class Gate:
    """What downloads wait for, and who waits for them to begin."""

    def __init__(self, path):
        self.path = path
        self.begun = threading.Semaphore(0)

    def take(self, response):
        """Some of it: little and late while the gate is shut."""
        if os.path.exists(self.path):
            return response.read(65536)
        time.sleep(SIP_SECONDS)
        return response.read(SIP_BYTES)

    def tell_when_begun(self, count):
        for _ in range(count):
            self.begun.acquire()
        with open(self.path + ".begun", "w", encoding="ascii"):
            pass


def fetch(host, port, path, results, index, gate=None):
    """One whole download; the result is (served by, sha256, bytes) or the error's words."""
    try:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        if gate:
            connection.sock = open_tcp(host, port, SIP_BUFFER)
        connection.request("GET", path, headers={"Host": bracketed(host), "Connection": "close"})
        response = connection.getresponse()
        if gate:
            gate.begun.release()
        digest = hashlib.sha256()
        size = 0
        while block := gate.take(response) if gate else response.read(65536):
            digest.update(block)
            size += len(block)
        if response.status != 200:
            raise OSError(f"HTTP status {response.status}")
        if size != int(response.headers["Content-Length"]):
            raise OSError(f"{size} bytes of {response.headers['Content-Length']}")
        results[index] = (response.headers["X-Served-By"], digest.hexdigest(), size)
    except (OSError, http.client.HTTPException) as error:
        results[index] = f"{type(error).__name__}: {error}"


def downloads(count, host, port, path, gate=None):
    gate = Gate(gate) if gate else None
    results = [None] * count
    threads = [threading.Thread(target=fetch, args=(host, port, path, results, index, gate))
               for index in range(count)]
    for thread in threads:
        thread.start()
    if gate:
        gate.tell_when_begun(count)
    for thread in threads:
        thread.join()
    good = [result for result in results if isinstance(result, tuple)]
    return {"ok": len(good),
            "failed": [result for result in results if not isinstance(result, tuple)],
            "sha256": sorted({result[1] for result in good}),
            "served": collections.Counter(result[0] for result in good)}


def udp(count, host, port, size=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    answered, lost = collections.Counter(), 0
    for index in range(count):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect((host, port))
            sent = b"%d" % index + b"x" * (int(size) or index % 1200)
            client.send(sent)
            try:
                name, _, payload = client.recv(65536).partition(b" ")
            except OSError:
                lost += 1
                continue
            answered[name.decode() if payload == sent else "corrupted"] += 1
    return {"answered": answered, "lost": lost}


def path_mtu(count, host, port, size):
    """Like ping -M do: never fragmented. What the kernel has learned by then, and what it said."""
    v6 = ":" in host
    level, discover, do, mtu = ((socket.IPPROTO_IPV6, 23, 2, 24) if v6 else
                                (socket.IPPROTO_IP, 10, 2, 14))
    refused = collections.Counter()
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(level, discover, do)
        client.settimeout(2)
        client.connect((host, port))
        for _ in range(count):
            try:
                client.send(b"x" * int(size))
                client.recv(65536)
            except TimeoutError:
                refused["timeout"] += 1
            except OSError as error:
                refused[errno.errorcode[error.errno]] += 1
        return {"mtu": client.getsockopt(level, mtu), "refused": refused}


def spray(count, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(count):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"spray", (host, port))
        time.sleep(0.0005)
    return {"sent": count}


def converse(count, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    answered = 0
    for first in range(0, count, CONVERSE_AT_ONCE):
        clients = [socket.socket(family, socket.SOCK_DGRAM)
                   for _ in range(first, min(first + CONVERSE_AT_ONCE, count))]
        for client in clients:
            client.sendto(b"first", (host, port))
        deadline = time.monotonic() + CONVERSE_SECONDS
        waiting = set(clients)
        while waiting and time.monotonic() < deadline:
            ready, _, _ = select.select(list(waiting), [], [], CONVERSE_SECONDS)
            for client in ready:
                client.recv(64)
                client.sendto(b"second", (host, port))
            waiting.difference_update(ready)
        answered += len(clients) - len(waiting)
        for client in clients:
            client.close()
    return {"answered": answered}


def connect(count, host, port):
    answered, failed = collections.Counter(), []
    for _ in range(count):
        results = [None]
        fetch(host, port, "/", results, 0)
        if isinstance(results[0], tuple):
            answered[results[0][0]] += 1
        else:
            failed.append(results[0])
    return {"answered": answered, "failed": failed}


def upload(size, host, port):
    connection = socket.create_connection((host, port), TIMEOUT_SECONDS)
    connection.settimeout(TIMEOUT_SECONDS)
    sender = threading.Thread(target=connection.sendall, args=(b"x" * size,), daemon=True)
    sender.start()
    back = 0
    while back < size:
        block = connection.recv(65536)
        if not block:
            break
        back += block.count(b"x")  # the server's name stands before each piece
    return {"back": back}


def line_of(connection):
    line = b""
    while not line.endswith(b"\n"):
        more = connection.recv(4096)
        if not more:
            raise OSError(f"closed after {line!r}")
        line += more
    return line.decode().split()


def greeted(host, port, size, results, index):
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            address, own_port = connection.getsockname()[:2]
            greeting, expected = line_of(connection), [address, str(own_port), host, str(port)]
            data = os.urandom(size)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            told, sent = line_of(connection), [str(size), hashlib.sha256(data).hexdigest()]
            if greeting != expected or told != sent:
                raise OSError(f"greeted {greeting}, told {told}, not {expected}, {sent}")
    except OSError as error:
        results[index] = f"{type(error).__name__}: {error}"


def greet(count, host, port, size):
    results = [None] * count
    threads = [threading.Thread(target=greeted, args=(host, port, int(size), results, index))
               for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"right": results.count(None), "failed": [result for result in results if result]}


def trickle(_, host, port):
    while True:
        fetch(host, port, "/", [None], 0)
        time.sleep(0.2)


def open_held(host, port, protocol):
    if protocol == "tcp":
        return open_tcp(host, port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_DGRAM)
    held.connect((host, port))
    return held


class Held:
    """A connection that is kept open, and which server answered on it."""

    def __init__(self, index, connection):
        self.index, self.connection = index, connection
        self.server = self.sent = self.error = None

    def send(self, number):
        self.sent = f"{self.index}-{number}".encode()
        self.error = None
        try:
            self.connection.sendall(self.sent)
        except OSError as error:
            self.error = error

    def receive(self, deadline):
        """The name of who answered; OSError if it is not what should come."""
        if self.error:
            raise self.error
        self.connection.settimeout(max(deadline - time.monotonic(), 0.001))
        name, _, payload = self.connection.recv(4096).partition(b" ")
        if payload != self.sent:
            raise OSError(f"sent {self.sent!r}, got {payload!r}")
        if self.server not in (None, name):
            raise OSError(f"{name!r} answered, and {self.server!r} at first")
        self.server = name
        return name.decode()


def hold(count, host, port, path, protocol, seconds):
    every = [Held(index, open_held(host, port, protocol)) for index in range(count)]
    names = collections.Counter()
    failed, rounds, lines, said = [], 0, 0, None
    while said != "end":
        with open(path, encoding="ascii") as file:
            order = file.read().strip()
        if order == said:
            time.sleep(0.02)
            continue
        said = order
        rounds += 1
        for held in every:
            held.send(rounds)
        deadline = time.monotonic() + float(seconds)
        for held in every:
            try:
                names[held.receive(deadline)] += 1
                lines += 1
            except OSError as error:
                failed.append(f"{held.index}: {type(error).__name__}: {error}")
        with open(path + ".done", "w", encoding="ascii") as file:
            file.write(said)
        os.replace(path + ".done", path + ".answered")
    return {"rounds": rounds, "lines": lines, "failed": failed, "answered": names}


def main():
    what, count, host, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    actions = {"downloads": downloads, "udp": udp, "path_mtu": path_mtu, "spray": spray,
               "converse": converse, "connect": connect, "trickle": trickle, "hold": hold,
               "upload": upload, "greet": greet}
    print(json.dumps(actions[what](count, host, port, *sys.argv[5:])))


if __name__ == "__main__":
    main()
