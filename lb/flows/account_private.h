/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What accounts hold, for the files that make them up: account.c has the flows of every slot,
 * account_rows.c the containers and edges that they are added to, account_rename.c how one becomes
 * another. */
#ifndef LB_FLOWS_ACCOUNT_PRIVATE_H
#define LB_FLOWS_ACCOUNT_PRIVATE_H

#include "lb/flows/account.h"
#include "lb/flows/hash.h"

#define EDGES_A_FLOW 2

struct container_row {
	struct account_container sums;
	uint64_t turned_in[FLOW_SIZES], turned_out[FLOW_SIZES]; /* sizes at the last turn */
	uint64_t code;
	bool used;		/* of "other": it has anything */
};

struct edge_row {
	struct account_edge sums;
	uint64_t live;		/* flows now */
	uint64_t code;
	bool used;
};

/* What was added up of the flow in a slot so far, and where to. */
struct shadow {
	struct container_row *container; /* NULL: no flow */
	struct edge_row *edges[EDGES_A_FLOW]; /* NULL: fewer */
	uint64_t start_ns;	/* of that flow: another one has another */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint32_t retransmits;
	uint32_t rtt_us;	/* in the container's sum; 0: it is not */
	uint32_t size_in[FLOW_SIZES], size_out[FLOW_SIZES];
};

struct accounts {
	struct shadow *shadows;
	size_t slots;
	uint64_t key[2];	/* of both hashes */
	size_t container_max, edge_max;
	struct hash containers;	/* struct container_row by id, else cgroup, else name */
	struct hash edges;	/* struct edge_row by ends, protocol and port */
	struct container_row other;
	struct edge_row other_edge;
	const struct account_container **container_list; /* sorted; NULL: to be made */
	const struct account_edge **edge_list;
};

/* ---- account_rows.c -------------------------------------------------------------------------- */

struct edge_key {
	const struct flow_node *from, *to;
	uint8_t protocol;
	uint16_t port;
};

/* The row of this owner or edge: a new one where there is none, "other" where there is no room. */
struct container_row *account_container_row(struct accounts *accounts,
					    const struct flow_owner *owner);
struct edge_row *account_edge_row(struct accounts *accounts, const struct edge_key *key);

/* The owner may be called otherwise by now. */
void account_container_rename(struct accounts *accounts, struct container_row *container,
			      const struct flow_owner *owner);

/* Adds all that the one has to the other, but not its live flows. */
void account_edge_add(struct edge_row *to, const struct edge_row *from);
/* An edge out of the table, under the name that it has; and back, under the one that it has by
 * then, where there is no other one: else returns that. */
void account_edge_take(struct accounts *accounts, struct edge_row *edge);
struct edge_row *account_edge_put(struct accounts *accounts, struct edge_row *edge);
void account_containers_unsort(struct accounts *accounts);

bool account_node_is(const struct flow_node *a, const struct flow_node *b);
void account_rows_clear(struct accounts *accounts);

#endif
