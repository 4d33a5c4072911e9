/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody on this host whom rules can be about: a container, a cgroup or a network namespace, as
 * who.c finds them. The compiler sorts them into groups. */
#ifndef POLICY_SUBJECT_H
#define POLICY_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"

struct subject {
	char *name;		/* the container's; else the cgroup's path or the netns as given */
	bool container;		/* the runtime knows it */
	char **labels;		/* "key=value", of a container */
	size_t label_count;
	char *cgroup;		/* path below the root of cgroup v2, "docker/0123"; NULL: none */
	uint64_t cgroup_id;	/* inode of its directory; 0: none */
	unsigned int level;	/* depth of it: 1 is a child of the root */
	char *netns;		/* as /run/netns names it or a path; NULL: no name is known */
	uint64_t cookie;	/* of its network namespace; 0: the host's own, or not known */
	struct addr *addresses;	/* of that namespace, loopback left out, link-local included */
	size_t address_count;
};

struct subjects {
	struct subject *list;
	size_t count;
	uint64_t parents[64];	/* governed: new cgroups below them are subjects soon */
	unsigned int parent_levels[64];
	size_t parent_count;	/* the root itself is never one */
	unsigned int container_levels[8]; /* depths at which containers come beside other things:
					   * they are new by the names of their cgroups */
	size_t container_level_count;
};

void subjects_clear(struct subjects *subjects); /* frees all; an empty one is fine */

#endif
