/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The view as a value: looking things up in it, and its end. Pure, for what decides by a view
 * needs no netlink. */
#include "lb/watch/netlink.h"

#include <stdlib.h>
#include <string.h>

void net_view_clear(struct net_view *view)
{
	free(view->links);
	free(view->addresses);
	free(view->neighbours);
	free(view->fdb);
	*view = (struct net_view){ 0 };
}

const struct net_link *net_view_link(const struct net_view *view, unsigned int ifindex)
{
	size_t low = 0, high = view->link_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct net_link *link = &view->links[middle];

		if (link->ifindex == ifindex)
			return link;
		if (link->ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct net_link *net_view_link_by_name(const struct net_view *view, const char *name)
{
	for (size_t i = 0; i < view->link_count; i++)
		if (!strcmp(view->links[i].name, name))
			return &view->links[i];
	return NULL;
}

/* ---- what stands in order ---- */

static int compare_ifindexes(unsigned int a, unsigned int b)
{
	return (a > b) - (a < b);
}

int net_neighbour_compare(const void *a, const void *b)
{
	const struct net_neighbour *left = a, *right = b;
	int order = compare_ifindexes(left->ifindex, right->ifindex);

	return order ? order : addr_compare(&left->addr, &right->addr);
}

int net_fdb_compare(const void *a, const void *b)
{
	const struct net_fdb_entry *left = a, *right = b;
	int order = compare_ifindexes(left->bridge, right->bridge);

	return order ? order : memcmp(left->mac, right->mac, sizeof(left->mac));
}

/* Where the items equal to `key` begin; *ret_count says how many there are. */
static size_t equals_find(const void *key, const void *items, size_t count, size_t size,
			  int (*compare)(const void *a, const void *b), size_t *ret_count)
{
	size_t low = 0, high = count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare((const char *)items + middle * size, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < count && !compare((const char *)items + end * size, key); end++)
		;
	*ret_count = end - low;
	return low;
}

const struct net_neighbour *net_view_neighbours(const struct net_view *view, unsigned int ifindex,
						const struct addr *addr, size_t *ret_count)
{
	const struct net_neighbour key = { .ifindex = ifindex, .addr = *addr };

	return view->neighbours + equals_find(&key, view->neighbours, view->neighbour_count,
					      sizeof(key), net_neighbour_compare, ret_count);
}

const struct net_fdb_entry *net_view_fdb(const struct net_view *view, unsigned int bridge,
					 const unsigned char *mac, size_t *ret_count)
{
	struct net_fdb_entry key = { .bridge = bridge };

	memcpy(key.mac, mac, sizeof(key.mac));
	return view->fdb + equals_find(&key, view->fdb, view->fdb_count, sizeof(key),
				       net_fdb_compare, ret_count);
}
