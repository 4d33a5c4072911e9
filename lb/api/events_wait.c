/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who wait for events. Each holds a connection whose request is not answered yet. libevent
 * does not read from it meanwhile and so sees no end of it; it is watched here, and whatever comes
 * from it, its end too, gets the answer at once: then libevent finds out which of both it was. So a
 * connection leaves this list by one way only, with its answer. */
#include "lb/api/events_wait.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

#include "lb/api/answer.h"
#include "lb/api/api.h"

#define WAITING_MAX 256
#define WAIT_MAX_S  300
#define NEWS_USEC   20000 /* what comes in a burst is one answer */
#define ROOM	    512	  /* events of one answer: few enough not to keep the loop */
#define LAST_ROUNDS 8	  /* of the loop: a socket's buffer takes 16 kB in each */

struct waiting {
	struct events_waits *waits;
	size_t place;		/* in their list */
	struct evhttp_request *request;
	struct event *event;	/* something came from it, or its time is over */
	uint64_t from;
};

struct events_waits {
	struct manager *manager;
	struct event *news_timer;
	struct waiting *list[WAITING_MAX];
	size_t count;
	bool ended;		/* nobody waits any more */
};

static void answer(const struct events_waits *waits, struct evhttp_request *request, uint64_t from)
{
	answer_json(request, 200, events_json(waits->manager->events, from, ROOM));
}

/* The last one of the list takes its place. */
static void waiting_end(struct waiting *waiting)
{
	struct events_waits *waits = waiting->waits;
	struct waiting *mover = waits->list[--waits->count];

	waits->list[waiting->place] = mover;
	mover->place = waiting->place;
	event_free(waiting->event);
	answer(waits, waiting->request, waiting->from);
	free(waiting);
}

static void on_waiting(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	waiting_end(data);
}

/* Whoever asked for event `next` knows of all that came before it. */
static void waiting_end_before(struct events_waits *waits, uint64_t next)
{
	for (size_t i = waits->count; i-- > 0;)
		if (waits->list[i]->from < next)
			waiting_end(waits->list[i]);
}

static void on_news(evutil_socket_t fd, short what, void *data)
{
	struct events_waits *waits = data;

	(void)fd, (void)what;
	waiting_end_before(waits, events_next(waits->manager->events));
}

static void on_added(void *data)
{
	struct events_waits *waits = data;
	struct timeval soon = { .tv_usec = NEWS_USEC };

	if (!evtimer_pending(waits->news_timer, NULL))
		evtimer_add(waits->news_timer, &soon);
}

static int waiting_begin(struct events_waits *waits, struct evhttp_request *request,
			 uint64_t from, uint64_t seconds)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct timeval end = { .tv_sec = (time_t)seconds };
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting)
		return -ENOMEM;
	waiting->waits = waits;
	waiting->request = request;
	waiting->from = from;
	waiting->event = event_new(waits->manager->loop, fd, EV_READ, on_waiting, waiting);
	if (!waiting->event || event_add(waiting->event, &end)) {
		if (waiting->event)
			event_free(waiting->event);
		free(waiting);
		return -ENOMEM;
	}
	waiting->place = waits->count;
	waits->list[waits->count++] = waiting;
	return 0;
}

/* Numbers beyond the next one were given by another daemon: whoever has them has to notice. */
void events_waits_take(struct events_waits *waits, struct evhttp_request *request)
{
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t from = 0, seconds = 0;
	struct evkeyvalq query;
	int err = query_read(request, &query, &diag);

	if (!err) {
		err = query_number(&query, "from", UINT64_MAX, &from, &diag);
		if (!err)
			err = query_number(&query, "wait", WAIT_MAX_S, &seconds, &diag);
		evhttp_clear_headers(&query);
	}
	if (err) {
		answer_errors(request, &diag);
		return;
	}
	if (!seconds || waits->ended || from != events_next(waits->manager->events)) {
		answer(waits, request, from);
		return;
	}
	if (waits->count < WAITING_MAX && !waiting_begin(waits, request, from, seconds))
		return;
	diag_add(&diag, NULL, 0, "%d wait for events already: ask without \"wait\"", WAITING_MAX);
	answer_json(request, 503, errors_json(&diag));
}

int events_waits_open(struct manager *manager, struct events_waits **ret_waits)
{
	struct events_waits *waits = calloc(1, sizeof(*waits));

	if (!waits)
		return -ENOMEM;
	waits->manager = manager;
	waits->news_timer = evtimer_new(manager->loop, on_news, waits);
	if (!waits->news_timer) {
		free(waits);
		return -ENOMEM;
	}
	events_listen(manager->events, on_added, waits);
	*ret_waits = waits;
	return 0;
}

void events_waits_close(struct events_waits *waits)
{
	bool waited;

	if (!waits)
		return;
	waited = waits->count > 0;
	waits->ended = true;
	events_listen(waits->manager->events, NULL, NULL);
	waiting_end_before(waits, UINT64_MAX);
	for (int i = 0; waited && i < LAST_ROUNDS; i++)
		event_base_loop(waits->manager->loop, EVLOOP_NONBLOCK);
	event_free(waits->news_timer);
	free(waits);
}
