# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts whose flows are seen, each with a process of its own control group that does as it is
told."""

from balancer import TUNING, backend, config, service
from seen import flows_part, talker
from topology import DSR4, VIP4, VIP6, Bridged, vip_on_lo

HERE, THERE = Bridged.addresses(1), Bridged.addresses(2)
PORT = 7000


class Watched(Bridged):
    """`here` in c1 talks to `there` in c2; `outside` is the client, `local` one of the host's own."""

    def __init__(self, lab):
        super().__init__(lab, containers=3)
        self.here, self.there, self.third, self.outside, self.local = (
            talker(host, name) for host, name in zip(
                (*self.servers, self.client, self.edge),
                ("here", "there", "third", "outside", "local")))
        self.all = [each.cgroup for each in
                    (self.here, self.there, self.third, self.outside, self.local)]
        for host in self.servers:
            vip_on_lo(host, DSR4)


def alone(network, extra="", stands=None):
    """An lb.conf with nothing but flows."""
    return "version = 1;\n" + TUNING + flows_part(*(network.all if stands is None else stands),
                                                  extra=extra)


def joined(client, server, address, port=PORT, to=None, to_port=None, name="s"):
    """A connection; the port of the client's end."""
    server("listen", "listener", address=address, port=port)
    local = client("connect", name, address=to or address, port=to_port or port)
    server("accept", name, listener="listener")
    server("close", "listener")
    return local


def closed(client, server, name="s"):
    client("close", name)
    assert server("receive", name, size=1) == 0
    server("close", name)


def balanced(network):
    return config(service("web", [VIP4, VIP6], [backend("c1", *HERE)]),
                  service("direct", [DSR4], [backend("c2", THERE[0], port=0)], ports=[81],
                          forward="dsr"),
                  extra=flows_part(*network.all))
