# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks that the tests run on. In each, `edge` is the host with lbd on it, and `client`
is where requests come from.

    Bridged    client ── front0 edge br0 ─┬─ c1        Containers behind a bridge, as Docker
                                          ├─ c2        has them.
                                          └─ c3
    Routed     client ── front0 edge ─┬─ v1 ── c1      Each container on a veth of its own: c1 in
                                      ├─ v2 ── c2      a small subnet, c2 with nothing but its
                                      └─ v3 ── c3      address (/32, /128), c3 as c1.

    OnTheLink  client ── router ─┬─ front0 edge front1 ─┬─ h3
                                 ├─ h1                  └─ h4
                                 └─ h2                  Other hosts, seen by one or two cards.

    Far        OnTheLink, and behind r2 on front0's link hosts f1 and f2 with the vips of FARS on lo:
               what is encapsulated gets there, and answers past the edge host.
"""

import foreign

VIP4, VIP6 = "203.0.113.10", "2001:db8::10"
VIPS = (VIP4, VIP6)
DSR4, DSR6 = "203.0.113.20", "2001:db8::20"
DSRS = (DSR4, DSR6)
CLIENT4, CLIENT6 = "192.0.2.10", "2001:db8:1::10"


NETWORKS6 = ("fd03::", "fd03:1::")  # of the two links


def like_a_wire(host, dev="eth0"):
    """Complete checksums (a veth's are partial, and XDP forwards them as they are), and NAPI for
    what XDP sends to this end: a veth as a stand-in for a network card."""
    host.ethtool(dev, "tx", "off", "gro", "on")


def forwarding(host):
    host.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


def vip_on_lo(host, *vips):
    """As a DSR backend has it: the vip is its own, and it never says so on the link."""
    host.sysctl("net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
    host.ip(*(f"addr add {vip}/{128 if ':' in vip else 32} dev lo" for vip in vips))


class FrontClient:
    """client and edge, joined by eth0 and front0."""

    def __init__(self, lab):
        self.lab = lab
        self.client = lab.namespace("client")
        self.edge = lab.namespace("edge")
        forwarding(self.edge)
        self.front_make()

    def front_make(self):
        self.lab.veth(self.edge, "front0", self.client, "eth0")
        self.edge.ip("addr add 192.0.2.1/24 dev front0",
                     "addr add 2001:db8:1::1/64 dev front0", "link set front0 up")
        self.client.ip(f"addr add {CLIENT4}/24 dev eth0", f"addr add {CLIENT6}/64 dev eth0",
                       "link set eth0 up", "route add default via 192.0.2.1",
                       "route add default via 2001:db8:1::1")
        like_a_wire(self.client)


class Bridged(FrontClient):
    """Containers c1, c2, … are 10.1.0.2, 10.1.0.3, … and fd00::2, fd00::3, …"""

    def __init__(self, lab, containers=3):
        super().__init__(lab)
        self.edge.ip("link add br0 type bridge mcast_snooping 0", "addr add 10.1.0.1/24 dev br0",
                     "addr add fd00::1/64 dev br0", "link set br0 up")
        self.servers = [self.container(i + 1) for i in range(containers)]

    @staticmethod
    def addresses(number):
        return f"10.1.0.{number + 1}", f"fd00::{number + 1}"

    def container(self, number):
        host = self.lab.namespace(f"c{number}")
        self.attach(host, number)
        return host

    def attach(self, host, number):
        """Gives the container its veth; again, after the old one went away."""
        self.lab.veth(self.edge, f"v{number}", host, "eth0")
        self.edge.ip(f"link set v{number} master br0 up")
        self.open(host, number)

    def open(self, host, number):
        """Brings the container's end up, with its addresses and routes."""
        address4, address6 = self.addresses(number)
        host.ip("addr flush dev eth0",
                f"addr add {address4}/24 dev eth0", f"addr add {address6}/64 dev eth0",
                "link set eth0 up", "route add default via 10.1.0.1",
                "route add default via fd00::1")


class Routed(FrontClient):
    """Containers are 10.2.N.2 and fd00:N::2."""

    def __init__(self, lab):
        super().__init__(lab)
        self.servers = [lab.namespace(f"c{number}") for number in (1, 2, 3)]
        for number, host in enumerate(self.servers, 1):
            lab.veth(self.edge, f"v{number}", host, "eth0")
            self.edge.ip(f"link set v{number} up")
            host.ip("link set eth0 up")
        self.subnet(1)
        self.single_address(2)
        self.subnet(3)

    @staticmethod
    def addresses(number):
        return f"10.2.{number}.2", f"fd00:{number}::2"

    def subnet(self, number):
        self.edge.ip(f"addr add 10.2.{number}.1/30 dev v{number}",
                     f"addr add fd00:{number}::1/64 dev v{number}")
        self.servers[number - 1].ip(f"addr add 10.2.{number}.2/30 dev eth0",
                                       f"addr add fd00:{number}::2/64 dev eth0",
                                       f"route add default via 10.2.{number}.1",
                                       f"route add default via fd00:{number}::1")

    def single_address(self, number):
        self.edge.ip(f"route add 10.2.{number}.2/32 dev v{number}",
                     f"route add fd00:{number}::2/128 dev v{number}",
                     f"addr add 169.254.1.1/32 dev v{number}",
                     f"addr add fe80::1/64 dev v{number}")
        self.servers[number - 1].ip(f"addr add 10.2.{number}.2/32 dev eth0",
                                       f"addr add fd00:{number}::2/128 dev eth0",
                                       "route add 169.254.1.1/32 dev eth0 scope link",
                                       "route add default via 169.254.1.1",
                                       "route add default via fe80::1 dev eth0")


class OnTheLink:
    """Hosts h1, h2 are on front0's link with the router, h3, h4 on front1's. Their default route
    is the edge host, as NAT wants it; DSR hosts answer by the same way."""

    def __init__(self, lab):
        self.lab = lab
        self.client, self.router, self.edge = map(lab.namespace, ("client", "router", "edge"))
        for host in (self.router, self.edge):
            forwarding(host)
        lab.veth(self.router, "downlink", self.client, "eth0")
        self.client.ip(f"addr add {CLIENT4}/24 dev eth0", f"addr add {CLIENT6}/64 dev eth0",
                       "link set eth0 up", "route add default via 192.0.2.1",
                       "route add default via 2001:db8:1::1")
        like_a_wire(self.client)
        self.links = [lab.namespace("link0"), lab.namespace("link1")]
        for link in self.links:
            link.ip("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        self.plug(self.router, "uplink", 0, 254)
        self.plug(self.edge, "front0", 0, 1)
        self.plug(self.edge, "front1", 1, 1)
        self.router.ip("addr add 192.0.2.1/24 dev downlink",
                       "addr add 2001:db8:1::1/64 dev downlink",
                       "link set downlink up", "route add default via 10.3.0.1",
                       "route add default via fd03::1")
        self.edge.ip("route add default via 10.3.0.254", "route add default via fd03::254")
        self.servers = [self.host(number) for number in (1, 2, 3, 4)]

    @staticmethod
    def addresses(number):
        link = (number - 1) // 2
        return f"10.3.{link}.{10 + number}", f"{NETWORKS6[link]}{10 + number}"

    def plug(self, host, dev, link, last):
        """One end at the host, the other at the link's bridge. A program on that end: without
        one the kernel's veth lets what the other end answers with XDP_TX lie in its ring."""
        port = f"p-{host.label}"
        self.lab.veth(host, dev, self.links[link], port)
        like_a_wire(self.links[link], port)
        self.links[link].ip(f"link set {port} master br0 up")
        foreign.attach(self.links[link], port)
        host.ip(f"addr add 10.3.{link}.{last}/24 dev {dev}",
                f"addr add {NETWORKS6[link]}{last}/64 dev {dev}", f"link set {dev} up")
        like_a_wire(host, dev)

    def host(self, number):
        host = self.lab.namespace(f"h{number}")
        link = (number - 1) // 2
        self.plug(host, "eth0", link, 10 + number)
        host.ip(f"route add default via 10.3.{link}.1",
                f"route add default via {NETWORKS6[link]}1")
        return host


IPIP4, IPIP6 = ("203.0.113.41", "2001:db8::41"), ("203.0.113.42", "2001:db8::42")
GUE4, GUE6 = ("203.0.113.43", "2001:db8::43"), ("203.0.113.44", "2001:db8::44")
PAIR = ("203.0.113.45", "2001:db8::45")
FARS = (IPIP4, IPIP6, GUE4, GUE6, PAIR)
FAR_ADDRESSES = {1: ("10.4.1.2", "fd04:1::2"), 2: ("10.4.2.2", "fd04:2::2")}


class Far(OnTheLink):
    """f1 is 10.4.1.2 and fd04:1::2, f2 likewise; each on a link of its own with r2."""

    def __init__(self, lab):
        super().__init__(lab)
        self.r2 = lab.namespace("r2")
        forwarding(self.r2)
        self.plug(self.r2, "uplink", 0, 253)
        self.r2.ip("route add default via 10.3.0.254", "route add default via fd03::254")
        self.edge.ip("route add 10.4.0.0/16 via 10.3.0.253", "route add fd04::/16 via fd03::253")
        self.router.ip("route add 10.4.0.0/16 via 10.3.0.253", "route add fd04::/16 via fd03::253")
        self.fars = [self.far(number) for number in (1, 2)]
        self.servers += self.fars

    def far(self, number):
        host = self.lab.namespace(f"f{number}")
        address4, address6 = FAR_ADDRESSES[number]
        self.lab.veth(self.r2, f"far{number}", host, "eth0")
        self.r2.ip(f"addr add 10.4.{number}.1/24 dev far{number}",
                   f"addr add fd04:{number}::1/64 dev far{number}", f"link set far{number} up")
        like_a_wire(self.r2, f"far{number}")
        host.ip(f"addr add {address4}/24 dev eth0", f"addr add {address6}/64 dev eth0",
                "link set eth0 up", f"route add default via 10.4.{number}.1",
                f"route add default via fd04:{number}::1")
        like_a_wire(host)
        for vips in FARS:
            vip_on_lo(host, *vips)
        return host
