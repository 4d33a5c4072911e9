/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conversation with the runtime: a stream of events for as long as it lasts, lists beside it,
 * and single containers that events, lists or whoever has met them make us ask for. Any failure of
 * the stream or of a list ends the connection; after a pause it begins anew. One container that
 * cannot be asked for (a runtime may hang on one) ends nothing.
 *
 * Callbacks of curl only take notes: on_work() asks, on_notice() tells. */
#include "lb/watch/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/mem.h"
#include "lb/watch/runtime_ask.h"
#include "lb/watch/runtime_names.h"
#include "lb/watch/runtime_state.h"

#define QUESTIONS 4 /* about single containers at once: one that starts is locked for its time */

/* filters={"type":["container","network"]}. No actions: Podman refuses those it does not know. */
#define EVENTS_PATH "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D"
#define LIST_PATH   "/containers/json?all=1"

const struct runtime_times runtime_times_default = {
	.answer = 10000,
	.pause_min = 100, .pause_max = 10000,
	.list_soon = 1000, .list = 30000,
};

struct single {			/* a question about one container */
	struct runtime *runtime;
	struct runtime_question question;
	char id[RUNTIME_ID_MAX];
	uint64_t events;	/* that had come when it was asked */
	struct container answer;
	bool answered;
};

struct runtime {
	char *socket;
	struct runtime_times times;
	runtime_changed *changed;
	void *data;
	struct curl_loop *curl;
	struct event *notice;	/* calls `changed` when nothing of ours is on the stack */
	struct event *work;	/* asks what there is to ask */
	struct event *pause;	/* until the next attempt */
	struct event *deadline;	/* of the stream's beginning */
	struct event *next_list;

	struct runtime_question stream, list;
	struct single singles[QUESTIONS];
	struct single wonder;	/* about one that is no part of the state */
	bool streaming;		/* the stream has begun */
	bool list_wanted;
	bool gap;		/* events may have been missed since the last complete list */
	uint64_t list_events;	/* that had come when the list was asked for */
	struct containers listed; /* of the list that is being read, not sorted */
	size_t listed_room;
	unsigned int pause_ms;	/* the next */
	int64_t connected_ms;	/* CLOCK_MONOTONIC; 0: not connected */

	struct runtime_state state;
	struct runtime_names names;
	bool complete;		/* a list was taken */
	bool known;
	char reason[RUNTIME_REASON_MAX];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void timer_start(struct event *timer, unsigned int ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	evtimer_add(timer, &wait);
}

/* ---- telling -------------------------------------------------------------------------------- */

static void on_notice(evutil_socket_t fd, short what, void *data)
{
	const struct runtime *runtime = data;

	(void)fd, (void)what;
	runtime->changed(runtime->data);
}

/* The first list says nothing of containers that events overtook, which are only asked for yet. */
static void state_tell(struct runtime *runtime)
{
	bool known = runtime->complete && (runtime->known || !runtime->state.nameless);

	if (!runtime->state.changed && known == runtime->known)
		return;
	runtime->state.changed = false;
	runtime->known = known;
	if (known)
		event_active(runtime->notice, 0, 0);
}

static void reason_set(struct runtime *runtime, const char *about, const char *failure)
{
	char reason[RUNTIME_REASON_MAX];

	snprintf(reason, sizeof(reason), "%s%s", about, failure);
	if (!strcmp(reason, runtime->reason))
		return;
	memcpy(runtime->reason, reason, sizeof(reason));
	event_active(runtime->notice, 0, 0);
}

/* ---- the connection's end ------------------------------------------------------------------- */

/* One that lasted begins anew at once; a runtime that ends each one after a moment is asked less
 * and less often. */
static unsigned int pause_next(struct runtime *runtime)
{
	bool lasted = runtime->connected_ms &&
		      now_ms() - runtime->connected_ms >= runtime->times.pause_max;
	unsigned int pause_ms = lasted || !runtime->pause_ms ? runtime->times.pause_min
							     : runtime->pause_ms;

	runtime->pause_ms = pause_ms < runtime->times.pause_max / 2 ? 2 * pause_ms
								     : runtime->times.pause_max;
	return pause_ms;
}

static void single_stop(struct single *single)
{
	runtime_ask_stop(&single->question);
	container_clear(&single->answer);
	single->answered = false;
}

static void questions_stop(struct runtime *runtime)
{
	runtime_ask_stop(&runtime->stream);
	runtime_ask_stop(&runtime->list);
	containers_clear(&runtime->listed);
	runtime->listed_room = 0;
	for (size_t i = 0; i < QUESTIONS; i++)
		single_stop(&runtime->singles[i]);
	single_stop(&runtime->wonder);
	runtime_state_unask(&runtime->state);
}

static void connection_end(struct runtime *runtime, const char *about, const char *failure)
{
	questions_stop(runtime);
	evtimer_del(runtime->deadline);
	evtimer_del(runtime->next_list);
	reason_set(runtime, about, failure);
	timer_start(runtime->pause, pause_next(runtime));
	runtime->streaming = false;
	runtime->connected_ms = 0;
}

/* ---- the stream of events ------------------------------------------------------------------- */

static void stream_begun(void *data)
{
	struct runtime *runtime = data;

	runtime->streaming = true;
	runtime->list_wanted = true;
	event_active(runtime->work, 0, 0);
}

static int stream_take(struct json_object *object, void *data)
{
	struct runtime *runtime = data;
	struct runtime_event event;
	int err = runtime_event_from(object, &event);

	if (err)
		return err;
	if (event.name[0])
		runtime_names_tell(&runtime->names, event.id, event.name);
	runtime->list_wanted |= runtime_state_event(&runtime->state, &event);
	state_tell(runtime);
	event_active(runtime->work, 0, 0);
	return 0;
}

static void stream_ended(void *data, const char *failure, long status)
{
	(void)status;
	connection_end(data, "events: ", failure ? failure : "the stream ended");
}

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
	struct runtime *runtime = data;

	(void)fd, (void)what;
	if (!runtime->streaming)
		connection_end(runtime, "events: ", "no answer in time");
}

static void connection_begin(struct runtime *runtime)
{
	runtime->gap = true;
	if (runtime_ask(&runtime->stream, runtime->curl, runtime->socket, EVENTS_PATH,
			RUNTIME_STREAM, 0))
		connection_end(runtime, "events: ", strerror(ENOMEM));
	else
		timer_start(runtime->deadline, runtime->times.answer);
}

static void on_pause(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	connection_begin(data);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int list_take(struct json_object *object, void *data)
{
	struct runtime *runtime = data;
	struct containers *listed = &runtime->listed;
	int err;

	if (listed->count == RUNTIME_CONTAINERS_MAX)
		return -E2BIG;
	if (listed->count == runtime->listed_room) {
		runtime->listed_room = listed->count ? 2 * listed->count : 64;
		listed->list = mem_must(realloc(listed->list,
						runtime->listed_room * sizeof(*listed->list)));
	}
	err = container_from_list(object, &listed->list[listed->count]);
	if (err)
		return err;
	if (listed->list[listed->count].name)
		listed->count++;
	else
		container_clear(&listed->list[listed->count]);
	return 0;
}

/* Events may begin a moment behind the headers of their stream, so a connection's first list is not
 * the last for long. */
static void list_ended(void *data, const char *failure, long status)
{
	struct runtime *runtime = data;
	bool first = !runtime->connected_ms;

	(void)status;
	if (failure) {
		connection_end(runtime, "list: ", failure);
		return;
	}
	runtime_state_list(&runtime->state, &runtime->listed, runtime->list_events, runtime->gap);
	runtime->listed_room = 0;
	runtime->gap = false;
	runtime->complete = true;
	if (first)
		runtime->connected_ms = now_ms();
	reason_set(runtime, "", "");
	state_tell(runtime);
	timer_start(runtime->next_list, first ? runtime->times.list_soon : runtime->times.list);
	event_active(runtime->work, 0, 0);
}

static void on_next_list(evutil_socket_t fd, short what, void *data)
{
	struct runtime *runtime = data;

	(void)fd, (void)what;
	runtime->list_wanted = true;
	event_active(runtime->work, 0, 0);
}

/* ---- single containers ---------------------------------------------------------------------- */

static int single_take(struct json_object *object, void *data)
{
	struct single *single = data;

	if (single->answered)
		return -EBADMSG;
	single->answered = !container_from_inspect(object, &single->answer);
	return single->answered ? 0 : -EBADMSG;
}

static void single_ended(void *data, const char *failure, long status)
{
	struct single *single = data;
	struct runtime *runtime = single->runtime;
	bool answered = single->answered && !failure;

	if (single->answered && failure)
		container_clear(&single->answer);
	runtime_state_answer(&runtime->state, single->id, single->events,
			     answered ? &single->answer : NULL, status == 404);
	single->answered = false;
	single->answer = (struct container){ 0 };
	state_tell(runtime);
	event_active(runtime->work, 0, 0);
}

static bool single_ask(struct runtime *runtime, struct single *single)
{
	const char *id = runtime_state_ask(&runtime->state);
	char path[RUNTIME_ID_MAX + 32];

	if (!id)
		return false;
	snprintf(single->id, sizeof(single->id), "%s", id);
	snprintf(path, sizeof(path), "/containers/%s/json", single->id);
	single->events = runtime->state.events;
	if (!runtime_ask(&single->question, runtime->curl, runtime->socket, path, RUNTIME_OBJECT,
			 runtime->times.answer))
		return true;
	runtime_state_answer(&runtime->state, single->id, single->events, NULL, false);
	return false;
}

/* ---- those that somebody has met ------------------------------------------------------------- */

/* What has no good answer is told by a list, or never. */
static void wonder_ended(void *data, const char *failure, long status)
{
	struct single *single = data;
	struct runtime *runtime = single->runtime;

	if (single->answered && !failure && !strcmp(single->answer.id, single->id))
		runtime_names_tell(&runtime->names, single->id, single->answer.name);
	else if (status == 404)
		runtime_names_tell(&runtime->names, single->id, NULL);
	if (single->answered)
		container_clear(&single->answer);
	single->answered = false;
	single->answer = (struct container){ 0 };
	runtime_names_answered(&runtime->names);
	event_active(runtime->notice, 0, 0);
	event_active(runtime->work, 0, 0);
}

static void wonder_ask(struct runtime *runtime)
{
	struct single *single = &runtime->wonder;
	const char *id = runtime_names_wanted(&runtime->names);
	char path[RUNTIME_ID_MAX + 32];

	if (!id || single->question.asked)
		return;
	snprintf(single->id, sizeof(single->id), "%s", id);
	snprintf(path, sizeof(path), "/containers/%s/json", id);
	if (runtime_ask(&single->question, runtime->curl, runtime->socket, path, RUNTIME_OBJECT,
			runtime->times.answer))
		runtime_names_answered(&runtime->names);
}

void runtime_wonder(struct runtime *runtime, const char *id)
{
	const char *name;

	if (!runtime_state_has(&runtime->state, id, &name) &&
	    runtime_names_want(&runtime->names, id))
		event_active(runtime->work, 0, 0);
}

const char *runtime_name(const struct runtime *runtime, const char *id)
{
	const char *name;

	runtime_state_has(&runtime->state, id, &name);
	return name ? name : runtime_names_find(&runtime->names, id);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void on_work(evutil_socket_t fd, short what, void *data)
{
	struct runtime *runtime = data;

	(void)fd, (void)what;
	if (!runtime->streaming)
		return;
	if (runtime->list_wanted && !runtime->list.asked) {
		runtime->list_wanted = false;
		runtime->list_events = runtime->state.events;
		evtimer_del(runtime->next_list);
		if (runtime_ask(&runtime->list, runtime->curl, runtime->socket, LIST_PATH,
				RUNTIME_LIST, runtime->times.answer)) {
			connection_end(runtime, "list: ", strerror(ENOMEM));
			return;
		}
	}
	for (size_t i = 0; runtime->state.dirty && i < QUESTIONS; i++)
		if (!runtime->singles[i].question.asked &&
		    !single_ask(runtime, &runtime->singles[i]))
			break;
	wonder_ask(runtime);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void questions_prepare(struct runtime *runtime)
{
	runtime->stream = (struct runtime_question){
		.take = stream_take, .begun = stream_begun, .ended = stream_ended,
		.data = runtime,
	};
	runtime->list = (struct runtime_question){
		.take = list_take, .ended = list_ended, .data = runtime,
	};
	for (size_t i = 0; i < QUESTIONS; i++) {
		runtime->singles[i].runtime = runtime;
		runtime->singles[i].question = (struct runtime_question){
			.take = single_take, .ended = single_ended, .data = &runtime->singles[i],
		};
	}
	runtime->wonder.runtime = runtime;
	runtime->wonder.question = (struct runtime_question){
		.take = single_take, .ended = wonder_ended, .data = &runtime->wonder,
	};
}

int runtime_open(struct event_base *loop, const char *socket, runtime_changed *changed, void *data,
		 struct runtime **ret_runtime)
{
	struct runtime *runtime = calloc(1, sizeof(*runtime));

	if (!runtime)
		return -ENOMEM;
	runtime->socket = mem_text(socket);
	runtime->times = runtime_times_default;
	runtime->changed = changed;
	runtime->data = data;
	strcpy(runtime->reason, "it was not asked yet");
	questions_prepare(runtime);
	runtime->notice = event_new(loop, -1, 0, on_notice, runtime);
	runtime->work = event_new(loop, -1, 0, on_work, runtime);
	runtime->pause = evtimer_new(loop, on_pause, runtime);
	runtime->deadline = evtimer_new(loop, on_deadline, runtime);
	runtime->next_list = evtimer_new(loop, on_next_list, runtime);
	if (!runtime->notice || !runtime->work || !runtime->pause || !runtime->deadline ||
	    !runtime->next_list || curl_loop_open(loop, &runtime->curl)) {
		runtime_close(runtime);
		return -ENOMEM;
	}
	timer_start(runtime->pause, 0);
	*ret_runtime = runtime;
	return 0;
}

void runtime_close(struct runtime *runtime)
{
	if (!runtime)
		return;
	questions_stop(runtime);
	curl_loop_close(runtime->curl);
	struct event *events[] = { runtime->notice, runtime->work, runtime->pause,
				   runtime->deadline, runtime->next_list };

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	runtime_state_clear(&runtime->state);
	runtime_names_clear(&runtime->names);
	free(runtime->socket);
	free(runtime);
}

void runtime_set_times(struct runtime *runtime, const struct runtime_times *times)
{
	runtime->times = *times;
}

const struct container *runtime_containers(struct runtime *runtime, size_t *ret_count)
{
	return runtime_state_view(&runtime->state, ret_count);
}

bool runtime_known(const struct runtime *runtime)
{
	return runtime->known;
}

bool runtime_is_asking(const struct runtime *runtime)
{
	return runtime->state.nameless > 0;
}

const char *runtime_reason(const struct runtime *runtime)
{
	return runtime->reason;
}
