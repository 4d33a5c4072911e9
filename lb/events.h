/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened, for `lbctl events`: the last EVENTS_REMEMBERED of it, numbered without a gap since
 * the daemon began. A change of state is told once, by change_tell(): a log line and an event. */
#ifndef LB_EVENTS_H
#define LB_EVENTS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "lb/event_kinds.h"

#define EVENTS_REMEMBERED 4096

struct events;

struct events *events_new(void); /* never NULL */
void events_free(struct events *events); /* NULL is fine */

struct change {
	enum event_kind kind;
	const char *object;	/* "backend web/web-a 10.1.0.2" */
	const char *from, *to;	/* NULL: none */
	const char *cause;	/* NULL or "": none */
	struct json_object *more; /* further members of the event, or another "text"; taken over;
				   * NULL: none */
};

/* The event alone, where the log has its own line or none. */
void events_add(struct events *events, const struct change *change);

/* The log line too, "OBJECT: FROM → TO: CAUSE", of that level (syslog.h). */
void change_tell(struct events *events, int level, const struct change *change);

/* Called after an event was added, from wherever that was. It must not add any. */
void events_listen(struct events *events, void (*added)(void *data), void *data);

/* {"started","events":[{"seq","time","kind","object","from","to","cause","text",...}],"next":N,
 * "lost":N}: those from number `from` on, `room` at most; `next` is where to go on, `lost` how many
 * were forgotten before they could be told. `started`: when this numbering began; another one is
 * another daemon's. For writing only: its events have no members to look at. The caller puts it. */
struct json_object *events_json(const struct events *events, uint64_t from, size_t room);
uint64_t events_next(const struct events *events); /* the number that the next one will have */

#endif
