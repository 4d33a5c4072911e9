/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose value of a key counts: that of the nearest group which says it. build.c and build_policy.c
 * take every value of lb.conf through here; inside config/. */
#ifndef CONFIG_CHAIN_H
#define CONFIG_CHAIN_H

#include <libconfig.h>

#include "config/value.h"

/* The groups that may say a key, the nearest first. */
struct chain {
	unsigned int in;	/* place of the nearest */
	const config_setting_t *group[3];
	size_t count;
};

/* What is no group is left out. */
void chain_push(struct chain *chain, const config_setting_t *group);

/* NULL where nobody says it. */
const config_setting_t *chain_find(const struct chain *chain, const char *name);

/* The keys that say where a backend is, and the nearest group that says any; NULL: none does. */
#define CHAIN_SOURCES 3
extern const char *const chain_sources[CHAIN_SOURCES];
const config_setting_t *chain_source(const struct chain *chain);

/* The groups of this name in the groups of the chain: they merge key by key. */
struct chain chain_into(const struct chain *chain, const char *name, unsigned int in);

/* A refused value counts as the one that is built in. */
struct value chain_value(const struct chain *chain, const char *name);
int64_t chain_number(const struct chain *chain, const char *name);

/* The caller's; NULL where nobody says it and nothing is built in. */
char *chain_text(const struct chain *chain, const char *name);

/* Never NULL: what has no good name is refused, but may have more to tell. */
char *chain_name(const struct chain *chain);

#endif
