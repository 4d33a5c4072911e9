/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of the two collision-free tables, as a state asks for them. */
#ifndef LB_MODEL_ENTRIES_H
#define LB_MODEL_ENTRIES_H

#include "lb/model/state.h"

/* lb_services: one entry for each vip, port and protocol, and one that marks each vip and says
 * whether any service of it is up. An exact port goes before a range. Sorted, so that equal states
 * give equal arrays. */
int entries_of_services(const struct state *state, struct lb_entry **ret_entries,
			size_t *ret_count);

/* lb_replies: one entry for each address, port and protocol that a NAT backend answers from, and
 * one with port 0 for its fragments, whose ports nobody knows. */
int entries_of_replies(const struct state *state, struct lb_entry **ret_entries, size_t *ret_count);

/* By address, port and protocol; the order of the arrays above. For qsort and bsearch. */
int entry_compare_keys(const void *a_entry, const void *b_entry);

bool state_has_any_port(const struct state *state);
bool state_has_remote_nat(const struct state *state);

/* True where it is plain that `b`, which may have borrowed from `a`, has the same entries (of
 * services or of replies): no list has to be made and sorted. False says nothing. */
bool entries_are_same(const struct state *a, const struct state *b, bool replies);

#endif
