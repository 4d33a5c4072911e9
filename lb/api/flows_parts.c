/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those whose answer is under way. libevent tells nobody that such a connection has ended: its
 * request has none from then on, is looked at before each part, and is ours to end. */
#include "lb/api/flows_parts.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

#include "config/mem.h"

#define PARTS_MAX   32
#define UNREAD_MAX  (1 << 20) /* bytes of one answer that wait for the asker */
#define UNREAD_USEC 10000     /* until it is looked at again */

struct part {
	struct flows_parts *parts;
	size_t place;		/* in their list */
	struct evhttp_request *request;
	struct flows_answer *answer;
	struct event *timer;
};

struct flows_parts {
	struct event_base *loop;
	struct part *list[PARTS_MAX];
	size_t count;
};

/* The last one of the list takes its place. */
static void part_end(struct part *part)
{
	struct flows_parts *parts = part->parts;
	struct part *mover = parts->list[--parts->count];

	parts->list[part->place] = mover;
	mover->place = part->place;
	evhttp_send_reply_end(part->request);
	event_free(part->timer);
	flows_answer_free(part->answer);
	free(part);
}

/* The next piece of text on its way. Returns whether there is more. */
static bool part_send(struct part *part)
{
	struct evbuffer *body = evbuffer_new();
	char *text = NULL;
	size_t size;
	FILE *to = mem_must(open_memstream(&text, &size));
	bool more = flows_answer_part(part->answer, to);

	if (fclose(to) || !body || evbuffer_add(body, text, size))
		abort(); /* no memory, as in config/mem.h */
	free(text);
	if (evbuffer_get_length(body))
		evhttp_send_reply_chunk(part->request, body);
	evbuffer_free(body);
	return more;
}

static size_t unread(struct evhttp_connection *connection)
{
	struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);

	return evbuffer_get_length(bufferevent_get_output(stream));
}

static void on_part(evutil_socket_t fd, short what, void *data)
{
	struct part *part = data;
	struct evhttp_connection *connection = evhttp_request_get_connection(part->request);
	struct timeval next = { 0 };

	(void)fd, (void)what;
	if (!connection) {
		part_end(part);
		return;
	}
	if (unread(connection) > UNREAD_MAX) {
		next.tv_usec = UNREAD_USEC;
	} else if (!part_send(part)) {
		part_end(part);
		return;
	}
	evtimer_add(part->timer, &next);
}

bool flows_parts_have_room(const struct flows_parts *parts)
{
	return parts->count < PARTS_MAX;
}

void flows_parts_begin(struct flows_parts *parts, struct evhttp_request *request,
		       struct flows_answer *answer)
{
	struct part *part = mem_array(1, sizeof(*part));
	const struct timeval now = { 0 };

	*part = (struct part){ parts, parts->count, request, answer, NULL };
	part->timer = mem_must(evtimer_new(parts->loop, on_part, part));
	parts->list[parts->count++] = part;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  "application/json");
	evhttp_send_reply_start(request, 200, "OK");
	evtimer_add(part->timer, &now);
}

struct flows_parts *flows_parts_open(struct event_base *loop)
{
	struct flows_parts *parts = mem_array(1, sizeof(*parts));

	parts->loop = loop;
	return parts;
}

void flows_parts_close(struct flows_parts *parts)
{
	if (!parts)
		return;
	while (parts->count)
		part_end(parts->list[parts->count - 1]);
	free(parts);
}
