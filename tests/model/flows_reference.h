/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flows add up to, the plain way: every flow that ever was, as it was told last, with the rows
 * that it belongs to. All is added up from nothing whenever it is asked for; rows are found by
 * going through them all. */
#ifndef TESTS_MODEL_FLOWS_REFERENCE_H
#define TESTS_MODEL_FLOWS_REFERENCE_H

#include "lb/flows/account.h"

#define REFERENCE_SLOTS 200
#define REFERENCE_ROWS	20000	/* that ever were */

struct reference_flow {
	struct flow_record told; /* as it was told last; what cannot shrink, as the most of it */
	uint64_t told_ns;
	bool live;
	int container, edges[2]; /* rows; -1: none */
	uint64_t size_in[FLOW_SIZES], size_out[FLOW_SIZES];	/* in all */
	uint64_t turned_in[FLOW_SIZES], turned_out[FLOW_SIZES]; /* at the last turn */
	uint64_t before_in[FLOW_SIZES], before_out[FLOW_SIZES]; /* at the one before */
};

struct flows_reference {
	size_t container_max, edge_max;
	struct reference_flow *flows;
	size_t flow_count, flow_room;
	int slot_flow[REFERENCE_SLOTS];	/* -1: none */

	/* The first of each is "other"; those that are not there any more were forgotten. */
	struct {
		struct flow_owner owner;
		bool there;
	} containers[REFERENCE_ROWS];
	struct {
		struct account_edge edge;
		bool there;
	} edges[REFERENCE_ROWS];
	int container_count, edge_count;
};

/* Never NULL. */
struct flows_reference *flows_reference_new(size_t containers, size_t edges);
void flows_reference_free(struct flows_reference *reference);

/* As account_flow(), account_knows(), accounts_turn() and accounts_forget(). */
void flows_reference_told(struct flows_reference *reference, size_t slot,
			  const struct flow_record *record, const struct flow_ends *ends,
			  uint64_t now);
bool flows_reference_knows(const struct flows_reference *reference, size_t slot,
			   const struct flow *flow);
void flows_reference_turn(struct flows_reference *reference);
void flows_reference_forget(struct flows_reference *reference, uint64_t before);

/* Whether the accounts have the same rows with the same sums, sorted, and all of them together what
 * all flows have; says where not. */
bool flows_reference_agrees(const struct flows_reference *reference, struct accounts *accounts);

#endif
