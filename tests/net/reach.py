# SPDX-License-Identifier: GPL-2.0-or-later
"""Attempts to reach a server (build/reach), by every way that a process could find around a policy,
from inside a cgroup and a network namespace. What an attempt tells is one dict: `ok`, and where it
failed `errno` (its name) and `step` (socket, connect or answer), `ms`, and the `text` that was said:
whether the server heard that is asked of the server."""

import os
import pathlib
import signal

from balancer import LBD
from lab import wait_for
from live import events

REACH = pathlib.Path(os.environ.get("REACH", LBD.parent / "reach"))
PORT = 7200

STREAMS = ("tcp", "mptcp", "fastopen", "fastopen_connect", "uring", "uring_poll")
DATAGRAMS = ("udp", "sendto", "udplite")
ECHOES = ("ping", "raw")
HEADERS = ("raw_udp", "fragments", "fragments_late")  # not to a mapped address
PACKETS = ("packet", "packet_bypass")                 # past IP, with --device and --mac
WAYS = STREAMS + DATAGRAMS + ECHOES + HEADERS + PACKETS
OTHERS = ("netlink", "vsock", "xdp")                  # only whether the socket is made


def open_to_all_ways(namespace):
    """What a host has to allow for ways that not everybody may go: ping sockets, and data in a SYN
    without a cookie, for both ends."""
    namespace.sysctl("net.ipv4.ping_group_range=0 65535",
                     f"net.ipv4.tcp_fastopen={0x1 | 0x2 | 0x4 | 0x200}")


class Server:
    """Answers TCP, UDP, UDP-Lite, and SCTP where the kernel has it, at one port of a namespace, and
    tells what it heard there."""

    def __init__(self, namespace, port=PORT, multipath=False, cgroup=None):
        self.process = namespace.start(REACH, "serve", port, *["mptcp"] * multipath, cgroup=cgroup)
        self.process.wait_output('"ready"')

    def _told(self, event, text):
        return [line for line in events(self.process)
                if line["event"] == event and line["text"] == text]

    def heard(self, result):
        """Whether an attempt's text came to a socket of the server."""
        return bool(self._told("heard", result["text"]))

    def saw(self, result):
        """Whether a packet with it came to the namespace, whoever then got it."""
        return bool(self._told("packet", result["text"]))

    def accepted(self):
        """How many connections it has had."""
        return sum(line["event"] == "accepted" for line in events(self.process))

    def packets(self, protocol=None, source=None):
        """All that came: of a protocol's number, from an address (::ffff: before those of IPv4)."""
        return [line for line in events(self.process) if line["event"] == "packet"
                and protocol in (None, int(line["protocol"])) and source in (None, line["from"])]


class Reach:
    """One attempt that may take its time: options are those that `reach` prints without arguments.
    With --pause or --again it goes on when told."""

    def __init__(self, namespace, way, address, *options, port=PORT, cgroup=None):
        self.process = namespace.start(REACH, way, address, port, *options, cgroup=cgroup)

    def _told(self, event, number):
        def told():
            running = self.process.running()  # asked first: the last line may come in between
            found = [line for line in events(self.process) if line["event"] == event]
            assert running or len(found) >= number, (self.process.args, self.process.output())
            return len(found) >= number and found[number - 1]
        return wait_for(told, f"reach: {event} {number}")

    def paused(self):
        """Until it has paused. Then its pid may be moved to another cgroup."""
        self._told("paused", 1)
        return self

    @property
    def pid(self):
        return self.process.pid

    def result(self, number=1):
        return self._told("result", number)

    def go_on(self):
        """After a pause: how it ended."""
        self.process.signal(signal.SIGUSR1)
        return self.result()

    def again(self):
        """With --again: another text by the same socket, or the step anew that had failed."""
        self.result()
        number = sum(line["event"] == "result" for line in events(self.process)) + 1
        self.process.signal(signal.SIGUSR1)
        return self.result(number)


def reach(namespace, way, address, *options, port=PORT, cgroup=None):
    """How an attempt ended."""
    return Reach(namespace, way, address, *options, port=port, cgroup=cgroup).result()
