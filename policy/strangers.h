/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups that are named like a container's, and that the runtime does not tell of. Each stays new
 * until it has had its time to: what another runtime started is in no group then. */
#ifndef POLICY_STRANGERS_H
#define POLICY_STRANGERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stranger;

struct strangers {
	struct stranger *list;
	size_t count;
};

/* Whether it is none of the runtime's, and that for good. `complete`: the runtime has told of all
 * its containers, as of now, and this is not one of them. `old`: it was there long before, so that
 * a daemon that begins need not wait. */
bool stranger_is_known(struct strangers *strangers, uint64_t cgroup, bool complete, bool old);

/* Forgets those that nobody has asked for since the last time: they are gone, or have a name. */
void strangers_keep_used(struct strangers *strangers);

void strangers_clear(struct strangers *strangers);

#endif
