/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many TCP connections a container has at an address and port: its own kernel counts them, so
 * nothing has to be remembered about any flow. */
#ifndef LB_WATCH_SOCKETS_H
#define LB_WATCH_SOCKETS_H

#include "lb/watch/netlink.h"

/* Where connections end. Ports in host order. */
struct socket_end {
	struct addr address;
	uint16_t first, last;	/* inclusive; 0 and 65535: any port */
};

/* Counts the connections behind the veth `link` (in the namespace of its far end) whose local end
 * is one of `ends`, all of which have addresses of one family: established, or with one direction
 * closed. Handshakes and TIME_WAIT are not counted. An application that listens on IPv6 for both
 * families is found too.
 *
 * Measured on the development machine with 104,500 connections in one container: 120 ms where all
 * of them match, 40 ms where 9,500 do, since the kernel leaves out other ports; 30 ms of either is
 * its walk over the host's table of connections. With 8,000 connections it is 9 ms.
 * Returns 0, or as veth_end_read() does; -EOPNOTSUPP for a kernel without inet_diag. */
int sockets_count(struct net *net, const struct net_link *link, const struct socket_end *ends,
		  size_t end_count, uint64_t *ret_count);

#endif
