/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's network looks like now. The view is a value: on any event it is read anew as
 * a whole, so that a lost message can never leave it wrong. Routes are not copied (a host may
 * have a million): the kernel is asked about each backend instead. */
#ifndef LB_WATCH_NETLINK_H
#define LB_WATCH_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/diag.h"

enum net_kind { NET_OTHER, NET_LOOPBACK, NET_VETH, NET_BRIDGE, NET_VLAN /* of 802.1Q */ };

struct net_link {
	unsigned int ifindex;
	char name[IFNAMSIZ];
	enum net_kind kind;
	bool up;			/* administratively, and the carrier is there */
	bool ethernet;
	unsigned char mac[6];
	unsigned int mtu;
	unsigned int master;		/* ifindex of its bridge or bond; 0: none */
	unsigned int peer;		/* veth: ifindex of the other end, in its namespace */
	int peer_nsid;			/* veth: that namespace's id here; -1: this namespace */
	unsigned int parent;		/* VLAN: ifindex of what its tagged frames leave by */
	uint16_t vlan;			/* VLAN: its ID */
	uint32_t xdp_prog_id;		/* of the program attached now; 0: none */
};

struct net_address {			/* of this host */
	unsigned int ifindex;
	struct addr addr;
	struct prefix network;		/* the connected prefix */
	bool global;			/* means something beyond its link */
};

struct net_neighbour {
	unsigned int ifindex;
	struct addr addr;
	unsigned char mac[6];
	bool usable;			/* the MAC is known (reachable, stale, permanent, ...) */
	bool failed;
};

struct net_fdb_entry {			/* behind which port of a bridge a MAC is */
	unsigned int bridge, port;	/* ifindexes */
	unsigned char mac[6];
	bool local;			/* the bridge's own */
};

struct net_view {
	struct net_link *links;			/* in the order of ifindexes */
	size_t link_count;
	struct net_address *addresses;
	size_t address_count;
	struct net_neighbour *neighbours;	/* in the order of ifindexes, then addresses */
	size_t neighbour_count;
	struct net_fdb_entry *fdb;		/* in the order of bridges, then MACs */
	size_t fdb_count;
};

struct net_route {
	unsigned int ifindex;		/* by which it leaves */
	bool has_gateway;
	struct addr gateway;		/* may be of the other family (RFC 8950) */
	bool local;			/* the address is one of this host */
	bool has_source;
	struct addr source;		/* what the host's own packets there come from */
	unsigned int mtu;		/* of the route itself; 0: that of the interface */
};

struct net;

/* Opens the sockets of the current network namespace. Returns 0 or -errno. */
int net_open(struct net **ret_net);
void net_close(struct net *net); /* NULL is fine */

/* Readable when something may have changed; net_drain() empties it and says whether anything did
 * that concerns us (an overrun counts as a change). */
int net_fd(const struct net *net);
bool net_drain(struct net *net);

/* Reads links, addresses, neighbours of both families and the bridges' tables. Returns 0; -EAGAIN
 * if the network changes faster than it can be read (keep the old view and come again, net_fd()
 * will say when); another -errno. */
int net_read(struct net *net, struct net_view *ret_view);
void net_view_clear(struct net_view *view);

/* How the kernel would send to `to`. Returns 0, -ENETUNREACH for none, a blackhole or a
 * prohibition, -EOPNOTSUPP for a route into a tunnel of its own (MPLS, segment routing), or
 * another -errno. */
int net_route_get(struct net *net, const struct addr *to, struct net_route *ret_route);

/* The same from what was answered before, as long as net_drain() has seen nothing that a route
 * could follow; so drain before you rely on it. What no message tells (what the kernel has learned
 * of a path's MTU) stays as it was until net_routes_forget(). */
int net_route_find(struct net *net, const struct addr *to, struct net_route *ret_route);
void net_routes_forget(struct net *net);

/* Makes the neighbour one that the kernel keeps resolved by itself (NTF_EXT_MANAGED, Linux 5.16),
 * or lets go of one that we made, which then stays as an ordinary neighbour. One that is there
 * keeps its MAC and state; one that an administrator or a routing daemon set (permanent, noarp,
 * extern_learn) is left as it is. The kernel forgets the neighbours of a link that goes down: ask
 * again when it is up; asking for one that is managed already changes nothing. Older kernels
 * resolve it once a call. Returns 0 or -errno. */
int net_neighbour_manage(struct net *net, unsigned int ifindex, const struct addr *addr);
int net_neighbour_release(struct net *net, unsigned int ifindex, const struct addr *addr);

/* Forgets the neighbour's MAC, unless somebody else set it, and has everybody on the link asked
 * for it; managed from then on. Returns 0 or -errno. */
int net_neighbour_renew(struct net *net, unsigned int ifindex, const struct addr *addr);

/* NETDEV_XDP_ACT_* of include/uapi/linux/netdev.h, which Debian 12 does not ship. */
#define NET_XDP_BASIC (UINT64_C(1) << 0)	/* programs can be attached natively */
#define NET_XDP_REDIRECT (UINT64_C(1) << 1)	/* and may redirect */
#define NET_XDP_NDO_XMIT (UINT64_C(1) << 2)	/* takes frames that others redirect to it now */

/* What the driver says it can do with XDP (netdev family of generic netlink, Linux 6.3): bits of
 * NET_XDP_*. -EOPNOTSUPP where the kernel cannot tell. */
int net_xdp_features(struct net *net, unsigned int ifindex, uint64_t *ret_features);

const struct net_link *net_view_link(const struct net_view *view, unsigned int ifindex);
const struct net_link *net_view_link_by_name(const struct net_view *view, const char *name);

/* The first of the entries for that place, which stand side by side; *ret_count may be 0. (A dump
 * that the table grew under can hold one twice; a bridge may know a MAC behind several ports.) */
const struct net_neighbour *net_view_neighbours(const struct net_view *view, unsigned int ifindex,
						const struct addr *addr, size_t *ret_count);
const struct net_fdb_entry *net_view_fdb(const struct net_view *view, unsigned int bridge,
					 const unsigned char *mac, size_t *ret_count);

/* The orders of the view: for qsort(). */
int net_neighbour_compare(const void *a, const void *b);
int net_fdb_compare(const void *a, const void *b);

#endif
