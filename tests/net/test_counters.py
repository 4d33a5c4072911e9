# SPDX-License-Identifier: GPL-2.0-or-later
"""What `show` counts is what was sent: frames of known number and size, written by scapy."""

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPOption_NOP, IPv6, Raw

from balancer import backend, config, service
from frames import Sniffer, send
from lab import wait_for
from topology import VIP4, VIP6, VIPS

# Nobody's addresses: no stack answers an answer, so that nothing is counted but what is sent here.
NOBODY4, NOBODY6 = "192.0.2.99", "2001:db8:1::99"


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="balanced")
def fixture_balanced(network, lbd):
    return lbd.start(config(
        service("web", VIPS, [backend("c1", *network.addresses(1))]),
        service("echo", VIPS, [backend("c1", *network.addresses(1), port=7007)],
                protocol="udp", ports=[7000])))


def to_vip(network, vip, transport):
    ip = IPv6(src=NOBODY6, dst=vip) if ":" in vip else IP(src=NOBODY4, dst=vip)
    return Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / ip / transport


def send_all(network, frames):
    """Sends them, and waits until the container has seen as many."""
    with Sniffer(network.servers[0]) as sniffer:
        for frame in frames:
            send(network.client, frame)
        sniffer.wait(lambda f: (TCP in f or UDP in f) and f.sport == frames[0].sport,
                     len(frames))


@pytest.mark.parametrize("vip, family", [(VIP4, 4), (VIP6, 6)])
def test_packets_bytes_and_new_flows_of_a_tcp_backend(network, balanced, vip, family):
    frames = [to_vip(network, vip, TCP(sport=30000, dport=80, flags=flags, seq=i) / Raw(b"x" * i))
              for i, flags in enumerate(["S", "S", "A", "PA", "SA", "FA", "R"])]
    send_all(network, frames)
    row, other = balanced.row("web/c1", family), balanced.row("web/c1", 10 - family)
    assert row["packets"] == len(frames)
    assert row["bytes"] == sum(map(len, frames))
    assert row["new_flows"] == 2  # SYNs; a SYN with ACK opens nothing
    assert (other["packets"], other["bytes"], other["new_flows"]) == (0, 0, 0)


@pytest.mark.parametrize("vip, family", [(VIP4, 4), (VIP6, 6)])
def test_packets_and_bytes_of_a_udp_backend(network, balanced, vip, family):
    frames = [to_vip(network, vip, UDP(sport=30000, dport=7000) / Raw(b"x" * i))
              for i in range(20)]
    send_all(network, frames)
    row = balanced.row("echo/c1", family)
    assert row["packets"] == 20
    assert row["bytes"] == sum(map(len, frames))
    assert row["new_flows"] is None


def test_verdicts_count_what_happened_to_each_packet(network, balanced):
    before = balanced.verdicts()
    fragment = to_vip(network, VIP4, UDP(sport=30000, dport=7000))
    fragment[IP].frag = 100  # nobody has seen its first
    options = to_vip(network, VIP4, TCP(sport=30000, dport=80))
    options[IP].options = [IPOption_NOP()] * 4
    sent = [(fragment, "DROP_FRAGMENT"), (options, "DROP_IPV4_OPTIONS"),
            (to_vip(network, VIP4, TCP(sport=30000, dport=80, flags="S")), "REDIRECT_NAT"),
            (to_vip(network, VIP6, UDP(sport=30000, dport=7000)), "REDIRECT_NAT"),
            (to_vip(network, VIP4, TCP(sport=30000, dport=81, flags="S")), "PASS_NOT_SERVICE")]
    for frame, _ in sent:
        send(network.client, frame)

    def as_sent():
        after = balanced.verdicts()
        return all(after[name] - before[name] == sum(verdict == name for _, verdict in sent)
                   for name in {verdict for _, verdict in sent})
    wait_for(as_sent, "the counts of what was sent")


def test_counters_survive_a_restart_and_start_at_zero_for_a_new_backend(network, balanced):
    frames = [to_vip(network, VIP4, UDP(sport=30000, dport=7000)) for _ in range(5)]
    send_all(network, frames)
    verdicts = balanced.verdicts()["REDIRECT_NAT"]
    assert balanced.stop() == 0
    send_all(network, frames)  # nobody is there, and it is counted all the same
    balanced.start()
    assert balanced.row("echo/c1")["packets"] == 10
    assert balanced.verdicts()["REDIRECT_NAT"] == verdicts + 5

    balanced.reload(config(
        service("web", VIPS, [backend("c1", *network.addresses(1))]),
        service("echo", VIPS, [backend("c2", *network.addresses(2), port=7007)],
                protocol="udp", ports=[7000])))
    assert balanced.row("echo/c2")["packets"] == 0
    assert balanced.verdicts()["REDIRECT_NAT"] == verdicts + 5  # those of c1 are not forgotten
