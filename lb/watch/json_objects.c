/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds where each object ends, by its braces and strings alone; json-c judges what is within. */
#include "lb/watch/json_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte between objects. */
static int place_step(struct json_objects *objects, char c)
{
	bool begins = c == '{';

	if (is_space(c))
		return 0;
	if (!objects->array) {
		if (!begins)
			return -EBADMSG;
		objects->depth = 1;
		return 0;
	}
	switch (objects->place) {
	case JSON_BEFORE:
		if (c != '[')
			return -EBADMSG;
		objects->place = JSON_FIRST;
		return 0;
	case JSON_FIRST:
	case JSON_SEPARATOR:
		if (c == ']') {
			objects->place = JSON_DONE;
			return 0;
		}
		if (objects->place == JSON_FIRST ? !begins : c != ',')
			return -EBADMSG;
		objects->place = JSON_NEXT;
		objects->depth = begins;
		return 0;
	case JSON_NEXT:
		if (!begins)
			return -EBADMSG;
		objects->depth = 1;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* A byte within one. */
static void depth_step(struct json_objects *objects, char c)
{
	if (objects->escaped)
		objects->escaped = false;
	else if (objects->in_string && c == '\\')
		objects->escaped = true;
	else if (c == '"')
		objects->in_string = !objects->in_string;
	else if (objects->in_string)
		return;
	else if (c == '{' || c == '[')
		objects->depth++;
	else if (c == '}' || c == ']')
		objects->depth--;
}

static int text_append(struct json_objects *objects, char c)
{
	if (objects->length == objects->object_max)
		return -EMSGSIZE;
	if (objects->length == objects->room) {
		size_t room = objects->room ? 2 * objects->room : 4096;
		char *grown = realloc(objects->text, room);

		if (!grown)
			return -ENOMEM;
		objects->text = grown;
		objects->room = room;
	}
	objects->text[objects->length++] = c;
	return 0;
}

static int object_end(struct json_objects *objects, json_object_taker *take, void *data)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;
	int err = 0;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, objects->text, (int)objects->length);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != objects->length)
		err = -EBADMSG;
	objects->length = 0;
	objects->place = JSON_SEPARATOR;
	if (!err)
		err = take(object, data);
	json_object_put(object);
	json_tokener_free(tokener);
	return err;
}

int json_objects_feed(struct json_objects *objects, const char *bytes, size_t count,
		      json_object_taker *take, void *data)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		bool within = objects->depth;

		if (within)
			depth_step(objects, bytes[i]);
		else
			err = place_step(objects, bytes[i]);
		if (!err && (within || objects->depth))
			err = text_append(objects, bytes[i]);
		if (!err && within && !objects->depth)
			err = object_end(objects, take, data);
	}
	return err;
}

bool json_objects_complete(const struct json_objects *objects)
{
	return !objects->depth && (!objects->array || objects->place == JSON_DONE);
}

void json_objects_clear(struct json_objects *objects)
{
	free(objects->text);
	*objects = (struct json_objects){ .array = objects->array,
					  .object_max = objects->object_max };
}
