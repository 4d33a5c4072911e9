# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tells of links and tc filters: every change, also one that lasts a microsecond,
where polling sees only what stays."""

import collections
import socket
import struct

RTMGRP_LINK, RTMGRP_TC = 0x1, 0x8
RTM_NEWLINK, RTM_DELLINK, RTM_NEWTFILTER, RTM_DELTFILTER = 16, 17, 44, 45
IFLA_CARRIER_CHANGES, IFLA_XDP, IFLA_XDP_PROG_ID = 35, 43, 4
IFF_UP, IFF_RUNNING = 0x1, 0x40
NESTED = 0x8000
SO_RCVBUFFORCE = 33

Link = collections.namedtuple("Link", "kind index up xdp carrier_changes")
Filter = collections.namedtuple("Filter", "kind index")


def attributes(data):
    """{number: bytes}"""
    found = {}
    while len(data) >= 4:
        size, number = struct.unpack_from("=HH", data)
        found[number & ~NESTED] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def link_of(kind, data):
    family, index, flags = struct.unpack_from("=BxxxiI", data)
    found = attributes(data[16:])
    if family != socket.AF_UNSPEC or IFLA_CARRIER_CHANGES not in found:
        return None
    xdp = attributes(found.get(IFLA_XDP, b"")).get(IFLA_XDP_PROG_ID)
    return Link(kind, index, flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING,
                struct.unpack("=I", xdp)[0] if xdp else None,
                struct.unpack("=I", found[IFLA_CARRIER_CHANGES])[0])


class Watch:
    """Listens in a namespace for a block; what was told in it."""

    def __init__(self, namespace):
        self.socket = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                       socket.NETLINK_ROUTE)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.links, self.filters = [], []

    def __enter__(self):
        self.socket.bind((0, RTMGRP_LINK | RTMGRP_TC))
        return self

    def __exit__(self, *_):
        while True:
            try:
                self.note(self.socket.recv(1 << 16))  # ENOBUFS, if any was lost, is an error
            except BlockingIOError:
                break
        self.socket.close()

    def note(self, data):
        while data:
            size, kind = struct.unpack_from("=IH", data)
            message = data[16:size]
            if kind in (RTM_NEWLINK, RTM_DELLINK):
                self.links.append(link_of(kind, message))
            elif kind in (RTM_NEWTFILTER, RTM_DELTFILTER):
                self.filters.append(Filter(kind, struct.unpack_from("=i", message, 4)[0]))
            data = data[(size + 3) & ~3:]

    def of_link(self, index):
        return [link for link in self.links if link and link.index == index]
