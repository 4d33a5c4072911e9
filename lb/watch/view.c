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
