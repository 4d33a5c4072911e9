# SPDX-License-Identifier: GPL-2.0-or-later
"""A client's traffic reaches the containers and comes back, by NAT and by DSR."""

import collections
import contextlib

import pytest
from scapy.all import TCP

from balancer import backend, config, service
from frames import Sniffer, hops_left, ip_of
from topology import CLIENT4, CLIENT6, DSR4, DSR6, DSRS, VIP4, VIP6, VIPS, vip_on_lo
from traffic import EchoServer, curl, curl_many, udp_ask

CLIENT_OF = {VIP4: CLIENT4, VIP6: CLIENT6, DSR4: CLIENT4, DSR6: CLIENT6}


def services_of(network):
    """The four ways to a container: NAT and DSR, TCP and UDP."""
    addresses = [network.addresses(number) for number in (1, 2, 3)]

    def backends(port):
        return [backend(f"c{i}", *pair, port=port) for i, pair in enumerate(addresses, 1)]

    return config(
        service("web", VIPS, backends(8080)),
        service("echo", VIPS, backends(7007), protocol="udp", ports=[7000]),
        service("web-dsr", DSRS, backends(None), ports=[8080], forward="dsr"),
        service("echo-dsr", DSRS, backends(None), protocol="udp", ports=[7007], forward="dsr"))



@pytest.fixture(name="network", scope="module", params=["bridged", "routed"])
def fixture_network(request):
    network = request.getfixturevalue(request.param)
    for number, host in enumerate(network.servers, 1):
        vip_on_lo(host, *DSRS)
        EchoServer(host, *network.addresses(number), *DSRS)
    return network


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    return make_module_balancer(network.edge).start(services_of(network))


@pytest.mark.parametrize("vip, port", [(VIP4, 80), (VIP6, 80), (DSR4, 8080), (DSR6, 8080)])
def test_http_reaches_every_container_and_shows_them_the_client(network, vip, port):
    assert curl(network.client, vip, port)[1] == CLIENT_OF[vip]
    answers = collections.Counter(curl_many(network.client, vip, 300, port))
    assert sum(answers.values()) == 300
    assert set(answers) == {"c1", "c2", "c3"}
    # A third each, and five standard deviations of a fair draw.
    assert all(abs(count - 100) < 42 for count in answers.values()), answers


@pytest.mark.parametrize("vip, port", [(VIP4, 7000), (VIP6, 7000), (DSR4, 7007), (DSR6, 7007)])
def test_udp_is_answered_by_every_container_from_the_vip(network, vip, port):
    answers = [udp_ask(network.client, vip, port, f"question {i}") for i in range(60)]
    assert {name for name, _, _ in answers} == {"c1", "c2", "c3"}
    assert [text for _, text, _ in answers] == [f"question {i}" for i in range(60)]
    assert {source for _, _, source in answers} == {vip}


@pytest.mark.parametrize("vip", VIPS)
def test_every_frame_of_a_nat_answer_has_the_vip_as_its_source(network, vip):
    with Sniffer(network.client) as sniffer:
        curl(network.client, vip)
        sniffer.wait(lambda frame: TCP in frame and frame[TCP].flags.F)
    frames = [frame for frame in sniffer.frames if TCP in frame]
    assert len(frames) >= 4
    assert {(ip_of(frame).src, frame[TCP].sport) for frame in frames} == {(vip, 80)}


@pytest.mark.parametrize("vip, port", [(VIP4, 80), (VIP6, 80), (DSR4, 8080), (DSR6, 8080)])
def test_the_ttl_stays_for_a_container_of_this_host(network, vip, port):
    with contextlib.ExitStack() as stack:
        sniffers = [stack.enter_context(Sniffer(host)) for host in network.servers]
        answered_by = int(curl(network.client, vip, port)[0][1:])
        (syn,) = sniffers[answered_by - 1].wait(
            lambda frame: TCP in frame and frame[TCP].flags == "S")
    assert hops_left(syn) == 64
    assert ip_of(syn).src == CLIENT_OF[vip]
