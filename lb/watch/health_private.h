/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What health.c (which targets there are) and health_target.c (when each is checked, and what its
 * results make of it) share. */
#ifndef LB_WATCH_HEALTH_PRIVATE_H
#define LB_WATCH_HEALTH_PRIVATE_H

#include <sys/queue.h>

#include "lb/watch/health_probe.h"

struct target {
	struct health *health;
	struct health_target wanted;	/* its strings are ours */
	struct health_result result;
	unsigned int against;	/* results in a row that contradict result.up */
	bool judged;		/* one of the results was a check's, not assumed */
	uint64_t hash;		/* of its names: its place in the interval */
	uint64_t set;		/* the number of the last health_set() that wanted it */

	/* Its one timer is the next check's moment between checks and the end of its time while
	 * one is on its way: so none ever overlaps another. */
	struct event *timer;
	int64_t due_ms;		/* when the check was due that is made now, or else the next */
	int64_t deadline_ms;	/* while one is on its way */
	bool extended;		/* the deadline was moved once */
	bool waiting;		/* in health->waiting */
	TAILQ_ENTRY(target) in_waiting;
	void *probe;		/* on its way, or NULL */
};

TAILQ_HEAD(target_queue, target);

struct health {
	struct event_base *loop;
	struct curl_loop *curl;
	health_changed *changed;
	void *data;
	struct event *notice;	/* calls `changed` when nothing of ours is on the stack */
	struct target **targets;	/* by service, backend and address */
	size_t target_count;
	uint64_t sets;		/* calls of health_set() */
	struct target_queue waiting;	/* due, until fewer are running; the oldest first */
	size_t running, running_max;
};

/* NULL: no memory. */
struct target *target_new(struct health *health, const struct health_target *wanted);
void target_free(struct target *target); /* also in the middle of a check */

/* Its first check comes within a moment. */
void target_begin(struct target *target);

/* Starts what waits, as far as the limit lets it. */
void health_start_waiting(struct health *health);

#endif
