/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The next hop of a backend, from views made by hand: one host with a front eth0, a bridge br0
 * with two containers, a container of its own behind veth-c, and a tunnel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/watch/nexthop.h"
#include "xdp/lb_abi.h"

enum { LO = 1, ETH0, BR0, VETH_A, VETH_B, VETH_C, WG0, VETH_DOWN, ETH1, VETH_FRONT, BR1,
       ETH0_V7, ETH1_V8, ETH0_V7_V9, BR0_V5 };

#define MAC(last) { 0x02, 0, 0, 0, 0, last }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct net_link links[] = {
	{ .ifindex = LO, .name = "lo", .kind = NET_LOOPBACK, .up = true },
	{ .ifindex = ETH0, .name = "eth0", .up = true, .ethernet = true, .mac = MAC(ETH0) },
	{ .ifindex = BR0, .name = "br0", .kind = NET_BRIDGE, .up = true, .ethernet = true,
	  .mac = MAC(BR0) },
	{ .ifindex = VETH_A, .name = "veth-a", .kind = NET_VETH, .up = true, .ethernet = true,
	  .mac = MAC(VETH_A), .master = BR0 },
	{ .ifindex = VETH_B, .name = "veth-b", .kind = NET_VETH, .up = false, .ethernet = true,
	  .mac = MAC(VETH_B), .master = BR0 },
	{ .ifindex = VETH_C, .name = "veth-c", .kind = NET_VETH, .up = true, .ethernet = true,
	  .mac = MAC(VETH_C) },
	{ .ifindex = WG0, .name = "wg0", .up = true },
	{ .ifindex = VETH_DOWN, .name = "veth-d", .kind = NET_VETH, .ethernet = true },
	{ .ifindex = ETH1, .name = "eth1", .up = true, .ethernet = true, .mac = MAC(ETH1),
	  .master = 77 /* a bond that is not in the view */ },
	{ .ifindex = VETH_FRONT, .name = "veth-f", .kind = NET_VETH, .up = true, .ethernet = true,
	  .mac = MAC(VETH_FRONT) },
	{ .ifindex = BR1, .name = "br1", .kind = NET_BRIDGE, .ethernet = true, .mac = MAC(BR1) },
	{ .ifindex = ETH0_V7, .name = "eth0.7", .kind = NET_VLAN, .up = true, .ethernet = true,
	  .mac = MAC(ETH0), .parent = ETH0, .vlan = 7 },
	{ .ifindex = ETH1_V8, .name = "eth1.8", .kind = NET_VLAN, .up = true, .ethernet = true,
	  .mac = MAC(ETH1), .parent = ETH1, .vlan = 8 },
	{ .ifindex = ETH0_V7_V9, .name = "eth0.7.9", .kind = NET_VLAN, .up = true,
	  .ethernet = true, .mac = MAC(ETH0), .parent = ETH0_V7, .vlan = 9 },
	{ .ifindex = BR0_V5, .name = "br0.5", .kind = NET_VLAN, .up = true, .ethernet = true,
	  .mac = MAC(BR0), .parent = BR0, .vlan = 5 },
};

static const struct {
	unsigned int ifindex;
	const char *addr;
	unsigned char last; /* of the MAC */
	bool usable, failed;
} neighbours[] = {
	{ BR0, "10.1.0.2", 0xa1, true, false },
	{ BR0, "fd00::2", 0xa1, true, false },
	{ BR0, "10.1.0.3", 0xb1, true, false },		/* behind veth-b, which is down */
	{ BR0, "10.1.0.4", 0xee, true, false },		/* a MAC that no port has shown */
	{ BR0, "10.1.0.5", BR0, true, false },		/* the bridge's own */
	{ BR0, "10.1.0.6", 0, false, true },
	{ BR0, "10.1.0.7", 0, false, false },		/* incomplete */
	{ BR0, "10.1.0.8", 0xa2, true, false },		/* in the table twice, one port is gone */
	{ VETH_C, "10.2.0.2", 0xc1, true, false },
	{ ETH0, "192.0.2.1", 0x01, true, false },
	{ ETH0, "fe80::1", 0x01, true, false },
	{ ETH0, "192.0.2.9", 0x09, true, false },
	{ ETH1, "198.51.100.2", 0x12, true, false },
	{ VETH_FRONT, "203.0.113.2", 0xf2, true, false },
	{ ETH0_V7, "10.7.0.2", 0x72, true, false },
	{ ETH1_V8, "10.8.0.2", 0x82, true, false },
	{ ETH0_V7_V9, "10.9.0.2", 0x92, true, false },
	{ BR0_V5, "10.5.0.2", 0x52, true, false },
	{ VETH_C, "192.0.2.50", 0xc5, true, false },	/* where eth0 is asked, not this one */
};

static struct net_fdb_entry fdb[] = {
	{ BR0, BR0, MAC(BR0), true },
	{ BR1, VETH_C, MAC(0xa1), false },		/* the same MAC behind another bridge */
	{ BR0, VETH_A, MAC(0xa1), false },
	{ BR0, VETH_B, MAC(0xb1), false },
	{ BR0, 99, MAC(0xa2), false },
	{ BR0, VETH_A, MAC(0xa2), false },
	{ BR0, VETH_C, MAC(0xee), false },		/* veth-c has left the bridge */
};

static const unsigned char given_mac[6] = MAC(0xa1);
static const unsigned char unknown_mac[6] = MAC(0x77);

struct row {
	const char *sentence;
	const char *backend;
	unsigned int route;	/* ifindex; 0: route_err */
	int route_err;
	const char *gateway;
	bool local;
	const unsigned char *mac;
	const char *interface;

	const char *want_reason; /* NULL: there is a hop */
	unsigned int want_ifindex, want_via;
	unsigned char want_dst, want_src;
	bool want_local;
	const char *want_neighbour; /* NULL: the backend */
};

static const struct row rows[] = {
	{ .sentence = "a container behind a bridge is reached by the bridge's port",
	  .backend = "10.1.0.2", .route = BR0, .want_ifindex = VETH_A, .want_via = BR0,
	  .want_dst = 0xa1, .want_src = BR0, .want_local = true },
	{ .sentence = "so it is over IPv6",
	  .backend = "fd00::2", .route = BR0, .want_ifindex = VETH_A, .want_via = BR0,
	  .want_dst = 0xa1, .want_src = BR0, .want_local = true },
	{ .sentence = "a container with a veth of its own gets frames from that veth's MAC",
	  .backend = "10.2.0.2", .route = VETH_C, .want_ifindex = VETH_C, .want_via = VETH_C,
	  .want_dst = 0xc1, .want_src = VETH_C, .want_local = true },
	{ .sentence = "a host on the front's link is not local",
	  .backend = "192.0.2.9", .route = ETH0, .want_ifindex = ETH0, .want_via = ETH0,
	  .want_dst = 0x09, .want_src = ETH0 },
	{ .sentence = "behind a gateway the MAC is the gateway's",
	  .backend = "198.51.100.77", .route = ETH0, .gateway = "192.0.2.1",
	  .want_ifindex = ETH0, .want_via = ETH0, .want_dst = 0x01, .want_src = ETH0,
	  .want_neighbour = "192.0.2.1" },
	{ .sentence = "an IPv4 backend behind an IPv6 gateway",
	  .backend = "198.51.100.77", .route = ETH0, .gateway = "fe80::1",
	  .want_ifindex = ETH0, .want_via = ETH0, .want_dst = 0x01, .want_src = ETH0,
	  .want_neighbour = "fe80::1" },
	{ .sentence = "a bond's member is itself: only bridges keep neighbours for their ports",
	  .backend = "198.51.100.2", .route = ETH1, .want_ifindex = ETH1, .want_via = ETH1,
	  .want_dst = 0x12, .want_src = ETH1 },
	{ .sentence = "a veth that is a front has no container behind it",
	  .backend = "203.0.113.2", .route = VETH_FRONT, .want_ifindex = VETH_FRONT,
	  .want_via = VETH_FRONT, .want_dst = 0xf2, .want_src = VETH_FRONT },
	{ .sentence = "of two entries for a MAC the one whose port exists counts",
	  .backend = "10.1.0.8", .route = BR0, .want_ifindex = VETH_A, .want_via = BR0,
	  .want_dst = 0xa2, .want_src = BR0, .want_local = true },

	{ .sentence = "a given interface and MAC need neither route nor neighbour",
	  .backend = "10.9.9.9", .route_err = -ENETUNREACH, .mac = given_mac,
	  .interface = "veth-c", .want_ifindex = VETH_C, .want_via = VETH_C, .want_dst = 0xa1,
	  .want_src = VETH_C, .want_local = true },
	{ .sentence = "a given bridge still needs the port of the given MAC",
	  .backend = "10.9.9.9", .route_err = -ENETUNREACH, .mac = given_mac,
	  .interface = "br0", .want_ifindex = VETH_A, .want_via = BR0, .want_dst = 0xa1,
	  .want_src = BR0, .want_local = true },
	{ .sentence = "a given MAC that the bridge has not seen",
	  .backend = "10.9.9.9", .route_err = -ENETUNREACH, .mac = unknown_mac,
	  .interface = "br0", .want_via = BR0,
	  .want_reason = "bridge br0 does not know behind which port 02:00:00:00:00:77 is" },
	{ .sentence = "a given MAC alone takes the route's interface",
	  .backend = "192.0.2.200", .route = ETH0, .mac = given_mac, .want_ifindex = ETH0,
	  .want_via = ETH0, .want_dst = 0xa1, .want_src = ETH0 },
	{ .sentence = "a given MAC alone does not make up for a missing route",
	  .backend = "192.0.2.200", .route_err = -ENETUNREACH, .mac = given_mac,
	  .want_reason = "no route to 192.0.2.200" },
	{ .sentence = "a given interface alone asks its neighbours for the backend itself",
	  .backend = "192.0.2.50", .route = ETH0, .interface = "veth-c", .want_ifindex = VETH_C,
	  .want_via = VETH_C, .want_dst = 0xc5, .want_src = VETH_C, .want_local = true },
	{ .sentence = "not for a gateway that is elsewhere",
	  .backend = "192.0.2.50", .route = ETH0, .gateway = "192.0.2.1", .interface = "veth-c",
	  .want_ifindex = VETH_C, .want_via = VETH_C, .want_dst = 0xc5, .want_src = VETH_C,
	  .want_local = true },
	{ .sentence = "but for the gateway if the route leaves there too",
	  .backend = "198.51.100.77", .route = ETH0, .gateway = "192.0.2.1", .interface = "eth0",
	  .want_ifindex = ETH0, .want_via = ETH0, .want_dst = 0x01, .want_src = ETH0,
	  .want_neighbour = "192.0.2.1" },
	{ .sentence = "a given port of a bridge has the bridge's neighbours",
	  .backend = "10.1.0.4", .route = BR0, .interface = "veth-a", .want_ifindex = VETH_A,
	  .want_via = BR0, .want_dst = 0xee, .want_src = BR0, .want_local = true },

	{ .sentence = "an address of this host", .backend = "192.0.2.10", .route = LO,
	  .local = true, .want_reason = "192.0.2.10 is an address of this host" },
	{ .sentence = "it is one too if the route says so first",
	  .backend = "127.0.0.9", .route = LO, .local = true,
	  .want_reason = "127.0.0.9 is an address of this host" },
	{ .sentence = "and if an interface is given",
	  .backend = "192.0.2.10", .route_err = -ENETUNREACH, .interface = "eth0",
	  .mac = given_mac, .want_reason = "192.0.2.10 is an address of this host" },
	{ .sentence = "no route", .backend = "10.1.0.2", .route_err = -ENETUNREACH,
	  .want_reason = "no route to 10.1.0.2" },
	{ .sentence = "a route that MACs alone cannot follow", .backend = "fd00::2",
	  .route_err = -EOPNOTSUPP,
	  .want_reason = "the route to fd00::2 cannot be used: Operation not supported" },
	{ .sentence = "a route over an interface that the view does not have yet",
	  .backend = "10.1.0.2", .route = 42,
	  .want_reason = "the interface of the route to 10.1.0.2 is gone" },
	{ .sentence = "a given interface that does not exist", .backend = "10.1.0.2",
	  .route = BR0, .interface = "eth9", .want_reason = "interface eth9 does not exist" },
	{ .sentence = "an interface that is down", .backend = "10.3.0.2", .route = VETH_DOWN,
	  .want_via = VETH_DOWN, .want_reason = "veth-d is down" },
	{ .sentence = "a bridge that is down", .backend = "10.3.0.2", .route = BR1,
	  .want_via = BR1, .want_reason = "br1 is down" },
	{ .sentence = "an interface without MACs", .backend = "10.4.0.2", .route = WG0,
	  .want_via = WG0, .want_reason = "wg0 is not Ethernet" },
	{ .sentence = "the loopback has none either", .backend = "10.4.0.2", .route = LO,
	  .want_via = LO, .want_reason = "lo is not Ethernet" },
	{ .sentence = "a neighbour that nobody asked for yet", .backend = "10.1.0.99",
	  .route = BR0, .want_via = BR0, .want_reason = "no neighbour for 10.1.0.99 on br0" },
	{ .sentence = "a neighbour that is being asked", .backend = "10.1.0.7", .route = BR0,
	  .want_via = BR0, .want_reason = "no neighbour for 10.1.0.7 on br0" },
	{ .sentence = "a neighbour that does not answer", .backend = "10.1.0.6", .route = BR0,
	  .want_via = BR0,
	  .want_reason = "no neighbour for 10.1.0.6 on br0, it does not answer" },
	{ .sentence = "a gateway that is no neighbour yet", .backend = "198.51.100.77",
	  .route = ETH0, .gateway = "192.0.2.2", .want_via = ETH0,
	  .want_neighbour = "192.0.2.2",
	  .want_reason = "no neighbour for 192.0.2.2 on eth0" },
	{ .sentence = "a neighbour on another interface does not count", .backend = "10.2.0.2",
	  .route = ETH0, .want_via = ETH0, .want_reason = "no neighbour for 10.2.0.2 on eth0" },
	{ .sentence = "a port that is down", .backend = "10.1.0.3", .route = BR0,
	  .want_via = BR0, .want_reason = "veth-b is down" },
	{ .sentence = "a given port that is down", .backend = "10.1.0.3", .route = BR0,
	  .interface = "veth-b", .want_via = BR0, .want_reason = "veth-b is down" },
	{ .sentence = "an entry for a port that has left the bridge is nothing",
	  .backend = "10.1.0.4", .route = BR0, .want_via = BR0,
	  .want_reason = "bridge br0 does not know behind which port 02:00:00:00:00:ee is" },
	{ .sentence = "a MAC that is the bridge's own", .backend = "10.1.0.5", .route = BR0,
	  .want_via = BR0, .want_reason = "02:00:00:00:00:03 is bridge br0 itself" },
};

static struct addr parsed(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void check_row(const struct row *row, const struct net_view *view)
{
	static const unsigned int fronts[] = { ETH0, VETH_FRONT };
	struct addr backend = parsed(row->backend);
	struct addr neighbour = parsed(row->want_neighbour ? row->want_neighbour : row->backend);
	struct net_route route = { .ifindex = row->route, .local = row->local };
	char reason[NEXT_HOP_REASON_MAX];
	struct next_hop hop;
	int err;

	if (row->gateway) {
		route.has_gateway = true;
		route.gateway = parsed(row->gateway);
	}
	print_message("  %s\n", row->sentence);
	memset(&hop, 0xff, sizeof(hop));
	err = next_hop_find(view, &backend, &route, row->route_err, row->mac, row->interface,
			    fronts, COUNT(fronts), &hop, reason);
	assert_string_equal(reason, row->want_reason ? row->want_reason : "");
	assert_int_equal(err, row->want_reason ? -EHOSTUNREACH : 0);
	assert_int_equal(hop.via, row->want_via);
	assert_true(addr_equal(&hop.neighbour, &neighbour));
	assert_int_equal(hop.ifindex, row->want_ifindex);
	if (row->want_reason)
		return;
	assert_string_equal(hop.device, links[row->want_ifindex - 1].name);
	assert_memory_equal(hop.dst_mac, ((unsigned char[])MAC(row->want_dst)), 6);
	assert_memory_equal(hop.src_mac, ((unsigned char[])MAC(row->want_src)), 6);
	assert_int_equal(hop.local, row->want_local);
}

static void every_row_finds_its_hop_or_its_reason(void **state)
{
	struct net_neighbour list[COUNT(neighbours)] = { 0 };
	struct net_address addresses[] = { { .ifindex = ETH0, .addr = parsed("192.0.2.10") } };
	struct net_view view = {
		.links = links, .link_count = COUNT(links),
		.addresses = addresses, .address_count = COUNT(addresses),
		.neighbours = list, .neighbour_count = COUNT(list),
		.fdb = fdb, .fdb_count = COUNT(fdb),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++)
		list[i] = (struct net_neighbour){
			.ifindex = neighbours[i].ifindex, .addr = parsed(neighbours[i].addr),
			.mac = MAC(neighbours[i].last), .usable = neighbours[i].usable,
			.failed = neighbours[i].failed,
		};
	qsort(list, COUNT(list), sizeof(*list), net_neighbour_compare);
	qsort(fdb, COUNT(fdb), sizeof(*fdb), net_fdb_compare);
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i], &view);
}

/* ---- VLANs, sources, MTUs ------------------------------------------------------------------- */

static struct net_neighbour vlan_neighbours[COUNT(neighbours)];

static struct net_view vlan_view(size_t link_count)
{
	static struct net_address addresses[3];

	addresses[0] = (struct net_address){ .ifindex = ETH0, .addr = parsed("fe80::9") };
	addresses[1] = (struct net_address){ .ifindex = ETH0, .addr = parsed("192.0.2.10"),
					     .global = true };
	addresses[2] = (struct net_address){ .ifindex = ETH0, .addr = parsed("2001:db8::10"),
					     .global = true };
	for (size_t i = 0; i < COUNT(neighbours); i++)
		vlan_neighbours[i] = (struct net_neighbour){
			.ifindex = neighbours[i].ifindex, .addr = parsed(neighbours[i].addr),
			.mac = MAC(neighbours[i].last), .usable = neighbours[i].usable,
		};
	qsort(vlan_neighbours, COUNT(neighbours), sizeof(*vlan_neighbours),
	      net_neighbour_compare);
	qsort(fdb, COUNT(fdb), sizeof(*fdb), net_fdb_compare);
	return (struct net_view){ .links = links, .link_count = link_count,
				  .addresses = addresses, .address_count = COUNT(addresses),
				  .neighbours = vlan_neighbours,
				  .neighbour_count = COUNT(neighbours),
				  .fdb = fdb, .fdb_count = COUNT(fdb) };
}

static const struct vlan_row {
	const char *sentence, *backend;
	unsigned int route, front;
	bool vlans;		/* this host has VLAN interfaces */
	unsigned int want_ifindex, want_vlan;
	const char *want_reason;
} vlan_rows[] = {
	{ "without VLANs tags mean nothing", "192.0.2.9", ETH0, ETH0, false, ETH0, LB_VLAN_KEEP,
	  NULL },
	{ "where a front carries VLANs the rest is untagged", "192.0.2.9", ETH0, ETH0, true, ETH0,
	  LB_VLAN_NONE, NULL },
	{ "a container too", "10.2.0.2", VETH_C, ETH0, true, VETH_C, LB_VLAN_NONE, NULL },
	{ "VLANs that no front carries", "192.0.2.9", ETH0, VETH_FRONT, true, ETH0, LB_VLAN_KEEP,
	  NULL },
	{ "by a VLAN of the front", "10.7.0.2", ETH0_V7, ETH0, true, ETH0, 7, NULL },
	{ "by a VLAN of another card", "10.8.0.2", ETH1_V8, ETH0, true, ETH1, 8, NULL },
	{ "a VLAN interface that is a front itself, and carries another", "10.7.0.2", ETH0_V7,
	  ETH0_V7, true, ETH0_V7, LB_VLAN_NONE, NULL },
	{ "a VLAN in a VLAN", "10.9.0.2", ETH0_V7_V9, ETH0, true, 0, 0,
	  "eth0.7.9 is a VLAN on the VLAN eth0.7, which XDP cannot send into" },
	{ "a VLAN of a bridge", "10.5.0.2", BR0_V5, ETH0, true, 0, 0,
	  "br0.5 is a VLAN on the bridge br0, which XDP cannot send into" },
};

static void a_vlan_interface_leads_to_its_carrier_with_a_tag(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vlan_rows); i++) {
		const struct vlan_row *row = &vlan_rows[i];
		struct net_view view = vlan_view(row->vlans ? COUNT(links) : ETH0_V7 - 1);
		struct addr backend = parsed(row->backend);
		struct net_route route = { .ifindex = row->route };
		char reason[NEXT_HOP_REASON_MAX];
		struct next_hop hop;

		print_message("  %s\n", row->sentence);
		next_hop_find(&view, &backend, &route, 0, NULL, NULL, &row->front, 1, &hop, reason);
		assert_string_equal(reason, row->want_reason ? row->want_reason : "");
		assert_int_equal(hop.ifindex, row->want_ifindex);
		if (row->want_reason)
			continue;
		assert_int_equal(hop.vlan, row->want_vlan);
		assert_int_equal(hop.via, row->route);
		assert_string_equal(hop.device, links[row->want_ifindex - 1].name);
	}
}

static void the_source_is_the_routes_or_the_interfaces(void **state)
{
	struct net_view view = vlan_view(COUNT(links));
	struct addr backend = parsed("192.0.2.9"), route_source = parsed("198.51.100.1");
	struct addr backend6 = parsed("fe80::1"), first = parsed("192.0.2.10");
	struct addr first6 = parsed("2001:db8::10");
	struct net_route route = { .ifindex = ETH0, .has_source = true, .source = route_source };
	unsigned int front = ETH0;
	char reason[NEXT_HOP_REASON_MAX];
	struct next_hop hop;

	(void)state;
	assert_int_equal(next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop,
				       reason), 0);
	assert_true(hop.has_source && addr_equal(&hop.source, &route_source));
	route.has_source = false;
	assert_int_equal(next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop,
				       reason), 0);
	assert_true(hop.has_source && addr_equal(&hop.source, &first));
	assert_int_equal(next_hop_find(&view, &backend6, &route, 0, NULL, NULL, &front, 1, &hop,
				       reason), 0);
	assert_true(hop.has_source && addr_equal(&hop.source, &first6));
	route.ifindex = VETH_C; /* no address at all */
	backend = parsed("10.2.0.2");
	assert_int_equal(next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop,
				       reason), 0);
	assert_false(hop.has_source);
}

static void the_mtu_is_the_routes_or_the_interfaces(void **state)
{
	struct net_view view = vlan_view(COUNT(links));
	struct addr backend = parsed("192.0.2.9");
	struct net_route route = { .ifindex = ETH0, .mtu = 1400 };
	unsigned int front = ETH0;
	char reason[NEXT_HOP_REASON_MAX];
	struct next_hop hop;

	(void)state;
	links[ETH0 - 1].mtu = 9000;
	next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop, reason);
	assert_int_equal(hop.mtu, 1400);
	route.mtu = 0;
	next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop, reason);
	assert_int_equal(hop.mtu, 9000);
	links[ETH0 - 1].mtu = 65536;
	next_hop_find(&view, &backend, &route, 0, NULL, NULL, &front, 1, &hop, reason);
	assert_int_equal(hop.mtu, 65535);
	links[ETH0 - 1].mtu = 0;
}

static void the_longest_names_fit_into_a_reason(void **state)
{
	struct net_link link = { .ifindex = 1, .name = "veth-0123456789", .up = true,
				 .ethernet = true };
	struct net_view view = { .links = &link, .link_count = 1 };
	struct addr backend = parsed("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff");
	struct net_neighbour neighbour = { .ifindex = 1, .addr = backend, .failed = true };
	struct net_route route = { .ifindex = 1 };
	char reason[NEXT_HOP_REASON_MAX];
	struct next_hop hop;

	(void)state;
	view.neighbours = &neighbour;
	view.neighbour_count = 1;
	assert_int_equal(next_hop_find(&view, &backend, &route, 0, NULL, NULL, NULL, 0, &hop,
				       reason), -EHOSTUNREACH);
	assert_string_equal(reason, "no neighbour for 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff on "
			    "veth-0123456789, it does not answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_finds_its_hop_or_its_reason),
		cmocka_unit_test(a_vlan_interface_leads_to_its_carrier_with_a_tag),
		cmocka_unit_test(the_source_is_the_routes_or_the_interfaces),
		cmocka_unit_test(the_mtu_is_the_routes_or_the_interfaces),
		cmocka_unit_test(the_longest_names_fit_into_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
