/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers that had flows before their name was known. Their rows go by their ids and only take
 * the name; edges go by names, and one that there is already under the new name takes over what the
 * old one had, its live flows too. */
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/account_private.h"

static void containers_rename(struct accounts *accounts, const struct flow_renamed *list,
			      size_t count)
{
	struct container_row *container;

	for (size_t at = 0; (container = hash_next(&accounts->containers, &at));) {
		struct flow_owner *owner = &container->sums.owner;
		const char *name = *owner->id ? flow_renamed_to(list, count, owner->name) : NULL;

		if (!name)
			continue;
		strcpy(owner->name, name);
		account_containers_unsort(accounts);
	}
}

static const char *node_name(const struct flow_node *node, const struct flow_renamed *list,
			     size_t count)
{
	const char *name = node->kind == FLOW_CONTAINER
				   ? flow_renamed_to(list, count, node->name) : NULL;

	return name ? name : node->name;
}

/* Flows that live point to their edges. */
static void edge_merge(struct accounts *accounts, struct edge_row *to, struct edge_row *from)
{
	account_edge_add(to, from);
	to->live += from->live;
	for (size_t slot = 0; from->live && slot < accounts->slots; slot++) {
		struct shadow *shadow = &accounts->shadows[slot];

		for (unsigned int e = 0; shadow->container && e < EDGES_A_FLOW; e++)
			if (shadow->edges[e] == from)
				shadow->edges[e] = to;
	}
	free(from);
}

static void edges_rename(struct accounts *accounts, const struct flow_renamed *list, size_t count)
{
	struct edge_row **found = mem_array(accounts->edges.count, sizeof(struct edge_row *));
	struct edge_row *edge, *there;
	size_t found_count = 0;

	for (size_t at = 0; (edge = hash_next(&accounts->edges, &at));)
		if (node_name(&edge->sums.from, list, count) != edge->sums.from.name ||
		    node_name(&edge->sums.to, list, count) != edge->sums.to.name)
			found[found_count++] = edge;
	for (size_t i = 0; i < found_count; i++) {
		struct account_edge *sums = &found[i]->sums;
		const char *from = node_name(&sums->from, list, count);
		const char *to = node_name(&sums->to, list, count);

		account_edge_take(accounts, found[i]);
		memmove(sums->from.name, from, strlen(from) + 1);
		memmove(sums->to.name, to, strlen(to) + 1);
		there = account_edge_put(accounts, found[i]);
		if (there)
			edge_merge(accounts, there, found[i]);
	}
	free(found);
}

void accounts_rename(struct accounts *accounts, const struct flow_renamed *list, size_t count)
{
	containers_rename(accounts, list, count);
	edges_rename(accounts, list, count);
}
