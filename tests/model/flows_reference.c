/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/model/flows_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#define OTHER 0 /* the row that is always there */

struct flows_reference *flows_reference_new(size_t containers, size_t edges)
{
	struct flows_reference *reference = calloc(1, sizeof(*reference));

	assert_non_null(reference);
	reference->container_max = containers;
	reference->edge_max = edges;
	reference->container_count = reference->edge_count = OTHER + 1;
	for (size_t i = 0; i < REFERENCE_SLOTS; i++)
		reference->slot_flow[i] = -1;
	return reference;
}

void flows_reference_free(struct flows_reference *reference)
{
	free(reference->flows);
	free(reference);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool owner_is(const struct flow_owner *a, const struct flow_owner *b)
{
	if (*a->id || *b->id)
		return !strcmp(a->id, b->id);
	if (*a->cgroup || *b->cgroup)
		return !strcmp(a->cgroup, b->cgroup);
	return !strcmp(a->name, b->name);
}

static int container_row(struct flows_reference *reference, const struct flow_owner *owner)
{
	size_t there = 0;

	for (int i = OTHER + 1; i < reference->container_count; i++) {
		if (reference->containers[i].there &&
		    owner_is(&reference->containers[i].owner, owner))
			return i;
		there += reference->containers[i].there;
	}
	if (there >= reference->container_max)
		return OTHER;
	assert_in_range(reference->container_count, 1, REFERENCE_ROWS - 1);
	reference->containers[reference->container_count].owner = *owner;
	reference->containers[reference->container_count].there = true;
	return reference->container_count++;
}

static bool edge_is(const struct account_edge *a, const struct account_edge *b)
{
	return a->from.kind == b->from.kind && a->to.kind == b->to.kind &&
	       a->protocol == b->protocol && a->port == b->port &&
	       !strcmp(a->from.name, b->from.name) && !strcmp(a->to.name, b->to.name);
}

static int edge_row(struct flows_reference *reference, const struct account_edge *edge)
{
	size_t there = 0;

	for (int i = OTHER + 1; i < reference->edge_count; i++) {
		if (reference->edges[i].there && edge_is(&reference->edges[i].edge, edge))
			return i;
		there += reference->edges[i].there;
	}
	if (there >= reference->edge_max)
		return OTHER;
	assert_in_range(reference->edge_count, 1, REFERENCE_ROWS - 1);
	reference->edges[reference->edge_count].edge = *edge;
	reference->edges[reference->edge_count].there = true;
	return reference->edge_count++;
}

static void reference_begin(struct flows_reference *reference, struct reference_flow *flow,
			    const struct flow_ends *ends)
{
	struct account_edge edges[2] = { 0 };
	size_t count = 0;

	flow->container = container_row(reference, &ends->owner);
	flow->edges[0] = flow->edges[1] = -1;
	if (!ends->elsewhere) {
		edges[count].from = ends->from;
		edges[count].to = ends->to;
		if (ends->service) {
			edges[count].to = (struct flow_node){ .kind = FLOW_SERVICE };
			strcpy(edges[count].to.name, ends->service);
		}
		count++;
	}
	if (ends->service && ends->to.kind != FLOW_SERVICE) {
		edges[count].from = (struct flow_node){ .kind = FLOW_SERVICE };
		strcpy(edges[count].from.name, ends->service);
		edges[count].to = ends->to;
		count++;
	}
	for (size_t e = 0; e < count; e++) {
		edges[e].protocol = flow->told.flow.protocol;
		edges[e].port = ends->port;
		flow->edges[e] = edge_row(reference, &edges[e]);
	}
}

/* ---- telling --------------------------------------------------------------------------------- */

static uint64_t more_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void reference_end(struct flows_reference *reference, size_t slot, enum flow_outcome outcome)
{
	struct reference_flow *flow = &reference->flows[reference->slot_flow[slot]];

	flow->live = false;
	flow->told.flow.outcome = (__u8)outcome;
	reference->slot_flow[slot] = -1;
}

static void reference_grow(struct reference_flow *flow, const struct flow_record *record,
			   uint64_t now)
{
	const struct flow was = flow->told.flow;

	for (unsigned int k = 0; k < FLOW_SIZES; k++) {
		flow->size_in[k] += (uint32_t)(record->size_in[k] - flow->told.size_in[k]);
		flow->size_out[k] += (uint32_t)(record->size_out[k] - flow->told.size_out[k]);
	}
	flow->told = *record;
	flow->told.flow.bytes_out = more_of(was.bytes_out, record->flow.bytes_out);
	flow->told_ns = now;
}

bool flows_reference_knows(const struct flows_reference *reference, size_t slot,
			   const struct flow *flow)
{
	int number = reference->slot_flow[slot];

	return number >= 0 && reference->flows[number].told.flow.start_ns == flow->start_ns;
}

static struct reference_flow *flow_add(struct flows_reference *reference)
{
	struct reference_flow *flow;

	if (reference->flow_count == reference->flow_room) {
		reference->flow_room = 2 * reference->flow_room + 1000;
		reference->flows = reallocarray(reference->flows, reference->flow_room,
						sizeof(*reference->flows));
		assert_non_null(reference->flows);
	}
	flow = &reference->flows[reference->flow_count++];
	*flow = (struct reference_flow){ .live = true };
	return flow;
}

void flows_reference_told(struct flows_reference *reference, size_t slot,
			  const struct flow_record *record, const struct flow_ends *ends,
			  uint64_t now)
{
	struct reference_flow *flow;

	if (!flows_reference_knows(reference, slot, &record->flow)) {
		if (reference->slot_flow[slot] >= 0)
			reference_end(reference, slot, FLOW_GONE);
		flow = flow_add(reference);
		flow->told.flow.protocol = record->flow.protocol;
		reference_begin(reference, flow, ends);
		reference->slot_flow[slot] = (int)(flow - reference->flows);
	}
	flow = &reference->flows[reference->slot_flow[slot]];
	reference_grow(flow, record, now);
	if (ends && flow->container != OTHER)
		reference->containers[flow->container].owner = ends->owner;
	if (record->flow.life == FLOW_ENDED)
		reference_end(reference, slot, record->flow.outcome);
}

void flows_reference_turn(struct flows_reference *reference)
{
	for (size_t i = 0; i < reference->flow_count; i++) {
		struct reference_flow *flow = &reference->flows[i];

		memcpy(flow->before_in, flow->turned_in, sizeof(flow->before_in));
		memcpy(flow->before_out, flow->turned_out, sizeof(flow->before_out));
		memcpy(flow->turned_in, flow->size_in, sizeof(flow->turned_in));
		memcpy(flow->turned_out, flow->size_out, sizeof(flow->turned_out));
	}
}

/* Rows without a live flow that nobody told of since. */
void flows_reference_forget(struct flows_reference *reference, uint64_t before)
{
	static bool stays[2][REFERENCE_ROWS];

	memset(stays, 0, sizeof(stays));
	for (size_t i = 0; i < reference->flow_count; i++) {
		const struct reference_flow *flow = &reference->flows[i];

		if (!flow->live && flow->told_ns < before)
			continue;
		stays[0][flow->container] = true;
		for (int e = 0; e < 2 && flow->edges[e] >= 0; e++)
			stays[1][flow->edges[e]] = true;
	}
	for (size_t i = 0; i < reference->flow_count; i++) {
		struct reference_flow *flow = &reference->flows[i];

		if (!stays[0][flow->container])
			flow->container = OTHER;
		for (int e = 0; e < 2 && flow->edges[e] >= 0; e++)
			if (!stays[1][flow->edges[e]])
				flow->edges[e] = OTHER;
	}
	for (int i = OTHER + 1; i < reference->container_count; i++)
		reference->containers[i].there &= stays[0][i];
	for (int i = OTHER + 1; i < reference->edge_count; i++)
		reference->edges[i].there &= stays[1][i];
}

/* ---- adding up ------------------------------------------------------------------------------- */

static void counts_add(uint64_t *to, const uint64_t *from, const uint64_t *less)
{
	for (unsigned int k = 0; k < FLOW_SIZES; k++)
		to[k] += from[k] - (less ? less[k] : 0);
}

static void container_add(struct account_container *sums, const struct reference_flow *flow)
{
	const struct flow *told = &flow->told.flow;
	unsigned int protocol = told->protocol == IPPROTO_TCP ? 0
				: told->protocol == IPPROTO_UDP ? 1 : 2;

	sums->packets_in += told->packets_in;
	sums->packets_out += told->packets_out;
	sums->bytes_in += told->bytes_in;
	sums->bytes_out += told->bytes_out;
	sums->retransmits += told->retransmits;
	if (told->direction == FLOW_IN)
		sums->flows_in[protocol]++;
	else
		sums->flows_out[protocol]++;
	sums->live += flow->live;
	if (!flow->live)
		sums->ended[told->outcome]++;
	if (flow->live && told->protocol == IPPROTO_TCP && told->rtt_us) {
		sums->rtt_sum_us += told->rtt_us;
		sums->rtt_count++;
	}
	counts_add(sums->size_in, flow->size_in, NULL);
	counts_add(sums->size_out, flow->size_out, NULL);
	counts_add(sums->last_in, flow->turned_in, flow->before_in);
	counts_add(sums->last_out, flow->turned_out, flow->before_out);
	sums->seen_ns = more_of(sums->seen_ns, flow->told_ns);
}

/* Returns how many flows it has. */
static size_t container_sum(const struct flows_reference *reference, int row,
			    struct account_container *ret_sums)
{
	size_t flows = 0;

	/* memset: it is compared with memcmp. */
	memset(ret_sums, 0, sizeof(*ret_sums));
	for (size_t i = 0; i < reference->flow_count; i++)
		if (row < 0 || reference->flows[i].container == row) {
			container_add(ret_sums, &reference->flows[i]);
			flows++;
		}
	return flows;
}

static size_t edge_sum(const struct flows_reference *reference, int row,
		       struct account_edge *ret_sums)
{
	size_t flows = 0;

	for (size_t i = 0; i < reference->flow_count; i++)
		for (int e = 0; e < 2; e++) {
			const struct reference_flow *flow = &reference->flows[i];
			uint8_t outcome = flow->told.flow.outcome;

			if (flow->edges[e] < 0 || flow->edges[e] != row)
				continue;
			ret_sums->connections++;
			ret_sums->failures +=
				!flow->live &&
				(outcome == FLOW_REFUSED || outcome == FLOW_RESET ||
				 outcome == FLOW_TIMED_OUT || outcome == FLOW_UNREACHABLE);
			ret_sums->bytes += flow->told.flow.bytes_in + flow->told.flow.bytes_out;
			ret_sums->seen_ns = more_of(ret_sums->seen_ns, flow->told_ns);
			flows++;
		}
	return flows;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static const struct account_container *container_found(struct accounts *accounts,
						       const struct flow_owner *owner)
{
	size_t count;
	const struct account_container *const *list = accounts_containers(accounts, &count);

	for (size_t i = 0; i < count; i++)
		if (owner_is(&list[i]->owner, owner) && !strcmp(list[i]->owner.name, owner->name))
			return list[i];
	return NULL;
}

static bool container_agrees(const struct flows_reference *reference,
			     struct accounts *accounts, int row, const struct flow_owner *owner,
			     size_t *rows)
{
	const struct account_container *found = container_found(accounts, owner);
	struct account_container wanted;
	size_t flows = container_sum(reference, row, &wanted);
	const size_t from = offsetof(struct account_container, packets_in);

	*rows += flows > 0;
	if (!flows && !found)
		return true;
	if (found && !memcmp((const char *)found + from, (const char *)&wanted + from,
			     sizeof(wanted) - from))
		return true;
	printf("# container %s (%s) differs\n", owner->name, owner->id);
	return false;
}

static bool edge_agrees(const struct flows_reference *reference, struct accounts *accounts,
			int row, const struct account_edge *edge, size_t *rows)
{
	struct account_edge wanted = *edge;
	size_t flows = edge_sum(reference, row, &wanted), count;
	const struct account_edge *const *list = accounts_edges(accounts, &count);

	*rows += flows > 0;
	for (size_t i = 0; i < count; i++)
		if (edge_is(list[i], edge))
			return list[i]->connections == wanted.connections &&
			       list[i]->failures == wanted.failures &&
			       list[i]->bytes == wanted.bytes && list[i]->seen_ns == wanted.seen_ns;
	return !flows;
}

static bool containers_agree(const struct flows_reference *reference, struct accounts *accounts)
{
	struct flow_owner other = { .name = ACCOUNT_OTHER };
	size_t rows = 0, count;
	bool good = container_agrees(reference, accounts, OTHER, &other, &rows);
	const struct account_container *const *list;
	struct account_container all;
	uint64_t packets = 0, bytes = 0, messages = 0;

	for (int i = OTHER + 1; i < reference->container_count; i++)
		if (reference->containers[i].there)
			good &= container_agrees(reference, accounts, i,
						 &reference->containers[i].owner, &rows);
	list = accounts_containers(accounts, &count);
	good &= count == rows;
	for (size_t i = 0; i < count; i++) {
		good &= !i || strcmp(list[i - 1]->owner.name, list[i]->owner.name) <= 0;
		packets += list[i]->packets_in + list[i]->packets_out;
		bytes += list[i]->bytes_in + list[i]->bytes_out;
		messages += list[i]->size_out[FLOW_SIZES - 1];
	}
	container_sum(reference, -1, &all);
	return good && packets == all.packets_in + all.packets_out &&
	       bytes == all.bytes_in + all.bytes_out && messages == all.size_out[FLOW_SIZES - 1];
}

static int edges_compare(const struct account_edge *a, const struct account_edge *b)
{
	int order = strcmp(a->from.name, b->from.name);

	if (!order)
		order = (int)a->from.kind - (int)b->from.kind;
	if (!order)
		order = strcmp(a->to.name, b->to.name);
	if (!order)
		order = (int)a->to.kind - (int)b->to.kind;
	return order ? order : (a->protocol << 16 | a->port) - (b->protocol << 16 | b->port);
}

static bool edges_agree(const struct flows_reference *reference, struct accounts *accounts)
{
	struct account_edge other = { .from = { FLOW_NETWORK, ACCOUNT_OTHER },
				      .to = { FLOW_NETWORK, ACCOUNT_OTHER } };
	size_t rows = 0, count;
	bool good = edge_agrees(reference, accounts, OTHER, &other, &rows);
	const struct account_edge *const *list;

	for (int i = OTHER + 1; i < reference->edge_count; i++)
		if (reference->edges[i].there)
			good &= edge_agrees(reference, accounts, i, &reference->edges[i].edge,
					    &rows);
	list = accounts_edges(accounts, &count);
	for (size_t i = 1; i < count; i++)
		good &= edges_compare(list[i - 1], list[i]) < 0;
	return good && count == rows;
}

bool flows_reference_agrees(const struct flows_reference *reference, struct accounts *accounts)
{
	return containers_agree(reference, accounts) && edges_agree(reference, accounts);
}
