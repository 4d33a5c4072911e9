/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground of the tests of isolation: its programs over small tables that are written by hand, in
 * a cgroup and a network namespace of the test's own. Both go with it, however it ends.
 *
 * Parties are few: OTHERS (any address that nobody named), DB, OFFICE and WATCHED by their
 * prefixes, and FRONT, the set that the test's own cgroup is in. A rule says what one may do to
 * another; where there is none, the default allows. */
#ifndef TESTS_PROG_POLICY_WORLD_H
#define TESTS_PROG_POLICY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy_abi.h"

enum party { OTHERS, DB, OFFICE, WATCHED, PARTIES };

/* Sets of somebody's own. Those of a cgroup are POLICY_SET_NEW and FRONT; BATCH is a namespace's,
 * BOTH somebody's in both. */
enum { FRONT_SET = 2, BATCH_SET, BOTH_SET, WORLD_SETS };

struct rule {
	enum party other;
	bool initiates;		/* the own end */
	uint8_t protocol;	/* 0: all of them */
	uint16_t first, last;	/* responder's ports, of one protocol; both 0: all of them */
	enum policy_action action;
	bool audit;
};

struct policy_world {
	struct policy_bpf *skel;
	struct policy_settings *settings; /* mapped */
	uint64_t cgroup;	/* id of the test's own */
	uint32_t level;		/* of it */
	uint64_t cookie;	/* of the test's netns */
	int cgroup_fd;
	struct bpf_link *links[16];
};

/* Runs `tests` in a child in a new cgroup and returns what it did. 77 without root. */
int policy_world_run(int (*tests)(void));
/* Moves the calling process out of that cgroup, for those who play somebody else; 0 or -errno. */
int policy_world_leave(void);
/* And back into it. */
int policy_world_join(void);
/* Puts every program of a cgroup onto the test's own, for as long as the world is open. */
void policy_world_attach(struct policy_world *world);
void policy_world_detach(struct policy_world *world);

/* One program object with the two halves' tables made, and nothing in them. */
struct policy_world *policy_world_open(void);
void policy_world_close(struct policy_world *world); /* NULL is fine */

/* Writes a generation into a half: the first rule that fits counts, its number is its index. The
 * own cgroup is in FRONT. Nothing is turned yet. */
void policy_world_fill(struct policy_world *world, uint32_t half, const struct rule *rules,
		       size_t count);
/* Turns to the half, under the next epoch. */
void policy_world_turn(struct policy_world *world, uint32_t half);

/* In half 0, until it is filled again: whoever is in BATCH may begin with others what FRONT may
 * with OFFICE. */
void policy_world_batch(struct policy_world *world);

/* Entries of single tables, in both halves. */
void policy_world_place(struct policy_world *world, const char *prefix, uint32_t class,
			uint32_t netns);
void policy_world_member(struct policy_world *world, const char *map, uint64_t id, uint32_t set);
void policy_world_sockets(struct policy_world *world, uint32_t set,
			  const struct policy_sockets *sockets);
void policy_world_port(struct policy_world *world, uint32_t ifindex,
		       const struct policy_port *port);

/* The inner map of a half. */
int policy_world_table(struct policy_world *world, const char *map, uint32_t half);

/* Sums over all CPUs. */
struct policy_count policy_world_count(struct policy_world *world, uint32_t rule);
/* Forgets flows, fragments, counts and what was seen. */
void policy_world_forget(struct policy_world *world);

#endif
