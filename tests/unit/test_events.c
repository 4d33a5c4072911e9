/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of events: numbers without a gap, what was forgotten is counted, and the sentence of a
 * change is the line of the log. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lb/events.h"
#include "lb/log.h"

static struct events *events;

static int events_begin(void **state)
{
	(void)state;
	events = events_new();
	return 0;
}

static int events_end(void **state)
{
	(void)state;
	events_free(events);
	return 0;
}

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static const char *text_of(struct json_object *object, const char *key)
{
	return json_object_get_string(field(object, key));
}

static uint64_t count_of(struct json_object *object, const char *key)
{
	return json_object_get_uint64(field(object, key));
}

/* As whoever asks gets it. */
static struct json_object *answer_of(const struct events *from_these, uint64_t from, size_t room)
{
	struct json_object *made = events_json(from_these, from, room);
	struct json_object *read = json_tokener_parse(
		json_object_to_json_string_ext(made, JSON_C_TO_STRING_PLAIN));

	assert_non_null(read);
	json_object_put(made);
	return read;
}

static void add_many(size_t count)
{
	char object[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(object, sizeof(object), "backend web/%" PRIu64, events_next(events));
		events_add(events, &(struct change){ .kind = EVENT_HEALTH, .object = object,
						     .from = "up", .to = "down" });
	}
}

/* ---- the sentence ---------------------------------------------------------------------------- */

static const struct sentence {
	const char *what;
	struct change change;
	const char *text;
} sentences[] = {
	{ "all of it", { EVENT_HEALTH, "backend web/a 10.1.0.2", "up", "down", "refused", NULL },
	  "backend web/a 10.1.0.2: up → down: refused" },
	{ "no cause", { EVENT_HEALTH, "backend web/a", "down", "up", NULL, NULL },
	  "backend web/a: down → up" },
	{ "a cause that is empty", { EVENT_HEALTH, "service web", "down", "up", "", NULL },
	  "service web: down → up" },
	{ "nothing before", { EVENT_FLOW, "tcp a → b", NULL, "refused", "RST", NULL },
	  "tcp a → b: refused: RST" },
	{ "nothing after", { EVENT_DAEMON, "lbd", "ready", NULL, "SIGTERM", NULL },
	  "lbd: ready: SIGTERM" },
	{ "a cause alone", { EVENT_PLAN, "config lb.conf", NULL, NULL, "loaded", NULL },
	  "config lb.conf: loaded" },
};
#define SENTENCES (sizeof(sentences) / sizeof(sentences[0]))

/* Into the file that is left open, at its beginning, while `tell` is done. */
static void stderr_read(char *text, size_t size, int level, const struct change *change)
{
	int before = dup(STDERR_FILENO);
	FILE *file = tmpfile();

	assert_true(before >= 0 && file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	change_tell(events, level, change);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_int_equal(fseek(file, 0, SEEK_SET), 0);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void the_line_of_the_log_is_the_text_of_the_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < SENTENCES; i++) {
		char line[256], wanted[256];
		struct json_object *all, *event;

		stderr_read(line, sizeof(line), LOG_NOTICE, &sentences[i].change);
		snprintf(wanted, sizeof(wanted), "lbd: %s\n", sentences[i].text);
		assert_string_equal(line, wanted);
		all = answer_of(events, i, 10);
		event = json_object_array_get_idx(field(all, "events"), 0);
		assert_string_equal(text_of(event, "text"), sentences[i].text);
		json_object_put(all);
	}
	assert_int_equal(events_next(events), SENTENCES);
}

static void what_the_log_does_not_want_is_an_event_all_the_same(void **state)
{
	const struct change change = { .kind = EVENT_PLAN, .object = "x", .to = "y" };
	char line[256];

	(void)state;
	stderr_read(line, sizeof(line), LOG_DEBUG, &change);
	assert_string_equal(line, "");
	assert_int_equal(events_next(events), 1);
}

/* ---- one event ------------------------------------------------------------------------------- */

static void an_event_has_all_its_members_and_those_that_come_with_it(void **state)
{
	struct json_object *more = json_object_new_object(), *all, *event, *list;

	(void)state;
	json_object_object_add(more, "text", json_object_new_string("refused: tcp \"x\"\n"));
	json_object_object_add(more, "container", json_object_new_string("web-a"));
	json_object_object_add(more, "pid", NULL);
	list = json_object_new_array();
	json_object_array_add(list, json_object_new_int(7));
	json_object_object_add(more, "list", list);
	events_add(events, &(struct change){ .kind = EVENT_DENIAL, .object = "web-a",
					     .to = "refused", .more = more });
	all = answer_of(events, 0, 10);
	event = json_object_array_get_idx(field(all, "events"), 0);
	assert_int_equal(count_of(event, "seq"), 0);
	assert_string_equal(text_of(event, "kind"), "denial");
	assert_string_equal(text_of(event, "object"), "web-a");
	assert_null(field(event, "from"));
	assert_string_equal(text_of(event, "to"), "refused");
	assert_null(field(event, "cause"));
	assert_string_equal(text_of(event, "text"), "refused: tcp \"x\"\n");
	assert_string_equal(text_of(event, "container"), "web-a");
	assert_null(field(event, "pid"));
	assert_string_equal(text_of(event, "list"), "[ 7 ]");
	/* "2026-11-23T03:31:11.123Z" */
	assert_int_equal(strlen(text_of(event, "time")), 24);
	assert_string_equal(text_of(event, "time") + 23, "Z");
	json_object_put(all);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < EVENT_KINDS; a++) {
		assert_non_null(event_kind_name(a));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(event_kind_name(a), event_kind_name(b));
	}
}

/* ---- the ring -------------------------------------------------------------------------------- */

static const struct window {
	const char *what;
	size_t added;
	uint64_t from;
	size_t room;
	uint64_t first, count, next, lost;
} windows[] = {
	{ "nothing has happened", 0, 0, 10, 0, 0, 0, 0 },
	{ "some of what there is", 5, 0, 3, 0, 3, 3, 0 },
	{ "the rest of it", 5, 3, 3, 3, 2, 5, 0 },
	{ "nothing new", 5, 5, 3, 0, 0, 5, 0 },
	{ "a number that was never given", 5, 900, 3, 0, 0, 5, 0 },
	{ "no room", 5, 1, 0, 0, 0, 1, 0 },
	{ "all that fits", EVENTS_REMEMBERED, 0, EVENTS_REMEMBERED, 0, EVENTS_REMEMBERED,
	  EVENTS_REMEMBERED, 0 },
	{ "one more than fits", EVENTS_REMEMBERED + 1, 0, 2, 1, 2, 3, 1 },
	{ "the oldest that is there", EVENTS_REMEMBERED + 7, 7, 1, 7, 1, 8, 0 },
	{ "the last that was forgotten", EVENTS_REMEMBERED + 7, 6, 1, 7, 1, 8, 1 },
	{ "three times round", 3 * EVENTS_REMEMBERED + 3, 100, EVENTS_REMEMBERED,
	  2 * EVENTS_REMEMBERED + 3, EVENTS_REMEMBERED, 3 * EVENTS_REMEMBERED + 3,
	  2 * EVENTS_REMEMBERED + 3 - 100 },
};

static void numbers_have_no_gap_and_what_was_forgotten_is_counted(void **state)
{
	(void)state;
	for (size_t w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
		const struct window *window = &windows[w];
		struct json_object *all, *list;

		events_free(events);
		events = events_new();
		add_many(window->added);
		all = answer_of(events, window->from, window->room);
		list = field(all, "events");
		assert_int_equal(json_object_array_length(list), window->count);
		for (size_t i = 0; i < window->count; i++) {
			struct json_object *event = json_object_array_get_idx(list, i);
			char object[32];

			assert_int_equal(count_of(event, "seq"), window->first + i);
			snprintf(object, sizeof(object), "backend web/%" PRIu64, window->first + i);
			assert_string_equal(text_of(event, "object"), object);
		}
		assert_int_equal(count_of(all, "next"), window->next);
		assert_int_equal(count_of(all, "lost"), window->lost);
		json_object_put(all);
	}
}

static void another_numbering_has_another_beginning(void **state)
{
	struct events *other = events_new();
	struct json_object *one = answer_of(events, 0, 1), *two = answer_of(other, 0, 1);

	(void)state;
	assert_string_not_equal(text_of(one, "started"), text_of(two, "started"));
	json_object_put(one);
	json_object_put(two);
	events_free(other);
}

struct seen {
	size_t times;
	uint64_t next;
};

static void on_added(void *data)
{
	struct seen *seen = data;

	seen->times++;
	seen->next = events_next(events);
}

static void a_listener_is_called_when_the_event_is_there(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	add_many(1);
	events_listen(events, on_added, &seen);
	add_many(2);
	assert_int_equal(seen.times, 2);
	assert_int_equal(seen.next, 3);
	events_listen(events, NULL, NULL);
	add_many(1);
	assert_int_equal(seen.times, 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, events_begin, events_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_line_of_the_log_is_the_text_of_the_event),
		TEST(what_the_log_does_not_want_is_an_event_all_the_same),
		TEST(an_event_has_all_its_members_and_those_that_come_with_it),
		TEST(every_kind_has_a_name_of_its_own),
		TEST(numbers_have_no_gap_and_what_was_forgotten_is_counted),
		TEST(another_numbering_has_another_beginning),
		TEST(a_listener_is_called_when_the_event_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
