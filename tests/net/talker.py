# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets that do what a test says, one step after another: `talker.py PATH` listens there. A step is
a JSON line, {"do": NAME, "socket": NAME, ...}; its answer is one too, {"ok": VALUE} or {"errno":
NAME}. It runs in a control group and a network namespace of its own, which the sockets belong to."""

import errno
import json
import socket
import struct
import sys


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Steps:
    def __init__(self):
        self.sockets = {}

    def listen(self, name, address, port):
        sock = socket.socket(family_of(address), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(512)
        self.sockets[name] = sock

    def accept(self, name, listener):
        self.sockets[name], _ = self.sockets[listener].accept()

    def connect(self, name, address, port, timeout=10):
        sock = self.sockets[name] = socket.socket(family_of(address), socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect((address, port))
        return sock.getsockname()[1]

    def user_timeout(self, name, milliseconds):
        self.sockets[name].setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def bind_datagrams(self, name, address, port=0):
        sock = self.sockets[name] = socket.socket(family_of(address), socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.bind((address, port))
        return sock.getsockname()[1]

    def connect_datagrams(self, name, address, port):
        sock = self.sockets[name] = socket.socket(family_of(address), socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.connect((address, port))
        return sock.getsockname()[1]

    def send(self, name, size):
        self.sockets[name].sendall(b"x" * size)

    def send_to(self, name, address, port, size):
        self.sockets[name].sendto(b"x" * size, (address, port))

    def receive(self, name, size):
        """So many bytes, or the end."""
        got = 0
        while got < size and (part := len(self.sockets[name].recv(min(65536, size - got)))):
            got += part
        return got

    def receive_from(self, name):
        data, peer = self.sockets[name].recvfrom(65536)
        return [len(data), peer[0], peer[1]]

    def shut(self, name):
        self.sockets[name].shutdown(socket.SHUT_WR)

    def close(self, name):
        self.sockets.pop(name).close()

    def reset(self, name):
        sock = self.sockets.pop(name)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def main():
    steps = Steps()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(sys.argv[1])
        door.listen(1)
        print("ready", flush=True)
        conn, _ = door.accept()
    with conn, conn.makefile("rw") as lines:
        for line in lines:
            step = json.loads(line)
            try:
                answer = {"ok": getattr(steps, step.pop("do"))(step.pop("socket"), **step)}
            except OSError as error:
                answer = {"errno": errno.errorcode.get(error.errno, type(error).__name__)}
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
