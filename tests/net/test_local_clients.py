# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of a vip on the balancer's own host: its processes, and its containers. Their sockets are
given a backend when they connect, and go on seeing the vip."""

import collections
import errno
import itertools
import signal
import socket

import pytest
from scapy.all import IP, TCP, Ether

from balancer import LBD, backend, config, service
from frames import Sniffer, send
from lab import wait_for
from topology import CLIENT4, CLIENT6, VIPS
from traffic import EchoServer, curl, family_of, nginx, udp_ask

FAMILIES = (0, 1)  # index into an (IPv4, IPv6) pair
NAMES = ("c1", "c2", "c3")
NEIGHBOUR = ("10.5.0.2", "fd05::2")
LONE = ("10.6.0.2", "fd06::2")


def joined(lab, network, name, dev, address):
    """A namespace with one veth of the edge host's, up, with these addresses."""
    host = lab.namespace(name)
    lab.veth(network.edge, dev, host, "eth0")
    host.ip(*(f"addr add {one}/{64 if ':' in one else 24} dev eth0" for one in address),
            "link set eth0 up")
    network.edge.ip(f"link set {dev} up")
    return host


def another_bridge(lab, network):
    """A container without a service, on a bridge of its own."""
    network.edge.ip("link add br1 type bridge mcast_snooping 0", "addr add 10.5.0.1/24 dev br1",
                    "addr add fd05::1/64 dev br1", "link set br1 up")
    network.neighbour = joined(lab, network, "neighbour", "n1", NEIGHBOUR)
    network.edge.ip("link set n1 master br1")
    network.neighbour.ip("route add default via 10.5.0.1", "route add default via fd05::1")


def lone_container(lab, network):
    """One that is routed by nothing but its address."""
    network.lone = joined(lab, network, "lone", "n2", ())
    network.edge.ip("route add 10.6.0.2/32 dev n2", "route add fd06::2/128 dev n2",
                    "addr add 169.254.1.1/32 dev n2", "addr add fe80::1/64 dev n2")
    network.lone.ip("addr add 10.6.0.2/32 dev eth0", "addr add fd06::2/128 dev eth0",
                    "route add 169.254.1.1/32 dev eth0 scope link",
                    "route add default via 169.254.1.1",
                    "route add default via fe80::1 dev eth0")


def strangers(lab, network):
    """Namespaces with the vips on their lo and somebody who answers there: one that has nothing to
    do with us, and one behind a veth of ours, as a host that we are a container of, or another
    balancer."""
    network.stranger = lab.namespace("stranger")
    network.upstream = joined(lab, network, "upstream", "n3", ("10.7.0.2", "fd07::2"))
    network.edge.ip("addr add 10.7.0.1/24 dev n3", "addr add fd07::1/64 dev n3")
    for host in (network.stranger, network.upstream):
        host.ip(*(f"addr add {vip} dev lo" for vip in VIPS))
        nginx(host, port=80)


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    lab = bridged.lab
    another_bridge(lab, bridged)
    lone_container(lab, bridged)
    strangers(lab, bridged)
    nginx(bridged.client, port=8081)
    for number, host in enumerate(bridged.servers, 1):
        EchoServer(host, *bridged.addresses(number))
    return bridged


def conf(network, extra="", extras=(), forward="nat"):
    """`extras`: more keys of single backends."""
    extras = dict(extras)

    def backends(port):
        return [backend(f"c{i}", *network.addresses(i), port=port, extra=extras.get(i, ""))
                for i in (1, 2, 3)]
    return config(service("web", VIPS, backends(8080 if forward == "nat" else 0), extra=extra,
                          forward=forward),
                  service("echo", VIPS, backends(7007 if forward == "nat" else 0), extra=extra,
                          protocol="udp", ports=[7000], forward=forward))


@pytest.fixture(name="balanced")
def fixture_balanced(network, lbd):
    return lbd.start(conf(network))


def mapped(address):
    return address if ":" in address else f"::ffff:{address}"


def ask(host, address, port=80, family=None):
    """(name of the server, whom it saw, the peer as the client's socket shows it)"""
    with host.socket(family or family_of(address), socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect((address, port))
        peer = sock.getpeername()[:2]
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := sock.recv(4096):
            answer += part
    name, saw = answer.decode().split("\r\n\r\n")[1].split()
    return name, saw, peer


def connect_error(host, address, port=80, seconds=2):
    """The errno; 0: connected; EAGAIN: nobody answered."""
    with host.socket(family_of(address), socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        return sock.connect_ex((address, port))


def locals_of(balancer, name):
    show = balancer.show()
    return {backend_name: sum(row["local_connections"] for row in
                              balancer.rows(f"{name}/{backend_name}", show))
            for backend_name in NAMES}


def clients(network):
    """By name: a client, and what the servers see of it in either family."""
    return {"host": (network.edge, ("10.1.0.1", "fd00::1")),
            "same bridge": (network.servers[0], network.addresses(1)),
            "another bridge": (network.neighbour, NEIGHBOUR),
            "lone address": (network.lone, LONE)}


CLIENTS = ("host", "same bridge", "another bridge", "lone address")


@pytest.mark.parametrize("vip", VIPS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_local_client_reaches_every_backend_and_sees_the_vip(network, balanced, client, vip):
    host, addresses = clients(network)[client]
    own = addresses[VIPS.index(vip)]
    answers = [ask(host, vip) for _ in range(60)]
    assert {name for name, _, _ in answers} == set(NAMES)
    assert {peer for _, _, peer in answers} == {(vip, 80)}
    # A container that is its own backend speaks to itself.
    assert {saw for _, saw, _ in answers} == {own}
    assert sum(locals_of(balanced, "web").values()) == 60


def test_an_ipv6_socket_reaches_an_ipv4_vip(network, balanced):
    answers = [ask(network.edge, mapped(VIPS[0]), family=socket.AF_INET6) for _ in range(40)]
    assert {name for name, _, _ in answers} == set(NAMES)
    assert {peer for _, _, peer in answers} == {(mapped(VIPS[0]), 80)}
    with network.edge.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(b"hello", (mapped(VIPS[0]), 7000))
        _, peer = sock.recvfrom(100)
    assert peer[:2] == (mapped(VIPS[0]), 7000)
    assert sum(locals_of(balanced, "echo").values()) == 1


@pytest.mark.usefixtures("balanced")
@pytest.mark.parametrize("vip", VIPS)
@pytest.mark.parametrize("client", CLIENTS)
def test_datagrams_of_a_local_client(network, client, vip):
    host, _ = clients(network)[client]
    asked = [udp_ask(host, vip, 7000, f"hello {i}") for i in range(40)]
    assert {name for name, _, _ in asked} == set(NAMES)
    assert [text for _, text, _ in asked] == [f"hello {i}" for i in range(40)]
    assert {peer for _, _, peer in asked} == {vip}


@pytest.mark.usefixtures("balanced")
@pytest.mark.parametrize("vip", VIPS)
def test_a_connected_udp_socket(network, vip):
    seen = set()
    for _ in range(40):
        with network.neighbour.socket(family_of(vip), socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((vip, 7000))
            assert sock.getpeername()[:2] == (vip, 7000)
            sock.send(b"hello")
            answer, peer = sock.recvfrom(100)
            assert peer[:2] == (vip, 7000)
            seen.add(answer.split()[0].decode())
    assert seen == set(NAMES)


def test_an_unconnected_udp_socket_stays_with_its_backend(network, balanced):
    """It is counted once, not for each datagram; two vips are told apart."""
    with network.edge.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        for vip in (VIPS[1], mapped(VIPS[0])):
            answers = set()
            for _ in range(20):
                sock.sendto(b"hello", (vip, 7000))
                answer, peer = sock.recvfrom(100)
                assert peer[:2] == (vip, 7000)
                answers.add(answer)
            assert len(answers) == 1
    assert sum(locals_of(balanced, "echo").values()) == 2


@pytest.mark.usefixtures("balanced")
def test_a_socket_that_leaves_the_vip_sees_its_peer(network):
    address = network.addresses(1)[0]
    with network.edge.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((VIPS[0], 7000))
        for number in (1, 2, 3):
            sock.connect((network.addresses(number)[0], 7007))
            assert sock.getpeername() == (network.addresses(number)[0], 7007)
        sock.connect((address, 7007))
        sock.send(b"hello")
        assert sock.recvfrom(100) == (b"c1 hello", (address, 7007))


def test_weights_are_those_of_the_ring(network, lbd):
    lbd.start(conf(network, extras={1: "weight = 100; ", 2: "weight = 200; ", 3: "weight = 100; "}))
    with network.edge.entered():
        for _ in range(2000):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.connect((VIPS[0], 80))
    counts = locals_of(lbd, "web")
    assert sum(counts.values()) == 2000
    shares = {name: lbd.row(f"web/{name}")["share"] for name in NAMES}
    for name in NAMES:
        assert abs(counts[name] / 2000 - shares[name]) < 0.05, (counts, shares)


def test_hash_source_keeps_a_namespace_with_its_backend(network, lbd):
    lbd.start(conf(network, extra='hash = "source"; '))
    for host in (network.edge, network.neighbour, network.lone):
        for vip in VIPS:
            assert len({ask(host, vip)[0] for _ in range(20)}) == 1


@pytest.mark.parametrize("verb", ["drain", "disable"])
def test_a_backend_that_takes_no_new_flows_gets_none(network, balanced, verb):
    balanced.ctl(verb, "web/c2")
    assert {ask(network.edge, VIPS[0])[0] for _ in range(60)} == {"c1", "c3"}
    assert locals_of(balanced, "web")["c2"] == 0
    balanced.ctl("reset", "web/c2")
    assert {ask(network.edge, VIPS[0])[0] for _ in range(60)} == set(NAMES)


@pytest.mark.parametrize("when_down, expected", [("reject", errno.ECONNREFUSED),
                                                 ("drop", errno.EHOSTUNREACH)])
def test_a_service_without_backends_is_told_at_once(network, lbd, when_down, expected):
    lbd.start(conf(network, extra=f'when_down = "{when_down}"; '))
    for name, kind in itertools.product(NAMES, ("web", "echo")):
        lbd.ctl("disable", f"{kind}/{name}")
    for vip in VIPS:
        assert connect_error(network.neighbour, vip) == expected
        with network.neighbour.socket(family_of(vip), socket.SOCK_DGRAM) as sock:
            with pytest.raises(OSError) as refused:
                sock.sendto(b"hello", (vip, 7000))
            assert refused.value.errno == expected


@pytest.mark.usefixtures("balanced")
def test_what_is_no_service_is_left_alone(network):
    """Other ports of the vip are nobody's here; the client's own server is where it was."""
    network.edge.ip(f"route add unreachable {VIPS[0]}/32")
    try:
        assert connect_error(network.edge, VIPS[0], 81) == errno.EHOSTUNREACH
        assert ask(network.edge, VIPS[0])[0] in NAMES
        assert ask(network.edge, CLIENT4, 8081)[0] == "client"
    finally:
        network.edge.ip(f"route del unreachable {VIPS[0]}/32")


def test_strangers_are_untouched(network, balanced):
    for host, name in ((network.stranger, "stranger"), (network.upstream, "upstream")):
        for vip in VIPS:
            assert [ask(host, vip)[0] for _ in range(20)] == [name] * 20
    assert locals_of(balanced, "web") == dict.fromkeys(NAMES, 0)
    # The edge host, the three containers, and the two that stand beside them.
    assert balanced.show()["local_clients"] == {"state": "attached", "reason": None,
                                                "namespaces": 6}


@pytest.mark.parametrize("vip, client", [(VIPS[0], CLIENT4), (VIPS[1], CLIENT6)])
def test_remote_clients_come_by_the_front_as_before(network, balanced, vip, client):
    answers = [ask(network.client, vip) for _ in range(40)]
    assert {(saw, peer) for _, saw, peer in answers} == {(client, (vip, 80))}
    assert {name for name, _, _ in answers} == set(NAMES)
    assert udp_ask(network.client, vip, 7000, "hello")[1:] == ("hello", vip)
    assert locals_of(balanced, "web") == dict.fromkeys(NAMES, 0)
    assert sum(balanced.row(f"web/{name}", 6 if ":" in vip else 4)["new_flows"]
               for name in NAMES) == 40


def test_a_remote_client_with_an_address_behind_another_interface_sees_the_vip(network, balanced):
    """n3 leads to no local client, so its network is not one that replies reach untranslated: a
    neighbour there that asks by a router and the front hears the vip, by n3."""
    remote = "10.7.0.9"
    network.upstream.ip(f"addr add {remote}/24 dev eth0")
    try:
        with Sniffer(network.upstream) as sniffer:
            send(network.client, Ether(src=network.client.mac("eth0"),
                                       dst=network.edge.mac("front0")) /
                 IP(src=remote, dst=VIPS[0]) / TCP(sport=4242, dport=80, flags="S", seq=1))
            (answer,) = sniffer.wait(lambda frame: TCP in frame and frame[IP].dst == remote)
        assert (answer[IP].src, answer[TCP].sport, answer[TCP].flags) == (VIPS[0], 80, "SA")
        assert sum(locals_of(balanced, "web").values()) == 0
    finally:
        network.upstream.ip(f"addr del {remote}/24 dev eth0")


def test_a_container_that_comes_later_is_helped(network, balanced):
    """And is none of ours any more once it has another way to the vip."""
    later = joined(network.lab, network, "later", "n4", ("10.5.0.3", "fd05::3"))
    try:
        network.edge.ip("link set n4 master br1")
        later.ip("route add default via 10.5.0.1", "route add default via fd05::1")
        wait_for(lambda: balanced.show()["local_clients"]["namespaces"] == 7, "one more namespace")
        assert {ask(later, VIPS[0])[0] for _ in range(40)} == set(NAMES)
        later.ip(f"addr add {VIPS[0]} dev lo")
        balanced.ctl("reload")  # looks at everything anew
        assert balanced.show()["local_clients"]["namespaces"] == 6
        assert connect_error(later, VIPS[0]) == errno.ECONNREFUSED
    finally:
        network.edge.ip("link del n4")
        network.lab.namespace_remove("later")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_without_the_daemon(network, balanced, number):
    balanced.stop(number)
    for client in CLIENTS:
        host, _ = clients(network)[client]
        answers = collections.Counter(ask(host, VIPS[0])[0] for _ in range(40))
        assert set(answers) == set(NAMES)
    balanced.start()
    assert sum(locals_of(balanced, "web").values()) == 40 * len(CLIENTS)
    assert balanced.plan_is_empty()
    assert ask(network.neighbour, VIPS[1])[2] == (VIPS[1], 80)


@pytest.mark.parametrize("daemon", ["running", "dead"])
def test_unload_takes_it_away(network, balanced, daemon):
    assert ask(network.edge, VIPS[0])[0] in NAMES
    network.edge.ip(f"route add unreachable {VIPS[0]}/32")
    try:
        if daemon == "dead":
            balanced.stop(signal.SIGKILL)
        balanced.unload()
        wait_for(lambda: connect_error(network.edge, VIPS[0]) == errno.EHOSTUNREACH,
                 "the vip is nobody's again")
    finally:
        network.edge.ip(f"route del unreachable {VIPS[0]}/32")


def attached(balancer):
    return sorted(path.name for path in balancer.pin.glob("local_*"))


def test_nothing_is_attached_without_a_nat_backend(network, lbd):
    lbd.start(conf(network, forward="dsr"))
    assert attached(lbd) == []
    assert lbd.show()["local_clients"]["state"] == "off"
    lbd.stop()
    lbd.start(conf(network))
    assert "local_connect4" in attached(lbd)
    assert ask(network.edge, VIPS[0])[0] in NAMES
    lbd.stop()
    lbd.start(conf(network, forward="dsr"))
    assert attached(lbd) == []


def test_without_cgroup_v2_all_others_are_balanced(network, lbd):
    hidden = lbd.dir / "lbd-without-cgroups"
    hidden.write_text("#!/bin/sh\nexec unshare --mount sh -c "
                      f"'umount -l -a -t cgroup2 && exec {LBD} \"$@\"' lbd \"$@\"\n")
    hidden.chmod(0o755)
    lbd.program = hidden
    lbd.start(conf(network))
    reason = "the root of cgroup v2: it is not mounted here"
    assert lbd.show()["local_clients"] == {"state": "failed", "reason": reason, "namespaces": 0}
    said = f"local clients of a vip are not balanced: {reason}"
    assert said in lbd.process.output()
    assert said in lbd.ctl("show").stdout
    assert ask(network.client, VIPS[0])[0] in NAMES
    lbd.ctl("reload")
    assert lbd.process.output().count(said) == 1
    lbd.stop()
    lbd.program = LBD
    lbd.start()
    assert ask(network.edge, VIPS[0])[0] in NAMES


def test_a_direct_connection_to_a_backend_is_not_translated(network, balanced):
    """From the networks of local clients too: what a container says to its neighbour on another
    bridge comes from its own address."""
    for host, own in ((network.neighbour, NEIGHBOUR), (network.lone, LONE)):
        for family in FAMILIES:
            address = network.addresses(2)[family]
            assert curl(host, address, 8080) == ("c2", own[family])
            assert udp_ask(host, address, 7007, "hello") == ("c2", "hello", address)
    assert locals_of(balanced, "web") == dict.fromkeys(NAMES, 0)
