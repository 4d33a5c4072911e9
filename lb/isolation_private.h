/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files lb/isolation*.c share. Nobody else includes this. */
#ifndef LB_ISOLATION_PRIVATE_H
#define LB_ISOLATION_PRIVATE_H

#include "lb/isolation.h"
#include "policy/companions.h"
#include "policy/compile.h"
#include "policy/kernel.h"
#include "policy/who.h"

#define EVENTS_KEPT 256

/* A generation that judges, or did. */
struct generation {
	const struct config_policy *policy;
	struct found found;
	struct policy_tables *tables;	/* NULL: none */
	uint64_t current;		/* policy_kernel_current() of it */
};

struct policy_cut; /* policy/cut.h */

struct kept_event {
	struct json_object *json;	/* NULL: none yet */
	time_t time;			/* CLOCK_REALTIME */
};

struct isolation {
	struct manager *manager;
	struct policy_kernel *kernel;	/* NULL: no policy */
	struct policy_companions *companions;
	struct who *who;
	struct generation now;
	struct event *who_event, *told_event, *soon_timer, *later_timer;
	char *trouble;	/* what the last look could not do, as it was told */
	bool unsure;	/* whether `now` is what judges: the next look writes all of it anew */
	uint64_t seen_from_ns; /* CLOCK_MONOTONIC: what was seen before has numbers of other sets */
	bool waiting;	/* what an earlier daemon applied is in force; nothing was looked at yet */
	uint64_t cut_total;
	struct policy_count *before;	/* by rule: of generations with the same rules before */
	struct kept_event events[EVENTS_KEPT]; /* a ring: the newest at (event_count - 1) */
	uint64_t event_count;
	const struct config_policy *told_policy; /* whose warnings were told */
};

/* The set that a subject is in, as programs find it. */
uint16_t isolation_set_of(const struct policy_tables *tables, const struct subject *subject);

/* lb/isolation_tell.c: a policy_event_function. */
void isolation_tell(const struct policy_event *event, void *context);
/* Who is in other groups than before, one line each. */
void isolation_tell_groups(struct isolation *isolation, const struct generation *before,
			   const struct generation *now);
void isolation_tell_cut(struct isolation *isolation, const struct policy_cut *cut);
/* "web-a", or the path or number of the cgroup; into text[size]. */
const char *isolation_name(const struct isolation *isolation, uint64_t cgroup, uint32_t netns,
			   char *text, size_t size);

#endif
