# SPDX-License-Identifier: GPL-2.0-or-later
"""Two balancers behind a router that spreads flows over both. Their config is the same, so their
rings are, and when one dies the other knows where the flows of the dead one belong.

    client ── router ─┬─ edge1
                      ├─ edge2      all on one link; the hosts answer the router directly (DSR)
                      └─ h1 … h4
"""

import signal

import pytest

from balancer import backend, config, service
from lab import Lab, wait_for
from live import PORT, Server, assert_untouched, flows, moving
from topology import (CLIENT4, CLIENT6, DSR4, DSR6, DSRS, OnTheLink, forwarding, like_a_wire,
                      vip_on_lo)

COUNT = 400
ROUTER4, ROUTER6 = "10.3.0.254", "fd03::254"


class Spread(OnTheLink):
    """Everybody on the first link."""

    def __init__(self, lab):  # pylint: disable=super-init-not-called
        self.lab = lab
        self.client, self.router = lab.namespace("client"), lab.namespace("router")
        forwarding(self.router)
        lab.veth(self.router, "downlink", self.client, "eth0")
        self.client.ip(f"addr add {CLIENT4}/24 dev eth0", f"addr add {CLIENT6}/64 dev eth0",
                       "link set eth0 up", "route add default via 192.0.2.1",
                       "route add default via 2001:db8:1::1")
        like_a_wire(self.client)
        self.links = [lab.namespace("link0")]
        self.links[0].ip("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        self.plug(self.router, "uplink", 0, 254)
        self.router.ip("addr add 192.0.2.1/24 dev downlink",
                       "addr add 2001:db8:1::1/64 dev downlink", "link set downlink up")
        self.edges = [self.edge_host(number) for number in (1, 2)]
        self.servers = [self.dsr_host(number) for number in (1, 2, 3, 4)]
        self.spread_over()

    def edge_host(self, number):
        edge = self.lab.namespace(f"edge{number}")
        forwarding(edge)
        self.plug(edge, "front0", 0, number)
        # As a card would, it does not see what is for somebody else.
        self.links[0].ip(f"link set p-{edge.label} type bridge_slave flood off")
        edge.ip(f"route add default via {ROUTER4}", f"route add default via {ROUTER6}")
        return edge

    def dsr_host(self, number):
        host = self.lab.namespace(f"h{number}")
        self.plug(host, "eth0", 0, 10 + number)
        host.ip(f"route add default via {ROUTER4}", f"route add default via {ROUTER6}")
        vip_on_lo(host, *DSRS)
        Server(host, number)
        return host

    @staticmethod
    def addresses(number):
        return f"10.3.0.{10 + number}", f"fd03::{10 + number}"

    def spread_over(self):
        """The next-hop groups of the vips, one for each family, with both balancers in them."""
        self.router.sysctl("net.ipv4.fib_multipath_hash_policy=1",
                           "net.ipv6.fib_multipath_hash_policy=1")
        self.router.ip(*[f"nexthop add id {10 * number + family} via {address}{number} dev uplink"
                         for number in (1, 2)
                         for family, address in ((4, "10.3.0."), (6, "fd03::"))],
                       "nexthop add id 4 group 14/24", "nexthop add id 6 group 16/26",
                       f"route add {DSR4}/32 nhid 4", f"route add {DSR6}/128 nhid 6")

    def edge_dies(self):
        """The first one, and the router hears of it."""
        self.edges[0].ip("link set front0 down")
        self.router.ip("nexthop replace id 4 group 24", "nexthop replace id 6 group 26")


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("ecmp"))
    try:
        yield Spread(lab)
    finally:
        lab.close()


def scaled(network, count):
    return config(service("live", DSRS, [backend(f"h{i}", *network.addresses(i), port=None)
                                         for i in range(1, count + 1)],
                          ports=[PORT], forward="dsr", extra='idle_timeout = "1s";'))


def test_flows_go_on_through_the_other_balancer(network, make_balancer, capsys):
    balancers = [make_balancer(edge).start(scaled(network, 3)) for edge in network.edges]
    for lbd in balancers:
        for number in (1, 2, 3):
            lbd.wait_state(f"live/h{number}", "up")
        lbd.reload(scaled(network, 4))
        lbd.wait_state("live/h4", "up")
    wait_for(lambda: sum(map(moving, balancers)) == 0, "both have settled")
    before = [lbd.verdicts()["TX_DSR"] for lbd in balancers]
    with flows(network.client, DSR4, PORT, COUNT, "--interval", 200) as live4, \
            flows(network.client, DSR6, PORT, COUNT, "--interval", 200) as live6:
        for live in (live4, live6):
            live.wait_more()
            assert set(live.now()["servers"]) == {"1", "2", "3", "4"}
        carried = [lbd.verdicts()["TX_DSR"] - count for lbd, count in zip(balancers, before)]
        assert min(carried) > sum(carried) / 4, "both carry flows"
        balancers[0].stop(signal.SIGKILL)
        network.edge_dies()
        for live in (live4, live6):
            live.wait_more(4)
            told = live.end()
            assert_untouched(told)
            with capsys.disabled():
                print(f"\nfailover of {COUNT} flows, of which the dead one carried "
                      f"{carried[0] / sum(carried):.0%}: {told['resets']} resets, longest stall "
                      f"{told['longest_stall_ms']} ms")
    with flows(network.client, DSR4, PORT, 50) as since:
        assert_untouched(since.end())
