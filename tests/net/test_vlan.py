# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames with VLAN tags, on a host that has no VLAN interfaces of its own: the tags mean nothing to
it and stay. Real 802.1Q interfaces need a kernel that has them: see tests/qemu."""

import socket
import struct
import time

import pytest
from scapy.all import IP, UDP, Dot1AD, Dot1Q, Ether, IPv6, Raw

from balancer import backend, config, service
from frames import assert_checksums, ip_of, send
from lab import PATIENCE, wait_for
from topology import CLIENT4, CLIENT6, DSR4, DSR6, VIP4, VIP6

SOL_PACKET, PACKET_AUXDATA, ETH_P_ALL = 263, 8, 3
TP_STATUS_VLAN_VALID = 1 << 4


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    return make_module_balancer(network.edge).start(config(
        service("nat", (VIP4, VIP6), [backend("c1", *network.addresses(1), port=7007)],
                protocol="udp", ports=[7000]),
        service("dsr", (DSR4, DSR6), [backend("c2", *network.addresses(2), port=None)],
                protocol="udp", ports=[7007], forward="dsr")))


class TaggedSniffer:
    """Frames as they were on the wire: the kernel hands a tag beside the frame."""

    def __init__(self, namespace):
        self.sock = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind(("eth0", ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _read(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        data, extras, _, _ = self.sock.recvmsg(1 << 16, 256)
        for level, kind, value in extras:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, tci, tpid = struct.unpack_from("=I12xHH", value)
            if status & TP_STATUS_VLAN_VALID:
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return Ether(data)

    def wait(self, wanted):
        deadline = time.monotonic() + PATIENCE
        while True:
            frame = self._read(deadline - time.monotonic())
            if wanted(frame):
                return frame


TAGS = {
    "802.1Q": [(0x8100, 7, 5)],
    "802.1ad": [(0x88a8, 9, 0)],
    "802.1Q in 802.1ad": [(0x88a8, 9, 1), (0x8100, 7, 5)],
    "802.1Q in 802.1Q": [(0x8100, 9, 0), (0x8100, 7, 3)],
}


def tagged(network, tags, packet):
    frame = Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0"))
    for tpid, vlan, priority in tags:
        frame /= (Dot1AD if tpid == 0x88a8 else Dot1Q)(vlan=vlan, prio=priority)
    return Ether(bytes(frame / packet))


def tags_of(frame):
    found, protocol, layer = [], frame.type, frame.payload
    while isinstance(layer, (Dot1Q, Dot1AD)):
        found.append((protocol, layer.vlan, layer.prio))
        protocol, layer = layer.type, layer.payload
    return found


def packet_to(vip, port, sport):
    ip = IPv6(src=CLIENT6, dst=vip) if ":" in vip else IP(src=CLIENT4, dst=vip)
    return ip / UDP(sport=sport, dport=port) / Raw(b"tagged")


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("mode", ["nat", "dsr"])
def test_tags_stay_as_they_came(network, balanced, mode, tags, family):
    number, vip, port = (1, (VIP4, VIP6)[family], 7000) if mode == "nat" else \
        (2, (DSR4, DSR6)[family], 7007)
    before = balanced.verdicts()[f"REDIRECT_{mode.upper()}"]
    with TaggedSniffer(network.servers[number - 1]) as sniffer:
        send(network.client, tagged(network, TAGS[tags], packet_to(vip, port, 34567)))
        frame = sniffer.wait(lambda f: UDP in f and f[UDP].sport == 34567)
    assert tags_of(frame) == TAGS[tags]
    assert ip_of(frame).dst == (network.addresses(1)[family] if mode == "nat" else vip)
    assert frame[UDP].dport == 7007
    assert_checksums(frame)
    assert balanced.verdicts()[f"REDIRECT_{mode.upper()}"] == before + 1


def test_three_tags_are_not_walked_through(network, balanced):
    before = balanced.verdicts()["PASS_NOT_IP"]
    send(network.client, tagged(network, [(0x8100, 1, 0), (0x8100, 2, 0), (0x8100, 3, 0)],
                                packet_to(VIP4, 7000, 34568)))
    wait_for(lambda: balanced.verdicts()["PASS_NOT_IP"] > before, "PASS_NOT_IP")
