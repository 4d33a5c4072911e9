/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers of this host, by the API of their runtime (Docker's; Podman speaks it too) over
 * its Unix socket. The stream of events is opened before the list is asked for, and after every gap
 * of it the list is asked for again, so nothing falls between. Whatever the runtime does (silence,
 * half an answer, nonsense, too much of anything) the last known state stays, and what it can make
 * us hold is bounded: 16 MiB an answer, 1 MiB an object, 16384 containers. */
#ifndef LB_WATCH_RUNTIME_H
#define LB_WATCH_RUNTIME_H

#include <event2/event.h>

#include "lb/model/container.h"

#define RUNTIME_REASON_MAX 192

struct runtime;

/* Called from the loop, once for all that came in one turn of it, when a container or the reason
 * has changed. It may close the runtime. */
typedef void runtime_changed(void *data);

/* Connects as soon as the loop runs, and again with a growing pause as often as it must: that no
 * runtime is there is no error. Returns 0 or -ENOMEM. */
int runtime_open(struct event_base *loop, const char *socket, runtime_changed *changed, void *data,
		 struct runtime **ret_runtime);
void runtime_close(struct runtime *runtime); /* NULL is fine */

/* The last known state, sorted by name; valid until the loop runs again. */
const struct container *runtime_containers(struct runtime *runtime, size_t *ret_count);

/* Whether a list was ever complete: before, that a container is missing says nothing. */
bool runtime_known(const struct runtime *runtime);

/* Whether it has told of somebody whose name is still asked for, who is not on the list yet. */
bool runtime_is_asking(const struct runtime *runtime);

/* What a container is called that is there or was a while ago, as far as it was told, also by the
 * events of one that was gone before it could be asked for; NULL: it was not told. Valid until the
 * loop runs again. */
const char *runtime_name(const struct runtime *runtime, const char *id);

/* Somebody has met a container of that id: it is asked for by and by, if nothing is known of it.
 * runtime_changed is called when that has an answer. */
void runtime_wonder(struct runtime *runtime, const char *id);

/* Why what is known may be old: a sentence without the socket's name; "" while connected. */
const char *runtime_reason(const struct runtime *runtime);

/* The first complete list without a loop, for callers that must have one now: blocks until it is
 * there, wait_ms at most. Returns 0; or -ETIMEDOUT with the reason, ret_containers untouched;
 * or -ENOMEM. */
int runtime_read(const char *socket, long wait_ms, struct containers *ret_containers,
		 char ret_reason[RUNTIME_REASON_MAX]);

/* How long it waits, in milliseconds; another program than a test has no reason to change it. Takes
 * effect from the next question on. */
struct runtime_times {
	unsigned int answer;		/* for an answer to be complete, or a stream's to begin */
	unsigned int pause_min, pause_max; /* before the next attempt to connect */
	unsigned int list_soon, list;	/* until the next list: the first of a connection, others */
};
extern const struct runtime_times runtime_times_default;
void runtime_set_times(struct runtime *runtime, const struct runtime_times *times);

#endif
