/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Active checks: whether a backend answers. Thousands run in one event loop without one waiting
 * for another. A result says nothing about live flows: a failed check only stops new ones.
 *
 * tcp: a connection is accepted within the timeout. http: an answer with a status of the wanted
 * range within the timeout (libcurl). Both go to the backend's own address and port, directly. */
#ifndef LB_WATCH_HEALTH_H
#define LB_WATCH_HEALTH_H

#include <event2/event.h>

#include "config/config.h"

#define HEALTH_REASON_MAX 160

struct health_target {		/* one row: a backend in one family */
	char service[CONFIG_NAME_MAX], backend[CONFIG_NAME_MAX];
	struct addr address;
	uint16_t port;		/* where the check connects; host order */
	struct config_check check;	/* its strings are copied */
};

struct health_result {
	bool known;		/* there was a result: the first one alone decides */
	bool up;
	char reason[HEALTH_REASON_MAX];	/* of the last failure; "" while up */
};

struct health;

/* `changed` is called from the loop whenever a target's up or down (or known) changes. */
typedef void health_changed(void *data);

int health_open(struct event_base *loop, health_changed *changed, void *data,
		struct health **ret_health);
void health_close(struct health *health); /* NULL is fine */

/* The targets from now on. Those that stay (same service, backend, address, port and check) go on
 * with their results; a changed check keeps the state and starts its counting anew; new ones
 * begin within a moment, spread over the interval. Targets whose check is none are ignored.
 * Returns 0 or -ENOMEM. */
int health_set(struct health *health, const struct health_target *targets, size_t count);

/* What is known of a target now: *ret_result is {false, false, ""} where nothing is. */
void health_get(const struct health *health, const char *service, const char *backend,
		const struct addr *address, struct health_result *ret_result);

/* The last known state from before a restart, told before the first result. */
void health_assume(struct health *health, const char *service, const char *backend,
		   const struct addr *address, bool up);

#endif
