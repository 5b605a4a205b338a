"""The servers behind the appliance: nginx with a configuration, a folder and a process of its own
(Debian's own nginx service is neither used nor touched), and small echo servers."""

import hashlib
import os
import random

from lab import find_program, run, wait_until

# root: workers must read a folder that only we may enter. The temporary paths keep nginx out of
# the machine's own folders.
NGINX_CONFIGURATION = """\
user root;
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    log_format clients "$proxy_protocol_addr $proxy_protocol_port $remote_addr";
    access_log {log};
    default_type application/octet-stream;
    server_tokens off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {ports} backlog=1024{listens};
        listen [::]:{ports} backlog=1024{listens};
        add_header X-Served-By {name} always;
        root {folder}/files;
        location = / {{ default_type text/plain; return 200 "{name}\\n"; }}
        location /files/ {{ alias {folder}/files/; }}
    }}
}}
"""

IPERF_PORT = 5201  # iperf3's own


class Nginx:
    """nginx in a namespace: `/` says its name, `/files/NAME` gives a file as fast as it goes,
    `told`: connections begin with a header of
    the PROXY protocol, and clients() is what they said."""

    def __init__(self, namespace, name, files=None, port=80, told=False, last_port=None):
        self.folder = namespace.lab.path(f"nginx-{name}-{port}")
        os.makedirs(os.path.join(self.folder, "files"))
        for file_name, content in (files or {}).items():
            with open(os.path.join(self.folder, "files", file_name), "wb") as file:
                file.write(content)
        configuration = os.path.join(self.folder, "nginx.conf")
        self.log = os.path.join(self.folder, "clients.log")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(NGINX_CONFIGURATION.format(folder=self.folder, name=name,
                                                  ports=f"{port}-{last_port or port}",
                                                  log=f"{self.log} clients" if told else "off",
                                                  listens=" proxy_protocol" if told else ""))
        self.process = namespace.start("nginx", find_program("nginx"), "-e", "stderr",
                                       "-p", self.folder, "-c", configuration)
        wait_for_listener(namespace, self.process, port)

    def clients(self):
        """Of each request: [the client's address, its port, who sent it]."""
        with open(self.log, encoding="ascii") as file:
            return [line.split() for line in file]


def wait_for_listener(namespace, process, port, protocol="tcp"):
    """Waits until something listens on a port of a namespace."""
    option = "-lntH" if protocol == "tcp" else "-lnuH"

    def listening():
        if not process.running():
            raise RuntimeError(f"{process.name} ended:\n{process.said()}")
        said = run(namespace.command("ss", option, f"sport = :{port}"), check=False)
        return bool(said.stdout.strip())
    wait_until(listening, 10, f"{process.name} to listen on port {port}")


def start_echo(namespace, name, protocol, port, address="::"):
    """An echo server: what it gets comes back with `name` and a blank before it."""
    process = namespace.python(f"echo-{protocol}-{port}", "echo.py", protocol, address, str(port),
                               name)
    wait_for_listener(namespace, process, port, protocol)
    return process


def start_iperf(namespace):
    """A server of iperf3: of one client at a time."""
    server = namespace.start("iperf", "iperf3", "--server", "--port", str(IPERF_PORT))
    wait_for_listener(namespace, server, IPERF_PORT)


def sample_file(size_bytes, seed):
    """Bytes that do not repeat, and their SHA-256: a lost or doubled segment shows."""
    content = random.Random(seed).randbytes(size_bytes)
    return content, hashlib.sha256(content).hexdigest()
