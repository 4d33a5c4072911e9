/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of cgroups as rules see it: by which id a cgroup is known in policy_cgroups, whether it
 * is below a governed parent, and which processes are in those that rules are about. */
#ifndef POLICY_LINEAGE_H
#define POLICY_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/compile.h"

struct lineage {
	uint64_t id;
	uint64_t known;		/* its own id, or the nearest ancestor's, in the tables; 0: none */
	bool below_parent;
};

struct lineages {
	struct lineage *list;	/* in the order of ids; only those that rules are about */
	size_t count;
	pid_t *processes;	/* in them */
	size_t process_count;
};

/* Returns 0 or -errno; cgroups that go away meanwhile are not in it. */
int lineages_read(const struct policy_tables *tables, struct lineages *ret_lineages);
void lineages_clear(struct lineages *lineages);

/* One that is not listed is known by nothing. */
struct lineage lineage_of(const struct lineages *lineages, uint64_t id);

#endif
