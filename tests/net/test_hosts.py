# SPDX-License-Identifier: GPL-2.0-or-later
"""Backends on other hosts of the link: by the card that the packet came in (h1, h2) and by
another (h3, h4), with NAT's replies translated in XDP; and DSR."""

import contextlib

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw

from balancer import backend, config, service
from frames import Sniffer, assert_checksums, hops_left, ip_of, send
from lab import wait_for
from topology import CLIENT4, CLIENT6, vip_on_lo
from traffic import EchoServer, curl, curl_many, udp_ask

# A vip of each family for each way: in by one card and out by the same, or by the other.
SAME, OTHER = ("203.0.113.30", "2001:db8::30"), ("203.0.113.31", "2001:db8::31")
DSR_SAME, DSR_OTHER = ("203.0.113.32", "2001:db8::32"), ("203.0.113.33", "2001:db8::33")
HOSTS_OF = {SAME: (1, 2), OTHER: (3, 4), DSR_SAME: (1, 2), DSR_OTHER: (3, 4)}
WAYS = [(SAME, "TX_NAT", "TX_REPLY"), (OTHER, "REDIRECT_NAT", "REDIRECT_REPLY")]
DSR_WAYS = [(DSR_SAME, "TX_DSR"), (DSR_OTHER, "REDIRECT_DSR")]


@pytest.fixture(name="network", scope="module")
def fixture_network(on_the_link):
    for number, host in enumerate(on_the_link.servers, 1):
        vip_on_lo(host, *(DSR_SAME if number < 3 else DSR_OTHER))
        EchoServer(host, *on_the_link.addresses(number),
                   *(DSR_SAME if number < 3 else DSR_OTHER))
    return on_the_link


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    def backends(vips, port):
        return [backend(f"h{i}", *network.addresses(i), port=port) for i in HOSTS_OF[vips]]

    services = []
    for name, vips in (("same", SAME), ("other", OTHER)):
        services += [service(name, vips, backends(vips, 8080)),
                     service(f"{name}-udp", vips, backends(vips, 7007), protocol="udp",
                             ports=[7000])]
    for name, vips in (("dsr-same", DSR_SAME), ("dsr-other", DSR_OTHER)):
        services += [service(name, vips, backends(vips, None), ports=[8080], forward="dsr"),
                     service(f"{name}-udp", vips, backends(vips, None), protocol="udp",
                             ports=[7007], forward="dsr")]
    return make_module_balancer(network.edge).start(
        config(*services, interfaces=("front0", "front1")))


@contextlib.contextmanager
def only_verdicts_grow(balanced, *names):
    """Each of these verdicts is given in the block, and no other way of forwarding is."""
    before = balanced.verdicts()
    yield
    after = balanced.verdicts()
    grown = {name for name in after if after[name] > before[name]
             and name.startswith(("TX_", "REDIRECT_", "DROP_"))}
    assert grown == set(names)


@pytest.mark.parametrize("family, client", [(0, CLIENT4), (1, CLIENT6)])
@pytest.mark.parametrize("vips, there, back", WAYS, ids=["same-card", "other-card"])
def test_nat_to_other_hosts(network, balanced, vips, there, back, family, client):
    assert curl(network.client, vips[family])[1] == client  # neighbours are known from here on
    with only_verdicts_grow(balanced, there, back):
        answers = curl_many(network.client, vips[family], 60)
        asked = [udp_ask(network.client, vips[family], 7000, f"question {i}") for i in range(30)]
    names = {f"h{number}" for number in HOSTS_OF[vips]}
    assert len(answers) == 60 and set(answers) == names
    assert {name for name, _, _ in asked} == names
    assert {source for _, _, source in asked} == {vips[family]}


@pytest.mark.parametrize("family, client", [(0, CLIENT4), (1, CLIENT6)])
@pytest.mark.parametrize("vips, there", DSR_WAYS, ids=["same-card", "other-card"])
def test_dsr_to_other_hosts(network, balanced, vips, there, family, client):
    assert curl(network.client, vips[family], 8080)[1] == client
    with only_verdicts_grow(balanced, there):
        answers = curl_many(network.client, vips[family], 60, 8080)
        asked = [udp_ask(network.client, vips[family], 7007, f"question {i}") for i in range(30)]
    names = {f"h{number}" for number in HOSTS_OF[vips]}
    assert len(answers) == 60 and set(answers) == names
    assert {name for name, _, _ in asked} == names
    assert {source for _, _, source in asked} == {vips[family]}


def from_router(network, vip, transport, ttl):
    ip = IPv6(src=CLIENT6, dst=vip, hlim=ttl) if ":" in vip else IP(src=CLIENT4, dst=vip, ttl=ttl)
    return Ether(src=network.router.mac("uplink"), dst=network.edge.mac("front0")) / ip / transport


def to_router(network, number, family, transport, ttl):
    """A frame of host `number` to the client, by its gateway."""
    source, dev = network.addresses(number)[family], ("front0", "front1")[(number - 1) // 2]
    ip = IPv6(src=source, dst=CLIENT6, hlim=ttl) if family else \
        IP(src=source, dst=CLIENT4, ttl=ttl)
    return Ether(src=network.servers[number - 1].mac("eth0"), dst=network.edge.mac(dev)) / ip / \
        transport


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("vips", HOSTS_OF, ids=["nat-same-card", "nat-other-card", "dsr-same-card",
                                           "dsr-other-card"])
def test_the_ttl_is_one_less_at_another_host(network, vips, family):
    port = 7000 if vips in (SAME, OTHER) else 7007
    frame = from_router(network, vips[family], UDP(sport=31000, dport=port) / Raw(b"odd"), 7)
    with contextlib.ExitStack() as stack:
        sniffers = [stack.enter_context(Sniffer(network.servers[number - 1]))
                    for number in HOSTS_OF[vips]]
        send(network.router, frame, "uplink")

        def seen():
            for sniffer in sniffers:
                sniffer.poll()
            return [f for sniffer in sniffers for f in sniffer.frames
                    if UDP in f and f[UDP].sport == 31000]
        (arrived,) = wait_for(seen, "the frame at one of the hosts")
    assert hops_left(arrived) == 6
    assert arrived[UDP].dport == 7007
    assert_checksums(arrived)


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("number, vips", [(1, SAME), (3, OTHER)], ids=["same-card", "other-card"])
@pytest.mark.parametrize("transport", [
    TCP(sport=8080, dport=31001, flags="PA", seq=5, ack=6) / Raw(b"odd"),
    UDP(sport=7007, dport=31001) / Raw(b"odd")], ids=["tcp", "udp"])
def test_a_reply_that_comes_in_by_the_card(network, number, vips, family, transport):
    curl(network.client, vips[family])
    with Sniffer(network.router, "uplink") as sniffer:
        send(network.servers[number - 1], to_router(network, number, family, transport, 9))
        (seen,) = sniffer.wait(lambda f: (TCP in f or UDP in f) and f.dport == 31001)
    assert (ip_of(seen).src, seen.sport) == (vips[family], 80 if TCP in seen else 7000)
    assert hops_left(seen) == 8
    assert seen.src == network.edge.mac("front0")
    assert_checksums(seen)


@pytest.mark.parametrize("family", [0, 1])
def test_a_spent_ttl_is_dropped_and_counted_both_ways(network, balanced, family):
    before = balanced.verdicts()["DROP_TTL"]
    frame = UDP(sport=31002, dport=7000) / Raw(b"odd")
    send(network.router, from_router(network, SAME[family], frame, 1), "uplink")
    frame = UDP(sport=7007, dport=31002) / Raw(b"odd")
    send(network.servers[2], to_router(network, 3, family, frame, 1))
    wait_for(lambda: balanced.verdicts()["DROP_TTL"] == before + 2, "two packets with DROP_TTL")


@pytest.mark.parametrize("vips", [SAME, OTHER], ids=["same-card", "other-card"])
def test_a_reply_finds_its_way_before_the_router_is_a_known_neighbour(network, balanced, vips):
    """XDP cannot have it resolved: lb_reply in tc can, and takes a hop off too."""
    curl(network.client, vips[0])
    network.edge.ip("neigh flush to 10.3.0.254 dev front0")
    before = balanced.verdicts()["PASS_REPLY_SLOW"]
    with Sniffer(network.router, "uplink") as sniffer:
        send(network.servers[HOSTS_OF[vips][0] - 1],
             to_router(network, HOSTS_OF[vips][0], 0, UDP(sport=7007, dport=31003), 9))
        (seen,) = sniffer.wait(lambda f: UDP in f and f[UDP].dport == 31003)
    assert (ip_of(seen).src, seen.sport, hops_left(seen)) == (vips[0], 7000, 8)
    assert_checksums(seen)
    assert balanced.verdicts()["PASS_REPLY_SLOW"] == before + 1


@pytest.mark.parametrize("number", [1, 3])
def test_direct_connections_between_host_and_hosts(network, number):
    for family in (0, 1):
        address = network.addresses(number)[family]
        assert curl(network.edge, address, 8080)[0] == f"h{number}"
        other = 3 if number == 1 else 1
        assert curl(network.servers[other - 1], address, 8080)[0] == f"h{number}"
