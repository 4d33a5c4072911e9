# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not change: everything that is not a client's traffic to a vip."""

import pytest
from scapy.all import ICMP, IP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, Raw

from balancer import backend, config, service
from frames import Sniffer, ip_of, send
from topology import CLIENT4, CLIENT6, VIP4, VIP6, VIPS
from traffic import EchoServer, curl, nginx, udp_ask

FAMILIES = (0, 1)  # index into an (IPv4, IPv6) pair
HOST = ("192.0.2.1", "2001:db8:1::1")


@pytest.fixture(name="network", scope="module", params=["bridged", "routed"])
def fixture_network(request):
    """The edge host serves its own vips too, on other ports, and the client serves the host."""
    network = request.getfixturevalue(request.param)
    network.edge.ip(*(f"addr add {vip} dev lo" for vip in VIPS))
    nginx(network.edge, port=2222)
    nginx(network.client, port=8081)
    for number, host in enumerate(network.servers, 1):
        EchoServer(host, *network.addresses(number))
    EchoServer(network.edge, *HOST, port=7008)
    return network


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    addresses = [network.addresses(number) for number in (1, 2, 3)]
    return make_module_balancer(network.edge).start(config(
        service("web", VIPS, [backend(f"c{i}", *pair) for i, pair in enumerate(addresses, 1)]),
        service("echo", VIPS, [backend(f"c{i}", *pair, port=7007)
                               for i, pair in enumerate(addresses, 1)],
                protocol="udp", ports=[7000])))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_host_to_a_container(network, number, family):
    address = network.addresses(number)[family]
    assert curl(network.edge, address, 8080)[0] == f"c{number}"
    assert udp_ask(network.edge, address, 7007, "hello") == (f"c{number}", "hello", address)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source, target", [(1, 2), (2, 1), (1, 3), (3, 2)])
def test_a_container_to_another(network, source, target, family):
    client, address = network.servers[source - 1], network.addresses(target)[family]
    answer = curl(client, address, 8080)
    assert answer == (f"c{target}", network.addresses(source)[family])
    assert udp_ask(client, address, 7007, "hello") == (f"c{target}", "hello", address)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("number", [1, 2])
def test_a_container_to_its_host(network, number, family):
    container, host = network.servers[number - 1], HOST[family]
    assert curl(container, host, 2222) == ("edge", network.addresses(number)[family])
    assert udp_ask(container, host, 7008, "hello") == ("edge", "hello", host)


@pytest.mark.parametrize("vip", VIPS)
def test_other_ports_of_the_vip_are_the_hosts(network, vip):
    assert curl(network.client, vip, 2222)[0] == "edge"
    assert curl(network.client, vip)[0].startswith("c")


@pytest.mark.parametrize("vip", VIPS)
def test_the_vip_answers_ping(network, vip):
    ether = Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0"))
    if ":" in vip:
        ping = ether / IPv6(src=CLIENT6, dst=vip) / ICMPv6EchoRequest(id=7, data=b"anybody?")
    else:
        ping = ether / IP(src=CLIENT4, dst=vip) / ICMP(id=7) / Raw(b"anybody?")
    with Sniffer(network.client) as sniffer:
        send(network.client, ping)
        (pong,) = sniffer.wait(lambda frame: (ICMPv6EchoReply if ":" in vip else ICMP) in frame)
    assert ip_of(pong).src == vip
    assert bytes(pong).endswith(b"anybody?")


@pytest.mark.parametrize("family, client", [(0, CLIENT4), (1, CLIENT6)])
def test_the_host_to_the_client(network, family, client):
    assert curl(network.edge, client, 8081) == ("client", HOST[family])


@pytest.mark.parametrize("family, client", [(0, CLIENT4), (1, CLIENT6)])
def test_a_container_to_the_client(network, family, client):
    assert curl(network.servers[0], client, 8081) == ("client", network.addresses(1)[family])


@pytest.mark.parametrize("vip, client", [(VIP4, CLIENT4), (VIP6, CLIENT6)])
def test_the_balanced_port_meanwhile(network, vip, client):
    assert curl(network.client, vip)[1] == client
