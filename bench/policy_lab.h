/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where isolation is measured: containers, each a cgroup and a network namespace of the bench's
 * own, on a host that forwards between them and towards the world, which is on its loopback.
 *
 *     cgroup PARENT (governed)                       far: the host and the world
 *       front   10.88.0.2   in a group   ── p0
 *       db      10.88.1.2   in a group   ── p1       10.95.0.1 on lo, TCP servers
 *       nobody  10.88.2.2   in no group  ── p2       10.96.0.0/12: what comes there is dropped
 *     cgroup PARENT-outside
 *       outside 10.88.3.2                ── p3
 *
 * The programs are loaded, filled and attached by what the daemon calls for it. */
#ifndef BENCH_POLICY_LAB_H
#define BENCH_POLICY_LAB_H

#include <stdint.h>

#include "bench/ground.h"
#include "policy/compile.h"
#include "policy/kernel.h"

enum lab_who { LAB_FRONT, LAB_DB, LAB_NOBODY, LAB_OUTSIDE, LAB_WHO };
#define LAB_PORTS 2	/* who has the backstop: front and db, by these numbers */

static inline uint32_t lab_address(enum lab_who who) /* host order */
{
	return 0x0a580002 + (uint32_t)who * 0x100;
}

struct policy_lab {
	const struct ground *ground;
	struct space far, spaces[LAB_WHO];
	uint64_t cookies[LAB_WHO], cgroup_ids[LAB_WHO];
	struct policy_kernel *kernel;
	struct subjects subjects;
	struct policy_tables *tables;		/* that judge; NULL: none yet */
	struct policy_backstop ports[LAB_PORTS];
};

/* 0, or -errno with a sentence; then there is nothing to unmake. */
int lab_make(const struct ground *ground, struct policy_lab *lab, struct diag *diag);
void lab_unmake(struct policy_lab *lab);

/* The tables judge from now on; the lab frees them. On failure they stay the caller's. */
int lab_apply(struct policy_lab *lab, struct policy_tables *tables, struct diag *diag);

/* All programs of isolation attached, the backstop included; or none. */
int lab_attach(struct policy_lab *lab, bool attached, struct diag *diag);

const char *lab_parent(void); /* the governed cgroup, below the root */
int lab_open_parent(void); /* its fd, or -errno */

/* For a child: into a container's cgroup, and into the namespace of one or of the world. */
int lab_enter_cgroup(enum lab_who who);
int lab_enter_space(const struct space *space);

#endif
