# SPDX-License-Identifier: GPL-2.0-or-later
"""The world changes under a running lbd: neighbours, links, interfaces. Each test has a network
of its own, and is done when `show` says so and traffic agrees."""

import pytest

import foreign
from balancer import backend, config, service
from conftest import network_of
from lab import wait_for
from topology import VIP4, VIP6, VIPS, Bridged, like_a_wire
from traffic import EchoServer, curl, curl_many, udp_ask


@pytest.fixture(name="network")
def fixture_network(ground, tmp_path):  # pylint: disable=unused-argument
    yield from network_of(Bridged, tmp_path)


def web(network, *more, extra="", interfaces=("front0",)):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i))
                                        for i in (1, 2, 3)] + list(more), extra=extra),
                  interfaces=interfaces)


def one(network, number=1):
    """Only c1 behind the vips: if anything answers, it does."""
    return config(service("web", VIPS, [backend(f"c{number}", *network.addresses(number))]))


def answers(network):
    return {vip: set(curl_many(network.client, vip, 60)) for vip in VIPS}


ALL = {vip: {"c1", "c2", "c3"} for vip in VIPS}
OTHERS = {vip: {"c2", "c3"} for vip in VIPS}


def test_a_neighbour_whose_mac_changes_is_followed(network, lbd):
    lbd.start(one(network))
    container = network.servers[0]
    assert curl(network.client, VIP4) and curl(network.client, VIP6)
    container.sysctl("net.ipv4.conf.eth0.arp_notify=1", "net.ipv6.conf.eth0.ndisc_notify=1")
    container.ip("link set eth0 address 02:00:00:00:12:34")
    wait_for(lambda: {row["mac"] for row in lbd.rows("web/c1")} == {"02:00:00:00:12:34"},
             f"the new MAC: {lbd.rows('web/c1')}")
    lbd.wait_state("web/c1", "up")
    assert curl(network.client, VIP4)[0] == "c1"
    assert curl(network.client, VIP6)[0] == "c1"


def test_a_container_that_is_restarted_is_followed(network, lbd):
    lbd.start(web(network))
    assert answers(network) == ALL
    network.edge.ip("link del v1")
    lbd.wait_state("web/c1", "down")
    assert all(row["reason"] for row in lbd.rows("web/c1"))
    assert answers(network) == OTHERS
    network.attach(network.servers[0], 1)
    lbd.wait_state("web/c1", "up")
    assert answers(network) == ALL
    assert network.servers[0].feature("eth0", "generic-receive-offload") == "on"
    assert all(row["interface"] == "v1" for row in lbd.rows("web/c1"))


def test_a_link_that_goes_down_and_up_is_followed(network, lbd):
    lbd.start(web(network))
    network.edge.ip("link set v1 down")
    lbd.wait_state("web/c1", "down")
    assert answers(network) == OTHERS
    network.edge.ip("link set v1 up")
    lbd.wait_state("web/c1", "up")
    assert answers(network) == ALL


def test_a_container_that_closes_its_end_is_followed(network, lbd):
    lbd.start(web(network))
    container = network.servers[0]
    container.ip("link set eth0 down")
    lbd.wait_state("web/c1", "down")
    assert answers(network) == OTHERS
    network.open(container, 1)
    lbd.wait_state("web/c1", "up")
    assert answers(network) == ALL


def test_a_front_that_goes_away_and_comes_back_is_attached_again(network, lbd):
    lbd.start(web(network))
    network.edge.ip("link del front0")
    wait_for(lambda: lbd.interface("front0")["state"] == "absent", "front0 absent")
    network.front_make()
    wait_for(lambda: lbd.interface("front0")["state"] == "up", "front0 up again")
    assert lbd.interface("front0")["mode"] == "native"
    assert answers(network) == ALL


def test_an_optional_interface_that_comes_later_is_attached(network, lbd):
    lbd.start(web(network, interfaces=("front0", '"late0"; optional = true;')))
    assert lbd.interface("late0")["state"] == "absent"
    second = network.lab.namespace("second")
    network.lab.veth(network.edge, "late0", second, "eth0")
    network.edge.ip("addr add 198.51.100.1/24 dev late0", "link set late0 up")
    second.ip("addr add 198.51.100.2/24 dev eth0", "link set eth0 up",
              "route add default via 198.51.100.1")
    like_a_wire(second)
    wait_for(lambda: lbd.interface("late0")["state"] == "up", "late0 up")
    assert curl(second, VIP4)[1] == "198.51.100.2"
    assert answers(network) == ALL


def test_a_backend_whose_neighbour_does_not_answer_stays_out_until_it_does(network, lbd):
    lbd.start(web(network, backend("late", *network.addresses(4))))
    lbd.wait_state("web/late", "down", "no neighbour for ")
    reasons = [row["reason"] for row in lbd.rows("web/late")]
    assert "10.1.0.5 on br0" in reasons[0] and "fd00::5 on br0" in reasons[1]
    assert [row["share"] for row in lbd.rows("web/late")] == [0, 0]
    assert answers(network) == ALL
    late = network.container(4)
    EchoServer(late, "10.1.0.5")
    lbd.wait_state("web/late", "up")
    assert all(0.2 < row["share"] < 0.3 for row in lbd.rows("web/late"))


def test_a_backend_without_a_route_says_so(network, lbd):
    lbd.start(web(network, backend("far", "172.31.0.9")))
    assert lbd.row("web/far")["state"] == "down"
    assert lbd.row("web/far")["reason"] == "no route to 172.31.0.9"
    network.edge.ip("route add 172.31.0.0/24 via 10.1.0.2")
    lbd.wait_state("web/far", "up")
    assert lbd.row("web/far")["mac"] == network.servers[0].mac("eth0")


def test_gro_is_switched_on_at_the_containers_end(network, lbd):
    network.servers[0].ethtool("eth0", "gro", "off")
    lbd.start(one(network))
    assert network.servers[0].feature("eth0", "generic-receive-offload") == "on"
    lbd.wait_log("v1: GRO off → on at the container's end")
    assert curl(network.client, VIP4)[0] == "c1"


@pytest.mark.parametrize("breakage", ["gro", "mtu"])
def test_frames_lost_behind_a_redirect_are_counted(network, lbd, breakage):
    lbd.start(config(service("echo", VIPS, [backend("c1", *network.addresses(1), port=7007)],
                             protocol="udp", ports=[7000])))
    EchoServer(network.servers[0], *network.addresses(1))
    assert udp_ask(network.client, VIP4, 7000, "x" * 1400)[0] == "c1"
    assert lbd.interface("v1")["redirect_drops"] == 0
    if breakage == "gro":
        network.servers[0].ethtool("eth0", "gro", "off")
    else:
        network.servers[0].ip("link set eth0 mtu 1300")
    with pytest.raises(TimeoutError):
        udp_ask(network.client, VIP4, 7000, "x" * 1400, seconds=0.2)
    wait_for(lambda: lbd.interface("v1")["redirect_drops"] == 1, "a counted loss on v1")
    assert lbd.interface("v2") is None  # nobody's way, so it is not listed


def test_a_late_interface_that_somebody_else_holds_stops_nothing_else(network, lbd):
    lbd.start(web(network, interfaces=("front0", '"late0"; optional = true;')))
    second = network.lab.namespace("second")
    network.lab.veth(second, "eth0", network.edge, "held0")
    foreign.attach(network.edge, "held0")
    theirs = foreign.attached(network.edge, "held0")
    network.edge.ip("link set held0 name late0")
    lbd.wait_log("interface late0: an XDP program that is not ours leaves no room")
    assert lbd.interface("late0")["state"] == "detached"
    network.edge.ip("link del v1")
    lbd.wait_state("web/c1", "down")
    assert answers(network) == OTHERS
    assert foreign.attached(network.edge, "late0") == theirs
    assert lbd.process.output().count("interface late0: an XDP program") == 1  # told once
    foreign.detach(network.edge, "late0")
    wait_for(lambda: lbd.interface("late0")["mode"] == "native", "late0, once it is free")
