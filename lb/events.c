/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of what happened. An event is made into its JSON when it happens, while what it names is
 * still there, and kept as text, which takes a tenth of the memory of objects. */
#include "lb/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/mem.h"
#include "lb/log.h"

#define STAMP_MAX 40

struct events {
	char started[STAMP_MAX];
	char *kept[EVENTS_REMEMBERED];	/* event N at N % EVENTS_REMEMBERED */
	uint64_t next;
	void (*added)(void *data);
	void *data;
};

/* UTC, with so many digits of the second. */
static const char *stamp_text(int digits, char text[STAMP_MAX])
{
	struct timespec now;
	struct tm utc;
	char fraction[16];

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(text, STAMP_MAX, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(fraction, sizeof(fraction), "%09ld", now.tv_nsec);
	snprintf(text + strlen(text), STAMP_MAX - strlen(text), ".%.*sZ", digits, fraction);
	return text;
}

struct events *events_new(void)
{
	struct events *events = mem_array(1, sizeof(*events));

	stamp_text(9, events->started);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < EVENTS_REMEMBERED; i++)
		free(events->kept[i]);
	free(events);
}

void events_listen(struct events *events, void (*added)(void *data), void *data)
{
	events->added = added;
	events->data = data;
}

uint64_t events_next(const struct events *events)
{
	return events->next;
}

/* ---- one event ------------------------------------------------------------------------------- */

static bool is_told(const char *text)
{
	return text && *text;
}

/* "backend web/web-a 10.1.0.2: up → down: connection refused"; the caller frees it. */
static char *change_text(const struct change *change)
{
	char *text = NULL;
	size_t size;
	FILE *to = mem_must(open_memstream(&text, &size));

	fputs(change->object, to);
	if (is_told(change->from) || is_told(change->to))
		fprintf(to, ": %s%s%s", is_told(change->from) ? change->from : "",
			is_told(change->from) && is_told(change->to) ? " → " : "",
			is_told(change->to) ? change->to : "");
	if (is_told(change->cause))
		fprintf(to, ": %s", change->cause);
	fclose(to);
	return mem_must(text);
}

#define ADD(object, key, value) json_object_object_add(object, key, value)

static struct json_object *text_json(const char *text)
{
	return is_told(text) ? json_object_new_string(text) : NULL;
}

static struct json_object *event_json(const struct events *events, const struct change *change,
				      const char *text)
{
	struct json_object *event = json_object_new_object();
	char stamp[STAMP_MAX];

	ADD(event, "seq", json_object_new_uint64(events->next));
	ADD(event, "time", json_object_new_string(stamp_text(3, stamp)));
	ADD(event, "kind", json_object_new_string(event_kind_name(change->kind)));
	ADD(event, "object", json_object_new_string(change->object));
	ADD(event, "from", text_json(change->from));
	ADD(event, "to", text_json(change->to));
	ADD(event, "cause", text_json(change->cause));
	ADD(event, "text", json_object_new_string(text));
	if (change->more) {
		json_object_object_foreach(change->more, key, value)
			ADD(event, key, json_object_get(value));
	}
	return event;
}

static void event_keep(struct events *events, const struct change *change, const char *text)
{
	char **kept = &events->kept[events->next % EVENTS_REMEMBERED];
	struct json_object *event = event_json(events, change, text);

	free(*kept);
	*kept = mem_text(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(event);
	json_object_put(change->more);
	events->next++;
	if (events->added)
		events->added(events->data);
}

void events_add(struct events *events, const struct change *change)
{
	char *text = change_text(change);

	event_keep(events, change, text);
	free(text);
}

void change_tell(struct events *events, int level, const struct change *change)
{
	char *text = change_text(change);

	log_line(level, "%s", text);
	event_keep(events, change, text);
	free(text);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* It is written as it was kept: thousands of events are not taken apart for nothing. */
static struct json_object *kept_json(const char *text)
{
	struct json_object *event = json_object_new_object();

	json_object_set_serializer(event, json_object_userdata_to_json_string, mem_text(text),
				   json_object_free_userdata);
	return event;
}

struct json_object *events_json(const struct events *events, uint64_t from, size_t room)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	uint64_t oldest = events->next < EVENTS_REMEMBERED ? 0 : events->next - EVENTS_REMEMBERED;
	uint64_t number = from < oldest ? oldest : from;

	if (number > events->next)
		number = events->next;
	for (size_t told = 0; told < room && number < events->next; told++, number++)
		json_object_array_add(list, kept_json(events->kept[number % EVENTS_REMEMBERED]));
	ADD(object, "started", json_object_new_string(events->started));
	ADD(object, "events", list);
	ADD(object, "next", json_object_new_uint64(number));
	ADD(object, "lost", json_object_new_uint64(from < oldest ? oldest - from : 0));
	return object;
}
