# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's generators send: sizes, flows, services and addresses of the bench's matrix, as
values. Used by the TRex profiles and by lb-conf; the pktgen script says the same in shell, which
tests/bench/test_lab.py holds against this. Clients are 10.0.0.0/12 with the flow in the lower 20
bits (IPv6: of the last 32) and backends in 10.64.0.0/12 and fd00::/64, as in the bench; vips of
192.0.2.0/24 and 2001:db8::/64."""
import collections

FCS = 4  # bytes of a frame that its sender does not write; sizes count them, as on the wire
SIZES = {"64": [(64, 1)], "512": [(512, 1)], "1500": [(1500, 1)],
         "imix": [(64, 7), (594, 4), (1518, 1)]}  # (bytes, share of packets)

FLOWS = {"1": 1, "64k": 1 << 16, "1M": 1 << 20}
CLIENT = 0x0A000000
CLIENT6_PREFIX = "2001:db8:100::"
SOURCE_PORT = 1024
SOURCE_PORTS = 1 << 15

FORWARDS = ("nat", "dsr", "ipip", "gue")  # the vip's number is 1 and on, by enum config_forward
VIP4, VIP6_PREFIX = 0xC0000200, "2001:db8::"
BACKEND, BACKEND6_PREFIX = 0x0A400000, "fd00::"
PORT = 80
BACKEND_PORT = 8000  # and the service's port: of nat's backends
# A thousand services: each port of each vip is one.
SERVICES = {"1": (1, 1), "1000": (200, 5)}  # (vips, ports)

ZIPF_MAX = 3.0

# Flows that are sent in turn, one packet each. Client, source port and vip advance together: since
# one count divides the other, `clients` packets are as many flows, and the next is the first again.
Run = collections.namedtuple("Run", "client clients ports vip vips port share")


class Contradiction(ValueError):
    """What was asked for cannot be sent; the text says why."""


def address4(value):
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def vip_first(forward, services):
    """The number of the first vip. One service has the vip of its forward, as in the bench."""
    return 1 if services == "1000" else 1 + FORWARDS.index(forward)


def services_list(forward, services):
    """(vip's number, port) of each service."""
    vips, ports = SERVICES[services]
    first = vip_first(forward, services)
    return [(first + vip, PORT + port) for port in range(ports) for vip in range(vips)]


def zipf_classes(flows, exponent):
    """Ranks 1 to `flows` in classes 1, 2, 3 to 4, 5 to 8, ...: (first rank, count, share). Within a
    class every flow is equal, so that a generator needs 21 streams for a million flows."""
    classes, first = [], 1
    while first <= flows:
        count = max(first - 1, 1)
        weight = sum(rank ** -exponent for rank in range(first, first + count))
        classes.append((first, count, weight))
        first += count
    whole = sum(weight for _, _, weight in classes)
    return [(first, count, weight / whole) for first, count, weight in classes]


def runs_of_zipf(flows, exponent, vip):
    if flows == 1:
        raise Contradiction("one flow has no distribution")
    return [Run(CLIENT + first - 1, count, min(count, SOURCE_PORTS), vip, 1, PORT, share)
            for first, count, share in zipf_classes(flows, exponent)]


def runs(flows, forward="dsr", services="1", zipf=0.0):
    """The runs of one point of the matrix. With a thousand services the flows are rounded down to a
    multiple of them: 1,048,000 of 1,048,576."""
    vip = vip_first(forward, services)
    vips, ports = SERVICES[services]
    if zipf:
        if vips > 1:
            raise Contradiction("zipf is for one service: its first flows are too few for more")
        return runs_of_zipf(flows, zipf, vip)
    if vips == 1:
        return [Run(CLIENT, flows, min(flows, SOURCE_PORTS), vip, 1, PORT, 1.0)]
    clients = flows // ports // vips * vips
    if not clients:
        raise Contradiction(f"{flows} flows are too few for {vips * ports} services")
    return [Run(CLIENT + port * clients, clients, vips, vip, vips, PORT + port, 1 / ports)
            for port in range(ports)]
