/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What another network namespace has: its cookie, its addresses, and the ends of veths in it. Two
 * questions over one socket; nothing is kept. */
#ifndef LB_WATCH_NETNS_LOOK_H
#define LB_WATCH_NETNS_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"

struct netns_veth {
	unsigned int ifindex;	/* in there */
	unsigned int peer;	/* of the other end, in whatever namespace that is */
	unsigned char mac[6];	/* of the end in there */
};

struct netns_look {
	uint64_t cookie;	/* SO_NETNS_COOKIE (Linux 5.14): never used again until a reboot */
	struct addr *addresses;	/* loopback left out, link-local included; in the kernel's order */
	size_t address_count;
	struct netns_veth *veths;
	size_t veth_count;
};

/* Needs CAP_SYS_ADMIN. Returns 0 or -errno; *ret_look is untouched then. */
int netns_look(int netns_fd, struct netns_look *ret_look);
void netns_look_clear(struct netns_look *look); /* an empty one is fine */

/* The cookie of the namespace that this thread is in. Returns 0 or -errno. */
int netns_cookie_own(uint64_t *ret_cookie);

#endif
