/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many prefixes, and which of them an address is in. An IPv6 prefix never holds an IPv4 address,
 * not even "::/0", although it covers how that is written. */
#ifndef LB_FLOWS_NETWORKS_H
#define LB_FLOWS_NETWORKS_H

#include <stddef.h>

#include "config/addr.h"

#define NETWORK_LENGTHS 129

struct networks {		/* all zero: none */
	struct prefix *list;	/* by length, the longest first, then by address */
	size_t count;
	struct network_run {	/* those of one length */
		unsigned int len;
		size_t first, count;
	} runs[NETWORK_LENGTHS];
	size_t run_count;
};

void networks_set(struct networks *networks, const struct prefix *list, size_t count);
void networks_clear(struct networks *networks);

/* The longest that holds it; NULL: none. */
const struct prefix *networks_find(const struct networks *networks, const struct addr *addr);

/* "198.51.100.0/24", "2001:db8::/64" into text[NETWORK_TEXT_MAX]; returns text. */
#define NETWORK_TEXT_MAX (ADDR_TEXT_MAX + 4)
const char *network_format(const struct prefix *prefix, char *text);

/* The addresses that share the first `len` bits of this one; bits of an IPv4 address count from 96,
 * as in struct prefix. */
struct prefix network_around(const struct addr *addr, unsigned int len);

#endif
