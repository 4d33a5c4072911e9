/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of lb/watch share about one network namespace. Nobody else includes this. */
#ifndef LB_WATCH_NET_PRIVATE_H
#define LB_WATCH_NET_PRIVATE_H

#include <stdint.h>
#include <sys/types.h>

#include "lb/watch/ask.h"
#include "lb/watch/netlink.h"

#define NETNS_PATH_MAX 64

struct netns_place {		/* a namespace and one path that enters it, see netns.c */
	dev_t dev;
	ino_t ino;
	int nsid;		/* its id here when it was found; checked again before use */
	char path[NETNS_PATH_MAX];
};

struct net {
	struct nl_sock *route;		/* rtnetlink: questions and their answers */
	struct nl_sock *generic;	/* the same over generic netlink */
	struct nl_sock *events;		/* rtnetlink: multicast only, never asked */
	uint16_t netdev_family;		/* generic netlink's number of it; 0: not asked yet */
	struct netns_place *places;
	size_t place_count;
	struct route_answers *answers;	/* see routes.c */
};

/* What a message of that type means for the answers that are kept. */
void net_routes_note(struct net *net, uint16_t message_type);

/* Room for one more item behind `count`. Capacities are powers of two and so need no field.
 * Never fails: see config/mem.h. */
void *net_room(void *items, size_t count, size_t size);

/* One link, of this namespace or (nsid >= 0) of the one with that id here, without entering it.
 * Returns 0, -ENODEV or another -errno. */
int net_link_read(struct net *net, unsigned int ifindex, int nsid, struct net_link *ret_link);

#endif
