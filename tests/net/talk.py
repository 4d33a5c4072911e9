# SPDX-License-Identifier: GPL-2.0-or-later
"""What the ends of connections and datagrams know of them (build/talk), to be held against what
somebody else says that they did."""

import collections
import os
import pathlib
from dataclasses import dataclass

from balancer import LBD

TALK = pathlib.Path(os.environ.get("TALK", LBD.parent / "talk"))
PORT = 7300


@dataclass(frozen=True)
class Told:
    """One end of one flow."""
    protocol: str
    local: str
    remote: str
    sent: int
    received: int
    datagrams_sent: int
    datagrams_received: int
    end: str


def told(output):
    """The lines of a program; what else it says is left out."""
    lines = [line.split() for line in output.splitlines()]
    return [Told(*line[:3], *map(int, line[3:7]), line[7]) for line in lines if len(line) == 8]


FAILED = ("refused", "unreachable")


def connections(rows):
    """How often there was one of these ends, bytes and outcome. A port may come twice. One that did
    not come about does not know which port it had."""
    return collections.Counter(
        ("" if row.end in FAILED else row.local, row.remote, row.sent, row.received, row.end)
        for row in rows if row.protocol == "tcp")


def datagrams(rows):
    """Sums by both ends: a server cannot tell two sockets apart that had one port in turn."""
    sums = collections.Counter()
    for row in rows:
        if row.protocol == "udp":
            for name in ("sent", "received", "datagrams_sent", "datagrams_received"):
                sums[row.local, row.remote, name] += getattr(row, name)
    return sums


def seen(flow):
    """A flow of `lbctl flows` as its own end would tell it: by the address that it asked for."""
    counted = flow["protocol"] == "udp"
    return Told(flow["protocol"], flow["local"], flow.get("asked") or flow["remote"],
                flow["bytes_out"], flow["bytes_in"],
                flow["packets_out"] if counted else 0, flow["packets_in"] if counted else 0,
                flow["state"])
