/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups of the bench's own, by their paths below the root. */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

#include <stdint.h>

int cgroup_make(const char *name, uint64_t *ret_id);	/* 0 or -errno; the id may be NULL */
void cgroup_remove(const char *name);			/* waits a moment for who is just leaving */
int cgroup_enter(const char *name);			/* this process; 0 or -errno */

#endif
