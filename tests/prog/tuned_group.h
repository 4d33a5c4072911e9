/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of policy_tcp_ops by hand, over cgroups of the test's own:
 *
 *	edgelb-test-PID           the program is attached here
 *	edgelb-test-PID/inside    a group, of set TUNED_SET; inside/nested is below it
 *	edgelb-test-PID/outside   in no group
 */
#ifndef TESTS_PROG_TUNED_GROUP_H
#define TESTS_PROG_TUNED_GROUP_H

#include <stdint.h>

#include "policy/adaptive.h"
#include "policy/policy_abi.h"
#include "policy/tuning_abi.h"

#define TUNED_SET     2
#define TUNED_CURRENT (7ULL << 1) /* epoch 7, half 0 */

enum tuned_place { TUNED_INSIDE, TUNED_NESTED, TUNED_OUTSIDE, TUNED_PLACES };

struct tuned_group;

struct tuned_group *tuned_group_make(void); /* NULL: could not, and nothing is left of it */
void tuned_group_unmake(struct tuned_group *group);

/* Where sockets that this process makes belong to from now on. */
void tuned_group_move(const struct tuned_group *group, enum tuned_place place);

/* Fills a half with this tuning for the group; no one reads it before _turn(). */
void tuned_group_fill(struct tuned_group *group, uint32_t half, const struct policy_tcp *tuning);
void tuned_group_turn(struct tuned_group *group, uint64_t current);

/* As _fill() and _turn(), for a group that is this network namespace. */
void tuned_group_netns(struct tuned_group *group, const struct policy_tcp *tuning);

/* What other programs would have written down of a socket. */
void tuned_group_stamp(struct tuned_group *group, int fd, uint32_t set, uint64_t identified);

uint64_t tuned_group_count(const struct tuned_group *group, enum policy_tuned what);

int tuned_group_path(const struct tuned_group *group, const struct adaptive_key *key,
		     struct adaptive_path *ret_path);
void tuned_group_path_set(struct tuned_group *group, const struct adaptive_key *key,
			  const struct adaptive_path *path);
void tuned_group_paths_forget(struct tuned_group *group);

#endif
