/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's end of a veth. Frames redirected to the host's end come out there only if it
 * has NAPI: GRO switched on, or an XDP program of its own; else the kernel drops every one in
 * silence. Needs CAP_SYS_ADMIN to enter the other namespace. */
#ifndef LB_WATCH_VETH_H
#define LB_WATCH_VETH_H

#include "lb/watch/netlink.h"

struct veth_end {
	char name[IFNAMSIZ];	/* of the container's end, in its namespace */
	char netns[64];		/* a path under /proc or /run that enters it; "" for ours */
	bool gro;
	bool tx_checksum;	/* it hands out partial checksums */
	bool xdp;		/* it has an XDP program of its own */
};

/* Finds the namespace that holds the far end of `link` (by its nsid, over /run/netns,
 * /run/docker/netns and /proc/PID/ns/net) and reads the end's state there. Returns 0; -ENOENT if
 * no process and no name holds that namespace; -ENODEV if the far end is not there any more;
 * -EPERM if we may not enter it, or it was not found and some process may not be looked at;
 * another -errno. Never leaves the caller in another namespace. No event of ours tells when a
 * container changes its end: ask again from time to time. */
int veth_end_read(struct net *net, const struct net_link *link, struct veth_end *ret_end);

/* Switches GRO on at the far end where it has neither GRO nor an XDP program. *ret_changed says
 * whether something was done. Returns 0 or as above. */
int veth_end_enable_napi(struct net *net, const struct net_link *link, bool *ret_changed);

/* A socket (as in socket(2)) of the far end's namespace, for the caller to close. Returns 0 or as
 * above. */
int veth_end_socket(struct net *net, const struct net_link *link, int domain, int type,
		    int protocol, int *ret_fd);

/* Who is at the far end, as a client: the cookie of its network namespace (SO_NETNS_COOKIE), and
 * whether what it sends to those addresses (VETH_CLIENT_ADDRS at most) comes here by this veth. It
 * does not if the namespace has one of them itself, or another way to it; one that has no way at
 * all has no other. Returns 0 or as above. */
#define VETH_CLIENT_ADDRS 2
struct veth_client {
	uint64_t cookie;
	bool leads_here;
	struct addr sources[VETH_CLIENT_ADDRS]; /* what it sends from on those ways */
	size_t source_count;
};
int veth_end_client(struct net *net, const struct net_link *link, const struct addr *to,
		    size_t count, struct veth_client *ret_client);

/* Whether XDP can redirect to this device natively: 0, or -EOPNOTSUPP with a sentence in
 * reason[size]. A bridge, a device that is down or a driver without ndo_xdp_xmit cannot; a veth
 * always can, if its far end has NAPI (above). Most cards can only while an XDP program is
 * attached to them: ask for a front after attaching. Uses net_xdp_features(), and where the
 * kernel cannot tell, a table of drivers (ethtool). */
int device_can_transmit(struct net *net, const struct net_link *link, char *reason, size_t size);

#endif
