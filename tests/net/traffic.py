# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers in the containers, and clients that ask them."""

import hashlib
import os
import selectors
import socket
import subprocess
import threading
import time

from lab import PATIENCE, passable, wait_for

NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_timeout 0; sendfile on; client_max_body_size 0;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen {port}; listen [::]:{port};
    location / {{ return 200 "{name} $remote_addr\\n"; }}
    location /files/ {{ alias {files}/; }}
  }}
}}
"""


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def url(address, port=80, path="/"):
    return f"http://[{address}]:{port}{path}" if ":" in address else \
        f"http://{address}:{port}{path}"


def nginx(namespace, port=8080, name=None):
    """A real nginx; it answers with its name and the address that it was asked from."""
    lab = namespace.lab
    place = lab.tmp / f"nginx-{namespace.label}-{port}"
    files = lab.tmp / "files"
    place.mkdir(exist_ok=True)
    files.mkdir(exist_ok=True)
    passable(lab.tmp)
    conf = place / "nginx.conf"
    conf.write_text("user root;" + NGINX_CONF.format(dir=place, files=files, port=port,
                                                     name=name or namespace.label))
    process = namespace.start("nginx", "-c", conf, "-e", place / "error.log")
    wait_for(lambda: listens(namespace, port), f"nginx of {namespace.label}: {process.output()}")
    return process


def listens(namespace, port):
    with namespace.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(("::1", port)) == 0


def curl(namespace, address, port=80, path="/", check=True, seconds=5):
    """One request. (name of the server, address that it saw); None if it failed."""
    result = namespace.run("curl", "-sS", "--max-time", seconds, url(address, port, path),
                           check=check)
    return tuple(result.stdout.split()) if result.returncode == 0 else None


def curl_many(namespace, address, count, port=80):
    """`count` requests, each a connection of its own: the list of servers that answered."""
    result = namespace.run("curl", "-sS", "--max-time", 60,
                           url(address, port, f"/?[1-{count}]"))
    return [line.split()[0] for line in result.stdout.splitlines()]


class EchoServer:
    """UDP: the server's name, a space, and what it was sent. As many addresses as wanted."""

    def __init__(self, namespace, *addresses, port=7007):
        self.name = namespace.label
        self.selector = selectors.DefaultSelector()
        self.waker, self.stopper = os.pipe()
        self.selector.register(self.waker, selectors.EVENT_READ)
        self.socks = []
        for address in addresses:
            sock = namespace.socket(family_of(address), socket.SOCK_DGRAM)
            sock.bind((address, port))
            self.selector.register(sock, selectors.EVENT_READ)
            self.socks.append(sock)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        namespace.lab.at_close(self.close)

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == self.waker:
                    return
                data, peer = key.fileobj.recvfrom(65536)
                key.fileobj.sendto(self.name.encode() + b" " + data, peer)

    def close(self):
        os.write(self.stopper, b"x")
        self.thread.join()
        for sock in self.socks:
            sock.close()
        os.close(self.waker)
        os.close(self.stopper)


def udp_ask(namespace, address, port, text, seconds=5):
    """(who answered, what, from which address); from a port of its own."""
    with namespace.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.sendto(text.encode(), (address, port))
        data, peer = sock.recvfrom(65536)
    name, answer = data.decode().split(" ", 1)
    return name, answer, peer[0]


class HashServer:
    """TCP: reads to the end, answers with the sha256 of it."""

    def __init__(self, namespace, port=9000):
        self.sock = namespace.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("::", port))
        self.sock.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        namespace.lab.at_close(self.close)

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                conn.sendall(hash_of(conn).encode())

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def hash_of(conn):
    digest, buffer = hashlib.sha256(), bytearray(1 << 18)
    while (size := conn.recv_into(buffer)) > 0:
        digest.update(memoryview(buffer)[:size])
    return digest.hexdigest()


def connect(namespace, address, port, seconds=PATIENCE):
    sock = namespace.socket(family_of(address), socket.SOCK_STREAM)
    sock.settimeout(seconds)
    sock.connect((address, port))
    return sock


def upload(namespace, address, port, path):
    """The hash that the server made of the file."""
    with connect(namespace, address, port, 10) as conn, open(path, "rb") as file:
        conn.sendfile(file)
        conn.shutdown(socket.SHUT_WR)
        return conn.recv(64, socket.MSG_WAITALL).decode()


def download(namespace, address, port, path, seconds=10):
    """The hash that sha256sum makes of what curl gets."""
    command = namespace.command("curl", "-sSf", "--max-time", seconds, url(address, port, path))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl_process:
        digest = hashlib.file_digest(curl_process.stdout, "sha256").hexdigest()
    assert curl_process.returncode == 0
    return digest


class Requests:
    """Requests one after another, each a connection of its own, until the block ends. What went
    wrong stands in `failed`."""

    def __init__(self, namespace, address, port=80):
        self.namespace, self.address, self.port = namespace, address, port
        self.done, self.failed = 0, []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.wait_more(10)
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def wait_more(self, count):
        target = self.done + len(self.failed) + count
        wait_for(lambda: self.done + len(self.failed) >= target, f"{count} more requests")

    def _ask(self):
        with connect(self.namespace, self.address, self.port, 5) as conn:
            conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while part := conn.recv(4096):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def _run(self):
        while not self._ending.is_set():
            try:
                self._ask()
                self.done += 1
            except (OSError, AssertionError) as error:
                self.failed.append(f"{time.monotonic():.3f} {error!r}")
