/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers about routes that are kept: ten thousand questions are 100 ms, and what changes is mostly
 * a neighbour. Rules, routes, next hops, links and addresses all have their messages, and any of
 * them, or a lost one, ends all answers. A neighbour's ends them only where gateways are in use:
 * among several the kernel chooses by which of them can be reached. */
#include "lb/watch/net_private.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "config/mem.h"
#include "lb/watch/addr_index.h"

struct route_answer_kept {
	int err;
	struct net_route route;
};

struct route_answers {
	struct addr_index index;
	struct route_answer_kept *list;
	size_t count;
	bool gateways;
};

void net_routes_forget(struct net *net)
{
	if (!net->answers)
		return;
	addr_index_clear(&net->answers->index);
	free(net->answers->list);
	free(net->answers);
	net->answers = NULL;
}

void net_routes_note(struct net *net, uint16_t message_type)
{
	bool neighbour = message_type == RTM_NEWNEIGH || message_type == RTM_DELNEIGH;

	if (!neighbour || (net->answers && net->answers->gateways))
		net_routes_forget(net);
}

static void answer_keep(struct net *net, const struct addr *to, int err,
			const struct net_route *route)
{
	struct route_answers *answers = net->answers;

	if (!answers)
		net->answers = answers = mem_array(1, sizeof(*answers));
	addr_index_add(&answers->index, 0, to, answers->count);
	answers->list = net_room(answers->list, answers->count, sizeof(*answers->list));
	answers->list[answers->count++] = (struct route_answer_kept){ err, *route };
	answers->gateways |= route->has_gateway;
}

int net_route_find(struct net *net, const struct addr *to, struct net_route *ret_route)
{
	struct net_route route = { 0 };
	size_t place;
	int err;

	if (net->answers && addr_index_find(&net->answers->index, 0, to, &place)) {
		const struct route_answer_kept *kept = &net->answers->list[place];

		if (!kept->err)
			*ret_route = kept->route;
		return kept->err;
	}
	err = net_route_get(net, to, &route);
	/* Anything else says something of the question, not of the route. */
	if (!err || err == -ENETUNREACH || err == -EOPNOTSUPP)
		answer_keep(net, to, err, &route);
	if (!err)
		*ret_route = route;
	return err;
}
