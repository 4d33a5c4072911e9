# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP datagrams of 8 kB, which every link on their way carries in pieces: to containers and to
other hosts, with their addresses translated and without, and as large an answer back."""

import itertools
import os
import socket

import pytest
from scapy.all import IP, UDP, Ether, Raw

from balancer import backend, config, service
from frames import send
from lab import wait_for
from topology import CLIENT4, DSR4, DSR6, VIP4, VIP6, vip_on_lo
from traffic import EchoServer, family_of

NAT, DSR = (VIP4, VIP6), (DSR4, DSR6)
BYTES = 8000


@pytest.fixture(name="containers", scope="module")
def fixture_containers(bridged):
    for number, host in enumerate(bridged.servers, 1):
        vip_on_lo(host, *DSR)
        EchoServer(host, *bridged.addresses(number), *DSR)
    return bridged


@pytest.fixture(name="hosts", scope="module")
def fixture_hosts(on_the_link):
    for number, host in enumerate(on_the_link.servers, 1):
        vip_on_lo(host, *DSR)
        EchoServer(host, *on_the_link.addresses(number), *DSR)
    return on_the_link


def services_over(network, numbers):
    both = [[backend(f"b{i}", *network.addresses(i), port=port) for i in numbers]
            for port in (7007, None)]
    return (service("nat", NAT, both[0], protocol="udp", ports=[7000]),
            service("dsr", DSR, both[1], protocol="udp", ports=[7007], forward="dsr"))


@pytest.fixture(name="balancers", scope="module")
def fixture_balancers(containers, hosts, make_module_balancer):
    """A balancer before containers, and one before hosts: behind the card that packets come in by
    and behind another."""
    local = make_module_balancer(containers.edge).start(
        config(*services_over(containers, (1, 2, 3))))
    remote = make_module_balancer(hosts.edge).start(
        config(*services_over(hosts, (1, 2, 3, 4)), interfaces=("front0", "front1")))
    return {"containers": (containers, local), "hosts": (hosts, remote)}


def exchange(client, vip, port, count):
    """Who answered: each datagram is of a flow of its own, and comes back as it was sent."""
    names = set()
    for _ in range(count):
        with client.socket(family_of(vip), socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sent = os.urandom(BYTES)
            sock.sendto(sent, (vip, port))
            answer, peer = sock.recvfrom(65536)
        name, _, data = answer.partition(b" ")
        assert data == sent
        assert peer[0] == vip
        names.add(name.decode())
    return names


@pytest.mark.parametrize("where, mode, family",
                         itertools.product(["containers", "hosts"], ["nat", "dsr"], [0, 1]))
def test_large_datagrams_go_both_ways(balancers, where, mode, family):
    network, balanced = balancers[where]
    vip, port = (NAT[family], 7000) if mode == "nat" else (DSR[family], 7007)
    names = exchange(network.client, vip, port, 30)
    assert names == {host.label for host in network.servers}
    assert balanced.verdicts()["DROP_FRAGMENT"] == 0


def test_a_rest_without_its_first_is_dropped_and_counted(balancers):
    network, balanced = balancers["containers"]
    exchange(network.client, NAT[0], 7000, 1)
    before = balanced.verdicts()["DROP_FRAGMENT"]
    rest = Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / \
        IP(src=CLIENT4, dst=NAT[0], id=4711, frag=185, proto=17) / Raw(b"nobody's" * 8)
    send(network.client, rest)
    wait_for(lambda: balanced.verdicts()["DROP_FRAGMENT"] == before + 1, "DROP_FRAGMENT")


def test_a_first_that_cuts_the_header_is_dropped_and_counted(balancers):
    network, balanced = balancers["containers"]
    before = balanced.verdicts()["DROP_FRAGMENT_TINY"]
    tiny = Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / \
        IP(src=CLIENT4, dst=NAT[0], id=4712, flags="MF", proto=17) / \
        Raw(bytes(UDP(sport=1, dport=7000))[:4])
    send(network.client, tiny)
    wait_for(lambda: balanced.verdicts()["DROP_FRAGMENT_TINY"] == before + 1,
             "DROP_FRAGMENT_TINY")
