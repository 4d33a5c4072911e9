/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON as it comes over a socket, in pieces of any size, taken apart into its objects: the elements
 * of one array (an answer), or one after the other (a stream of events). Each is parsed alone, so
 * that an answer of many megabytes never stands in memory as a whole, nor as a tree of nodes. */
#ifndef LB_WATCH_JSON_OBJECTS_H
#define LB_WATCH_JSON_OBJECTS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct json_objects {
	bool array;		/* set by the owner: [{…}, {…}], and nothing behind it */
	size_t object_max;	/* likewise: bytes of one object */
	char *text;		/* of the object that has begun */
	size_t length, room;
	unsigned int depth;	/* of the braces and brackets in it */
	bool in_string, escaped;
	enum { JSON_BEFORE, JSON_FIRST, JSON_NEXT, JSON_SEPARATOR, JSON_DONE } place;
};

/* Called for each object, which is the caller's of json_objects_feed() and freed behind this. A
 * value other than 0 ends the feeding. */
typedef int json_object_taker(struct json_object *object, void *data);

/* Returns 0; -EBADMSG: not what it should be; -EMSGSIZE: an object over object_max; -ENOMEM; or
 * what take() returned. Nothing more may be fed behind an error. */
int json_objects_feed(struct json_objects *objects, const char *bytes, size_t count,
		      json_object_taker *take, void *data);

/* Nothing is missing: the array is closed, or no object is begun. */
bool json_objects_complete(const struct json_objects *objects);

void json_objects_clear(struct json_objects *objects); /* ready for the next text of the kind */

#endif
