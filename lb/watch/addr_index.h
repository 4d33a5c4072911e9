/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which item of an array belongs to an address on an interface: a hash table, for where ten
 * thousand rows each look for their own among ten thousand. */
#ifndef LB_WATCH_ADDR_INDEX_H
#define LB_WATCH_ADDR_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"

struct addr_index {		/* all zero: empty */
	struct addr_entry *entries;
	size_t room;		/* 0 or a power of two; at most half of it is in use */
	size_t count;
};

/* Of two items for the same place the first stays. Never fails: see config/mem.h. */
void addr_index_add(struct addr_index *index, unsigned int ifindex, const struct addr *addr,
		    size_t item);
bool addr_index_find(const struct addr_index *index, unsigned int ifindex,
		     const struct addr *addr, size_t *ret_item);
void addr_index_clear(struct addr_index *index);

#endif
