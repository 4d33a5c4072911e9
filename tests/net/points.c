/* SPDX-License-Identifier: GPL-2.0-or-later */
/* points URL [TOKEN-FILE]: writes points through lb/influx.c, as the daemon does, for influx.py. Of
 * each line on stdin it makes a batch, and answers on stdout with its counts:
 *
 *	[{"measurement":"m","tags":{"k":"v"},"counts":{"n":1},"numbers":{"x":0.5},"time":[s,ns]}]
 *	1000		so many points of measurement "many", and of other times than all before
 *	"counts"	nothing more: the counts as they are
 *	"metrics"	the metrics, as one string
 *	"events"	what was told, as /v1/events has it
 *	"close"		closes it, and ends
 *
 * A timer ticks all the while. The longest that it was late, in ms, is among the counts: it is how
 * long anything in such a loop would have waited. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/events.h"
#include "lb/influx.h"

#define TICK_MS 10

struct writer {
	struct event_base *loop;
	struct events *events;
	struct influx *influx;
	struct evbuffer *input;
	int64_t many;		/* points so far, of those that nobody describes */
	int64_t ticked_ms, late_ms;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
	struct writer *writer = data;
	int64_t now = now_ms(), late = now - writer->ticked_ms - TICK_MS;

	(void)fd, (void)what;
	if (late > writer->late_ms)
		writer->late_ms = late;
	writer->ticked_ms = now;
}

static void put_point(FILE *to, struct json_object *point)
{
	struct json_object *time = json_object_object_get(point, "time");

	influx_measure(to, json_object_get_string(json_object_object_get(point, "measurement")));
	json_object_object_foreach(json_object_object_get(point, "tags"), tag, text)
		influx_tag(to, tag, json_object_get_string(text));
	json_object_object_foreach(json_object_object_get(point, "counts"), count, integer)
		influx_count(to, count, json_object_get_uint64(integer));
	json_object_object_foreach(json_object_object_get(point, "numbers"), number, real)
		influx_number(to, number, json_object_get_double(real));
	influx_time(to, (struct timespec){
		.tv_sec = json_object_get_int64(json_object_array_get_idx(time, 0)),
		.tv_nsec = json_object_get_int64(json_object_array_get_idx(time, 1)),
	});
}

static void put_many(struct writer *writer, FILE *to, int64_t count)
{
	for (; count > 0; count--) {
		writer->many++;
		influx_measure(to, "many");
		influx_count(to, "number", (uint64_t)writer->many);
		influx_time(to, (struct timespec){ .tv_sec = 1000000000 + writer->many });
	}
}

static void answer_counts(const struct writer *writer)
{
	struct influx_counts counts;

	influx_counts(writer->influx, &counts);
	printf("{\"written\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"dropped\":%" PRIu64
	       ",\"requests\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"waiting\":%zu"
	       ",\"late_ms\":%" PRId64 "}\n", counts.written, counts.refused, counts.dropped,
	       counts.requests, counts.failed, counts.waiting, writer->late_ms);
}

/* Takes the object over. */
static void answer(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

static void answer_metrics(const struct writer *writer)
{
	size_t size;
	char *text;
	FILE *to = mem_must(open_memstream(&text, &size));

	influx_metrics(writer->influx, to);
	fclose(to);
	answer(json_object_new_string(text));
	free(text);
}

static void obey(struct writer *writer, const char *word)
{
	if (!strcmp(word, "metrics")) {
		answer_metrics(writer);
	} else if (!strcmp(word, "events")) {
		answer(events_json(writer->events, 0, EVENTS_REMEMBERED));
	} else if (!strcmp(word, "close")) {
		influx_close(writer->influx);
		puts("{}");
		fflush(stdout);
		_exit(0); /* whatever a library's thread still waits for */
	} else {
		answer_counts(writer);
	}
}

static void take_line(struct writer *writer, const char *line)
{
	struct json_object *said = mem_must(json_tokener_parse(line));
	FILE *to;

	if (json_object_is_type(said, json_type_string)) {
		obey(writer, json_object_get_string(said));
	} else {
		to = influx_begin(writer->influx);
		if (json_object_is_type(said, json_type_int))
			put_many(writer, to, json_object_get_int64(said));
		else
			for (size_t i = 0; i < json_object_array_length(said); i++)
				put_point(to, json_object_array_get_idx(said, i));
		influx_end(writer->influx);
		answer_counts(writer);
	}
	fflush(stdout);
	json_object_put(said);
}

static void on_input(evutil_socket_t fd, short what, void *data)
{
	struct writer *writer = data;
	char *line;

	(void)what;
	if (evbuffer_read(writer->input, fd, -1) <= 0)
		event_base_loopbreak(writer->loop);
	while ((line = evbuffer_readln(writer->input, NULL, EVBUFFER_EOL_LF))) {
		take_line(writer, line);
		free(line);
	}
}

int main(int argc, char **argv)
{
	struct timeval tick = { .tv_usec = TICK_MS * 1000 };
	struct writer writer = { .ticked_ms = now_ms() };
	struct event *input, *ticks;

	if (argc < 2 || argc > 3) {
		fputs("usage: points URL [TOKEN-FILE]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	writer.loop = mem_must(event_base_new());
	writer.input = mem_must(evbuffer_new());
	writer.events = events_new();
	if (influx_open(writer.loop, writer.events, argv[1], argv[2], &writer.influx))
		return 1;
	input = mem_must(event_new(writer.loop, STDIN_FILENO, EV_READ | EV_PERSIST, on_input,
				   &writer));
	ticks = mem_must(event_new(writer.loop, -1, EV_PERSIST, on_tick, &writer));
	event_add(input, NULL);
	event_add(ticks, &tick);
	event_base_dispatch(writer.loop);
	influx_close(writer.influx);
	events_free(writer.events);
	event_free(input);
	event_free(ticks);
	evbuffer_free(writer.input);
	event_base_free(writer.loop);
	return 0;
}
