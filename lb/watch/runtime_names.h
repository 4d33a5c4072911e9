/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that the runtime has told by the way: of containers that were gone before they could be
 * asked for, or that somebody else has met. Inside lb/watch, called by runtime.c alone. Bounded:
 * the newest 1024 are known, and 64 are waited for. */
#ifndef LB_WATCH_RUNTIME_NAMES_H
#define LB_WATCH_RUNTIME_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/watch/runtime_json.h"

#define RUNTIME_NAMES_MAX  1024
#define RUNTIME_WANTED_MAX 64

struct runtime_name {
	char id[RUNTIME_ID_MAX];
	char *name;		/* NULL: the runtime has no such container */
};

struct runtime_names {
	struct runtime_name told[RUNTIME_NAMES_MAX]; /* a ring: the newest at (count - 1) */
	uint64_t count;
	char wanted[RUNTIME_WANTED_MAX][RUNTIME_ID_MAX]; /* the first is asked for */
	size_t wanted_count;
};

void runtime_names_clear(struct runtime_names *names);

/* As it is called last. `name` NULL: there is none of that id. */
void runtime_names_tell(struct runtime_names *names, const char *id, const char *name);
const char *runtime_names_find(const struct runtime_names *names, const char *id); /* or NULL */

/* It is to be asked for, once; where too many are, not at all. False: it is not asked for. */
bool runtime_names_want(struct runtime_names *names, const char *id);
const char *runtime_names_wanted(const struct runtime_names *names); /* the next one; NULL: none */
void runtime_names_answered(struct runtime_names *names); /* the next one is another */

#endif
