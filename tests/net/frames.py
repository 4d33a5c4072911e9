# SPDX-License-Identifier: GPL-2.0-or-later
"""Single frames: sent raw, seen raw, judged by scapy."""

import socket
import time

from scapy.all import IP, TCP, UDP, Ether, IPv6

from lab import PATIENCE

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33


class Sniffer:
    """What comes in at one device, from the moment this is made."""

    def __init__(self, namespace, dev="eth0"):
        self.label = f"{namespace.label} {dev}"
        self.frames = []
        self.sock = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.sock.bind((dev, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _read(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data, address = self.sock.recvfrom(1 << 17)
        except TimeoutError:
            return
        if address[2] != PACKET_OUTGOING:
            self.frames.append(Ether(data))

    def poll(self):
        """Takes what has come, without waiting."""
        count = -1
        while count < len(self.frames):
            count = len(self.frames)
            self._read(0)

    def wait(self, wanted, count=1, seconds=PATIENCE):
        """The first `count` frames for which wanted(frame)."""
        deadline = time.monotonic() + seconds
        while True:
            found = [frame for frame in self.frames if wanted(frame)]
            if len(found) >= count:
                return found[:count]
            assert time.monotonic() < deadline, (
                f"{self.label}: {len(found)} of {count} frames came; seen: "
                f"{[frame.summary() for frame in self.frames[-20:]]}")
            self._read(deadline - time.monotonic())

    def none(self, wanted):
        """True if none that came so far is wanted. Only means something behind a wait() for a
        frame that was sent later."""
        return not any(wanted(frame) for frame in self.frames)


def send(namespace, frame, dev="eth0"):
    with namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((dev, 0))
        sock.send(bytes(frame))


def assert_checksums(frame):
    """What stands in the frame is what scapy computes itself."""
    fresh = frame.copy()
    for layer in (IP, TCP, UDP):
        if layer in fresh:
            del fresh[layer].chksum
    assert bytes(Ether(bytes(fresh))) == bytes(frame), frame.show(dump=True)


def ip_of(frame):
    """The IP layer of either family."""
    return frame[IP] if IP in frame else frame[IPv6]


def hops_left(frame):
    return frame[IP].ttl if IP in frame else frame[IPv6].hlim
