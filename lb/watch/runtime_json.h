/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the runtime's API says, from JSON to values; inside lb/watch, called by runtime.c. A field
 * of a type that it cannot have makes the whole object -EBADMSG: half a container is worse than
 * the one that is known. Null stands for an absent field, as with every Go program. */
#ifndef LB_WATCH_RUNTIME_JSON_H
#define LB_WATCH_RUNTIME_JSON_H

#include <json-c/json.h>

#include "lb/model/container.h"

#define RUNTIME_ID_MAX	 65 /* 64 digits and the NUL */
#define RUNTIME_NAME_MAX 256 /* of a container or a network; a runtime takes no longer ones */

/* An element of GET /containers/json. The name is NULL for what is being removed. */
int container_from_list(struct json_object *object, struct container *ret_container);

/* GET /containers/ID/json: with everything. */
int container_from_inspect(struct json_object *object, struct container *ret_container);

enum runtime_event_kind {
	RUNTIME_EVENT_NOTHING,	/* that we know nothing different by */
	RUNTIME_EVENT_DIED,	/* the container has no processes any more */
	RUNTIME_EVENT_REMOVED,
	RUNTIME_EVENT_CHANGED,	/* ask how it is now */
	RUNTIME_EVENT_SOMEWHERE, /* some container is another one now */
};

struct runtime_event {
	enum runtime_event_kind kind;
	char id[RUNTIME_ID_MAX]; /* of the container; "" for NOTHING and SOMEWHERE */
	char name[RUNTIME_NAME_MAX]; /* of it since then; "" where the event does not tell */
};

/* An object of GET /events. */
int runtime_event_from(struct json_object *object, struct runtime_event *ret_event);

#endif
