/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flows add up to: per container, and per edge of the graph. Pure, and bounded: containers and
 * edges beyond the limits are added up in one called "other", so that sums are always exact. */
#ifndef LB_FLOWS_ACCOUNT_H
#define LB_FLOWS_ACCOUNT_H

#include "lb/flows/names.h"

#define ACCOUNT_CONTAINERS_MAX	4096
#define ACCOUNT_EDGES_MAX	16384
#define ACCOUNT_OTHER		"other"

struct account_container {
	struct flow_owner owner;		/* as it was called last; its id, else its cgroup,
						 * makes it the same one */
	uint64_t packets_in, packets_out, bytes_in, bytes_out, retransmits;
	uint64_t flows_in[3], flows_out[3];	/* begun, by account_protocol() */
	uint64_t ended[FLOW_OUTCOMES];
	uint64_t size_in[FLOW_SIZES], size_out[FLOW_SIZES]; /* messages, in all */
	uint64_t last_in[FLOW_SIZES], last_out[FLOW_SIZES]; /* in the last whole interval */
	uint64_t live;				/* flows now */
	uint64_t rtt_sum_us, rtt_count;		/* of the live TCP flows at the last sample */
	uint64_t seen_ns;			/* when it last had a flow that lived */
};

/* 0: tcp, 1: udp, 2: whatever else. */
unsigned int account_protocol(uint8_t protocol);
const char *account_protocol_name(unsigned int protocol); /* "tcp", "udp", "other" */

struct account_edge {
	struct flow_node from, to;
	uint8_t protocol;
	uint16_t port;			/* the responder's; 0: none, or of "other" any */
	uint64_t connections, failures, bytes; /* bytes of both directions */
	uint64_t seen_ns;		/* when it was last told of */
};

struct accounts;

/* For records of which there are `slots`. Never NULL. */
struct accounts *accounts_new(size_t slots);
/* The same with lower limits. */
struct accounts *accounts_new_bounded(size_t slots, size_t containers, size_t edges);
void accounts_free(struct accounts *accounts); /* NULL is fine */

/* What the flow in that slot has done since it was last told of: the first time it is one flow more
 * for its container and one connection more for its edges. A flow through a service is two edges,
 * from → service and service → to; the edge from where it is told of elsewhere is left out. It
 * keeps its edges, whatever it is called later, but for accounts_rename(). `record` is a copy that
 * nobody writes to. An ENDED one is told of once, and its slot is another flow's afterwards. A flow
 * that did not come about (refused, timed out, unreachable) or was reset by the other end is a
 * failure. `ends` may be NULL for a flow that is known. */
void account_flow(struct accounts *accounts, size_t slot, const struct flow_record *record,
		  const struct flow_ends *ends, uint64_t now_ns);

/* Who was called by the path of its cgroup and has a name now: the row of its container, and its
 * edges, are as if they had always had it. */
void accounts_rename(struct accounts *accounts, const struct flow_renamed *list, size_t count);

/* Whether it was told of: then its ends need not be named again, unless names have changed. */
bool account_knows(const struct accounts *accounts, size_t slot, const struct flow *flow);

/* The end of an interval: what came since the last one is `last_*` of each container. */
void accounts_turn(struct accounts *accounts);

/* Sorted by name; by from, to, protocol and port. Valid until the next flow. */
const struct account_container *const *accounts_containers(struct accounts *accounts,
							   size_t *ret_count);
const struct account_edge *const *accounts_edges(struct accounts *accounts, size_t *ret_count);

/* Containers without a live flow that were last seen before then are forgotten, and edges too: what
 * they had is in "other" from then on. Of "other" itself there is one, in both lists, once it has
 * anything. */
void accounts_forget(struct accounts *accounts, uint64_t before_ns);

#endif
