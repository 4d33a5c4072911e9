# SPDX-License-Identifier: GPL-2.0-or-later
"""plan counts the live connections that a change touches, in the containers' own sockets."""

import contextlib
import socket

import pytest

from balancer import backend, config, service
from lab import wait_for
from topology import VIP4, VIP6, VIPS, vip_on_lo
from traffic import HashServer, connect

@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    vip_on_lo(bridged.servers[2], VIP4)
    for host in bridged.servers:
        HashServer(host)  # it holds a connection until the client has sent all
    return bridged


@pytest.fixture(name="hold")
def fixture_hold(network):
    """Opens connections to an address, and keeps them until the test ends."""
    with contextlib.ExitStack() as stack:
        def hold(address, count, port=80):
            return [stack.enter_context(connect(network.client, address, port))
                    for _ in range(count)]
        yield hold


def web(network, *numbers, extra="", **keys):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i), port=9000,
                                                extra=keys.get(f"c{i}", ""))
                                        for i in numbers], extra=extra))


def counts(balancer, text=None):
    """(live, lost) of the only service in the plan."""
    if text:
        balancer.conf.write_text(text)
    (told,) = balancer.json("plan")["services"]
    return told["live_connections"], told["connections_lost"]


def at(host):
    """How many connections the container has by its own count."""
    shown = host.run("ss", "-Htn", "state", "established", "( sport = :9000 )").stdout
    return len(shown.splitlines())


def test_a_plan_counts_those_that_live_and_those_it_loses(network, lbd, hold):
    lbd.start(web(network, 1, 2))
    hold(VIP4, 24)
    hold(VIP6, 16)
    wait_for(lambda: at(network.servers[0]) + at(network.servers[1]) == 40, "accepted connections")
    assert at(network.servers[0]) > 0 and at(network.servers[1]) > 0
    assert counts(lbd, web(network, 1, 2, 3)) == (40, 0)
    assert counts(lbd, web(network, 1, 2, c1='state = "drain"; ')) == (40, 0)
    assert counts(lbd, web(network, 1, 2, c2='state = "off"; ')) == (40, at(network.servers[1]))
    assert counts(lbd, web(network, 2)) == (40, at(network.servers[0]))
    assert counts(lbd, web(network, 1, 2, extra="ring_size = 2003;")) == (40, 40)
    text = lbd.ctl("plan").stdout
    assert "LIVE FLOWS  OF THEM LOST\n" in text
    assert [line.split()[-2:] for line in text.splitlines() if line.startswith("web ")] == \
        [["40", "40"]]


def test_a_connection_that_ended_is_not_counted(network, lbd, hold):
    lbd.start(web(network, 1))
    conns = hold(VIP4, 6)
    lbd.conf.write_text(web(network, 1, 2))
    wait_for(lambda: counts(lbd) == (6, 0), "six connections")
    for conn in conns[:2]:
        conn.close()
    wait_for(lambda: counts(lbd) == (4, 0), "four connections")


def test_a_reload_tells_what_it_did(network, lbd, hold):
    lbd.start(web(network, 1, 2))
    hold(VIP4, 20)
    there = at(network.servers[1])
    (told,) = lbd.reload(web(network, 1))["services"]
    assert (told["live_connections"], told["connections_lost"]) == (20, there)


def test_with_dsr_they_end_at_the_vip(network, lbd, hold):
    def text(extra=""):
        return config(service("direct", [VIP4],
                              [backend("c3", network.addresses(3)[0], port=None)],
                              ports=[9000], forward="dsr", extra=extra))
    lbd.start(text())
    hold(VIP4, 5, 9000)
    lbd.conf.write_text(text("ring_size = 2003;"))
    wait_for(lambda: counts(lbd) == (5, 5), "five connections")


def test_what_cannot_be_counted_is_null(network, lbd, hold):
    """A backend that is no container of this host; UDP."""
    def text(count, protocol="tcp"):
        backends = [backend(f"c{i}", network.addresses(i)[0], port=9000)
                    for i in range(1, count + 1)]
        remote = backend("far", "192.0.2.10", port=9000)
        return config(service("web", [VIP4], [remote, *backends] if protocol == "tcp"
                              else backends, protocol=protocol))
    lbd.start(text(1))
    lbd.wait_state("web/far", "up")
    assert counts(lbd, text(2)) == (None, 0)
    lbd.conf.write_text(text(0))
    assert counts(lbd)[0] is None
    assert counts(lbd)[1] is not None  # the one that goes can be counted
    with network.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        lbd.conf.write_text(text(1, "udp"))
        lbd.json("reload", "--break", "web")
        sock.sendto(b"?", (VIP4, 80))
        assert counts(lbd, text(2, "udp")) == (None, None)
