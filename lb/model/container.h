/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container as its runtime tells of it, as a value. lb/watch/runtime.c makes these; backends
 * (resolve.h) and the policy's subjects are found by them. */
#ifndef LB_MODEL_CONTAINER_H
#define LB_MODEL_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/addr.h"

struct container_network {
	char *name;
	struct addr address[2];	/* [0] IPv4, [1] IPv6 */
	bool has_address[2];
};

struct container {
	char *id;		/* lower-case hex, 64 digits as a rule */
	char *name;		/* unique among those of one list */
	char **labels;		/* "key=value", sorted */
	size_t label_count;
	struct container_network *networks; /* sorted by name */
	size_t network_count;
	bool running;		/* it has processes; one that is paused has them too */
	bool host_network;
	char *network_of;	/* id of the container in whose network namespace it is, or NULL */
	/* What only a second question tells: before its answer both are NULL. */
	bool detailed;
	char *cgroup_parent;	/* NULL: the runtime's own choice */
	char *sandbox_key;	/* path of its network namespace for the runtime; NULL: none */
};

struct containers {
	struct container *list;	/* sorted by name */
	size_t count;
};

void container_clear(struct container *container);	/* frees what it holds */
struct container container_copy(const struct container *container);
bool container_equal(const struct container *a, const struct container *b);

void containers_clear(struct containers *containers);	/* frees all; an empty one is fine */
struct containers containers_copy(const struct container *list, size_t count);

/* NULL: there is none. */
const struct container *containers_by_name(const struct containers *containers, const char *name);
const struct container *containers_by_id(const struct containers *containers, const char *id);

/* Whether it has the label: "key=value", or "key" for any value. */
bool container_has_label(const struct container *container, const char *label);

#endif
