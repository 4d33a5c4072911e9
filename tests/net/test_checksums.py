# SPDX-License-Identifier: GPL-2.0-or-later
"""Checksums on the wire, both ways: scapy writes the frames, and says whether what arrives is
right. One backend a service, so that every frame's way is known."""

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw

from balancer import backend, config, service
from frames import Sniffer, assert_checksums, ip_of, send
from topology import CLIENT4, CLIENT6, VIP4, VIP6, VIPS
from traffic import EchoServer, curl, udp_ask

BYTES = bytes(range(251)) * 6
SIZES = (0, 1, 2, 3, 17, 64, 511, 1400)
CLIENT_OF = {VIP4: CLIENT4, VIP6: CLIENT6}


@pytest.fixture(name="network", scope="module", params=["bridged", "routed"])
def fixture_network(request):
    network = request.getfixturevalue(request.param)
    EchoServer(network.servers[0], *network.addresses(1))
    return network


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    addresses = network.addresses(1)
    return make_module_balancer(network.edge).start(config(
        service("web", VIPS, [backend("c1", *addresses)]),
        service("echo", VIPS, [backend("c1", *addresses, port=7007)], protocol="udp",
                ports=[7000])))


def ip_layer(source, destination):
    return (IPv6 if ":" in source else IP)(src=source, dst=destination)


def request(network, vip, transport):
    """A frame of the client to the vip."""
    return Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / \
        ip_layer(CLIENT_OF[vip], vip) / transport


def answer(network, vip, transport):
    """A frame of the container to the client, by its gateway."""
    gateway = "br0" if "br0" in network.edge.run("ip", "-br", "link").stdout else "v1"
    return Ether(src=network.servers[0].mac("eth0"), dst=network.edge.mac(gateway)) / \
        ip_layer(network.addresses(1)[":" in vip], CLIENT_OF[vip]) / transport


def at_container(network, frame):
    """The frame as the container sees it."""
    marks = (frame.sport, ip_of(frame).src)
    with Sniffer(network.servers[0]) as sniffer:
        send(network.client, frame)
        (seen,) = sniffer.wait(lambda f: (TCP in f or UDP in f) and
                               (f.sport, ip_of(f).src) == marks)
    assert ip_of(seen).dst == network.addresses(1)[IPv6 in seen]
    return seen


def at_client(network, frame):
    """The container's frame as the client sees it."""
    with Sniffer(network.client) as sniffer:
        send(network.servers[0], frame)
        (seen,) = sniffer.wait(lambda f: (TCP in f or UDP in f) and f.dport == frame.dport)
    assert ip_of(seen).src in VIPS
    return seen


def zero_sum_payload(frame, source, sport, destination, dport):
    """Two bytes with which the checksum of the frame, once translated, comes out as 0."""
    frame = frame.copy()
    ip_of(frame).src, ip_of(frame).dst = source, destination
    frame[UDP].sport, frame[UDP].dport = sport, dport
    frame = Ether(bytes(frame / Raw(b"\0\0")))
    return Raw(frame[UDP].chksum.to_bytes(2, "big"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vip", VIPS)
def test_tcp_to_a_container(network, vip, size):
    seen = at_container(network, request(network, vip, TCP(
        sport=20000 + size, dport=80, flags="PA", seq=77, ack=99) / Raw(BYTES[:size])))
    assert seen[TCP].dport == 8080
    assert bytes(seen[TCP].payload) == BYTES[:size]
    assert_checksums(seen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vip", VIPS)
def test_udp_to_a_container(network, vip, size):
    seen = at_container(network, request(network, vip, UDP(sport=21000 + size, dport=7000) /
                                         Raw(BYTES[:size])))
    assert seen[UDP].dport == 7007
    assert bytes(seen[UDP].payload) == BYTES[:size]
    assert_checksums(seen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vip", VIPS)
def test_a_tcp_answer(network, vip, size):
    seen = at_client(network, answer(network, vip, TCP(
        sport=8080, dport=22000 + size, flags="PA", seq=77, ack=99) / Raw(BYTES[:size])))
    assert (ip_of(seen).src, seen[TCP].sport) == (vip, 80)
    assert bytes(seen[TCP].payload) == BYTES[:size]
    assert_checksums(seen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vip", VIPS)
def test_a_udp_answer(network, vip, size):
    seen = at_client(network, answer(network, vip, UDP(sport=7007, dport=23000 + size) /
                                     Raw(BYTES[:size])))
    assert (ip_of(seen).src, seen[UDP].sport) == (vip, 7000)
    assert bytes(seen[UDP].payload) == BYTES[:size]
    assert_checksums(seen)


def test_udp_over_ipv4_without_a_checksum_gets_none(network):
    seen = at_container(network, request(network, VIP4, UDP(sport=24001, dport=7000, chksum=0) /
                                         Raw(b"odd")))
    assert (seen[UDP].chksum, seen[UDP].dport) == (0, 7007)
    seen = at_client(network, answer(network, VIP4, UDP(sport=7007, dport=24001, chksum=0) /
                                     Raw(b"odd")))
    assert (seen[UDP].chksum, seen[UDP].sport) == (0, 7000)


@pytest.mark.parametrize("vip", VIPS)
def test_a_udp_checksum_that_comes_out_as_zero_is_sent_as_all_ones(network, vip):
    address = network.addresses(1)[":" in vip]
    bare = request(network, vip, UDP(sport=24002, dport=7000))
    seen = at_container(network, bare / zero_sum_payload(
        bare, CLIENT_OF[vip], 24002, address, 7007))
    assert seen[UDP].chksum == 0xffff
    assert_checksums(seen)
    bare = answer(network, vip, UDP(sport=7007, dport=24002))
    seen = at_client(network, bare / zero_sum_payload(bare, vip, 7000, CLIENT_OF[vip], 24002))
    assert seen[UDP].chksum == 0xffff
    assert_checksums(seen)


@pytest.mark.parametrize("vip", VIPS)
def test_partial_checksums_of_a_containers_own_stack_are_completed_right(network, vip):
    """They are partial when lb_reply sees them, and completed where the packet leaves."""
    network.edge.ethtool("front0", "tx", "off")
    try:
        with Sniffer(network.client) as sniffer:
            assert curl(network.client, vip)[0] == "c1"
            assert udp_ask(network.client, vip, 7000, "odd")[0] == "c1"
            sniffer.wait(lambda frame: UDP in frame and frame[UDP].sport == 7000)
    finally:
        network.edge.ethtool("front0", "tx", "on")
    answers = [frame for frame in sniffer.frames if TCP in frame or UDP in frame]
    assert {ip_of(frame).src for frame in answers} == {vip}
    assert sum(TCP in frame for frame in answers) >= 4
    for frame in answers:
        assert_checksums(frame)


@pytest.mark.parametrize("vip", VIPS)
def test_what_is_no_packet_for_the_vip_is_left_as_it_is(network, vip):
    """The same frame to another address of the client's network: to the stack, untouched."""
    frame = request(network, vip, UDP(sport=24003, dport=7001) / Raw(b"not for us"))
    with Sniffer(network.edge, "front0") as sniffer:
        send(network.client, frame)
        (seen,) = sniffer.wait(lambda f: UDP in f and f[UDP].sport == 24003)
    assert bytes(seen) == bytes(frame)
