/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a backend's address to the MACs and the device that XDP needs: route → interface and
 * gateway → neighbour → where the interface is a bridge, its forwarding table → the port. */
#ifndef LB_WATCH_NEXTHOP_H
#define LB_WATCH_NEXTHOP_H

#include "lb/watch/netlink.h"

#define NEXT_HOP_KEEP_TAGS	0	/* this host has no VLANs: a tag means nothing to it */
#define NEXT_HOP_UNTAGGED	0xffff

struct next_hop {
	unsigned int ifindex;		/* the device to redirect to: a bridge's port, not it */
	char device[IFNAMSIZ];
	unsigned int via;		/* the interface of the route: the bridge, or as ifindex */
	unsigned char dst_mac[6], src_mac[6];
	bool local;			/* a container of this host: behind a veth, no front */
	struct addr neighbour;		/* whose MAC it is: the gateway or the backend itself */
	uint16_t vlan;			/* the VLAN ID of frames there, or NEXT_HOP_* */
	uint16_t mtu;			/* of the way there */
	bool has_source;
	struct addr source;		/* what this host's own packets there come from */
};

#define NEXT_HOP_REASON_MAX 160

/* Pure: decides from the view, the kernel's answer for the route (route_err is net_route_get()'s
 * result) and the front interfaces (ifindexes that our XDP program is or will be on). With `mac`
 * and `interface` given (NULL: looked up) they stand in for the neighbour and the route; an
 * interface that is a bridge's port is redirected to itself, with the bridge's neighbours. A VLAN
 * interface leads to what carries it, with the tag; where a front carries VLANs, the way to
 * everybody else is untagged.
 * Returns 0, or -EHOSTUNREACH with a sentence in reason[NEXT_HOP_REASON_MAX] such as
 * "no neighbour for 10.1.0.7 on br0"; *ret_hop then still holds what was found so far (via and
 * neighbour set where they are known, so that the caller can have the neighbour resolved). */
int next_hop_find(const struct net_view *view, const struct addr *backend,
		  const struct net_route *route, int route_err,
		  const unsigned char *mac, const char *interface,
		  const unsigned int *fronts, size_t front_count,
		  struct next_hop *ret_hop, char *reason);

#endif
