/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every slot has a shadow: what was added up of its flow so far, and where to. What a record has
 * more than its shadow is added to both, so that nothing is counted twice or left out, whenever it
 * is looked at; and what a shadow points to stays while its flow lives. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/account_private.h"

unsigned int account_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 0;
	case IPPROTO_UDP:
		return 1;
	default:
		return 2;
	}
}

const char *account_protocol_name(unsigned int protocol)
{
	static const char *const names[] = { "tcp", "udp", "other" };

	return names[protocol];
}

/* ---- as a whole ------------------------------------------------------------------------------ */

struct accounts *accounts_new_bounded(size_t slots, size_t containers, size_t edges)
{
	struct accounts *accounts = mem_array(1, sizeof(*accounts));

	accounts->shadows = mem_array(slots, sizeof(*accounts->shadows));
	accounts->slots = slots;
	accounts->container_max = containers;
	accounts->edge_max = edges;
	hash_key(accounts->key);
	strcpy(accounts->other.sums.owner.name, ACCOUNT_OTHER);
	strcpy(accounts->other_edge.sums.from.name, ACCOUNT_OTHER);
	strcpy(accounts->other_edge.sums.to.name, ACCOUNT_OTHER);
	accounts->other_edge.sums.from.kind = accounts->other_edge.sums.to.kind = FLOW_NETWORK;
	return accounts;
}

struct accounts *accounts_new(size_t slots)
{
	return accounts_new_bounded(slots, ACCOUNT_CONTAINERS_MAX, ACCOUNT_EDGES_MAX);
}

void accounts_free(struct accounts *accounts)
{
	if (!accounts)
		return;
	account_rows_clear(accounts);
	free(accounts->shadows);
	free(accounts);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static void shadow_edge(struct accounts *accounts, struct shadow *shadow, const struct flow *flow,
			const struct flow_ends *ends, const struct flow_node *from,
			const struct flow_node *to)
{
	const struct edge_key key = { from, to, flow->protocol, ends->port };
	struct edge_row *edge = account_edge_row(accounts, &key);

	shadow->edges[shadow->edges[0] ? 1 : 0] = edge;
	edge->sums.connections++;
	edge->live++;
}

static void shadow_edges(struct accounts *accounts, struct shadow *shadow, const struct flow *flow,
			 const struct flow_ends *ends)
{
	struct flow_node service = { .kind = FLOW_SERVICE };

	if (!ends->service) {
		if (!ends->elsewhere)
			shadow_edge(accounts, shadow, flow, ends, &ends->from, &ends->to);
		return;
	}
	strncpy(service.name, ends->service, sizeof(service.name) - 1);
	if (!ends->elsewhere)
		shadow_edge(accounts, shadow, flow, ends, &ends->from, &service);
	if (!account_node_is(&ends->to, &service))
		shadow_edge(accounts, shadow, flow, ends, &service, &ends->to);
}

static void shadow_begin(struct accounts *accounts, struct shadow *shadow, const struct flow *flow,
			 const struct flow_ends *ends)
{
	unsigned int protocol = account_protocol(flow->protocol);
	struct account_container *sums;

	*shadow = (struct shadow){ .start_ns = flow->start_ns };
	shadow->container = account_container_row(accounts, &ends->owner);
	sums = &shadow->container->sums;
	sums->live++;
	if (flow_names_direction(flow) == FLOW_OUT)
		sums->flows_out[protocol]++;
	else
		sums->flows_in[protocol]++;
	shadow_edges(accounts, shadow, flow, ends);
}

/* What came since it was last told. What TCP has sent without what was sent twice is the difference
 * of two figures that are read one after the other, and may be less for a moment. */
static uint64_t grown(uint64_t *told, uint64_t now)
{
	uint64_t more = now > *told ? now - *told : 0;

	*told += more;
	return more;
}

static void sizes_grow(uint64_t sums[FLOW_SIZES], uint32_t told[FLOW_SIZES],
		       const uint32_t now[FLOW_SIZES])
{
	for (unsigned int k = 0; k < FLOW_SIZES; k++) {
		sums[k] += (uint32_t)(now[k] - told[k]);
		told[k] = now[k];
	}
}

static void shadow_rtt(struct shadow *shadow, uint32_t rtt_us)
{
	struct account_container *sums = &shadow->container->sums;

	sums->rtt_sum_us += (uint64_t)rtt_us - shadow->rtt_us;
	sums->rtt_count += (uint64_t)(rtt_us != 0) - (shadow->rtt_us != 0);
	shadow->rtt_us = rtt_us;
}

static void shadow_grow(struct shadow *shadow, const struct flow_record *record)
{
	const struct flow *flow = &record->flow;
	struct account_container *sums = &shadow->container->sums;
	uint64_t in = grown(&shadow->bytes_in, flow->bytes_in);
	uint64_t out = grown(&shadow->bytes_out, flow->bytes_out);

	sums->bytes_in += in;
	sums->bytes_out += out;
	sums->packets_in += grown(&shadow->packets_in, flow->packets_in);
	sums->packets_out += grown(&shadow->packets_out, flow->packets_out);
	if (flow->retransmits > shadow->retransmits) {
		sums->retransmits += flow->retransmits - shadow->retransmits;
		shadow->retransmits = flow->retransmits;
	}
	sizes_grow(sums->size_in, shadow->size_in, record->size_in);
	sizes_grow(sums->size_out, shadow->size_out, record->size_out);
	for (unsigned int e = 0; e < EDGES_A_FLOW && shadow->edges[e]; e++)
		shadow->edges[e]->sums.bytes += in + out;
}

static bool is_failure(enum flow_outcome outcome)
{
	return outcome == FLOW_REFUSED || outcome == FLOW_TIMED_OUT ||
	       outcome == FLOW_UNREACHABLE || outcome == FLOW_RESET;
}

static void shadow_end(struct shadow *shadow, enum flow_outcome outcome)
{
	struct account_container *sums = &shadow->container->sums;

	shadow_rtt(shadow, 0);
	sums->live--;
	sums->ended[outcome]++;
	for (unsigned int e = 0; e < EDGES_A_FLOW && shadow->edges[e]; e++) {
		shadow->edges[e]->live--;
		shadow->edges[e]->sums.failures += is_failure(outcome);
	}
	shadow->container = NULL;
}

static void shadow_seen(struct shadow *shadow, uint64_t now_ns)
{
	struct account_container *sums = &shadow->container->sums;

	if (sums->seen_ns < now_ns)
		sums->seen_ns = now_ns;
	for (unsigned int e = 0; e < EDGES_A_FLOW && shadow->edges[e]; e++)
		if (shadow->edges[e]->sums.seen_ns < now_ns)
			shadow->edges[e]->sums.seen_ns = now_ns;
}

bool account_knows(const struct accounts *accounts, size_t slot, const struct flow *flow)
{
	const struct shadow *shadow = &accounts->shadows[slot];

	return shadow->container && shadow->start_ns == flow->start_ns;
}

void account_flow(struct accounts *accounts, size_t slot, const struct flow_record *record,
		  const struct flow_ends *ends, uint64_t now_ns)
{
	struct shadow *shadow = &accounts->shadows[slot];
	const struct flow *flow = &record->flow;

	if (flow->life != FLOW_LIVE && flow->life != FLOW_ENDED)
		return;
	if (!account_knows(accounts, slot, flow)) {
		if (shadow->container)
			shadow_end(shadow, FLOW_GONE); /* the end of that one was never told */
		shadow_begin(accounts, shadow, flow, ends);
	}
	if (ends)
		account_container_rename(accounts, shadow->container, &ends->owner);
	shadow_grow(shadow, record);
	shadow_seen(shadow, now_ns);
	if (flow->life == FLOW_ENDED)
		shadow_end(shadow, flow->outcome < FLOW_OUTCOMES ? flow->outcome : FLOW_GONE);
	else if (flow->protocol == IPPROTO_TCP)
		shadow_rtt(shadow, flow->rtt_us);
}
