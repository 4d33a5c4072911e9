# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers whose first act is to send where they may not (build/newcomer), and a watch at the
other end for what came of it."""

import os
import pathlib
import selectors
import socket
import struct
import threading

from balancer import LBD

NEWCOMER = pathlib.Path(os.environ.get("NEWCOMER", LBD.parent / "newcomer"))
PORT = 7300
ETH_P_IP = 0x0800
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/socket.h, linux/if_packet.h


class Watch:
    """Counts the packets that come to addresses of a namespace, below all that could drop them, and
    answers TCP at PORT."""

    def __init__(self, namespace, dev, *addresses):
        self.counts = {address: 0 for address in addresses}
        self.lost = 0
        self.sniffer = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(ETH_P_IP))
        self.sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sniffer.bind((dev, ETH_P_IP))
        self.listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", PORT))
        self.listener.listen(1024)
        self.end, end = os.pipe()
        self._end = end
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for source in (self.sniffer, self.listener, self.end):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self.sniffer in ready:
                    packet, origin = self.sniffer.recvfrom(256)
                    to = socket.inet_ntoa(packet[16:20])
                    if origin[2] != socket.PACKET_OUTGOING and to in self.counts and \
                            packet[9] in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                        self.counts[to] += 1
                if self.listener in ready:
                    self.listener.accept()[0].close()
                if self.end in ready and not ready & {self.sniffer, self.listener}:
                    return

    def close(self):
        """All that came, by address; nothing may have been lost on the way to it."""
        os.write(self._end, b".")
        self.thread.join()
        statistics = self.sniffer.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.lost = struct.unpack("II", statistics)[1]
        for source in (self.sniffer, self.listener):
            source.close()
        for end in (self.end, self._end):
            os.close(end)
        assert not self.lost, f"{self.lost} packets were not counted"
        return self.counts
