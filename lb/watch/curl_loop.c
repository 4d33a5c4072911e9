/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libcurl's transfers in libevent's loop: curl says which sockets and which moment it waits for,
 * libevent says when they come. Whoever speaks HTTP calls this. No call here ever blocks, and
 * nobody's `done` runs inside one of curl's callbacks, from which curl must not be called. */
#include "lb/watch/curl_loop.h"

#include <errno.h>
#include <stdlib.h>

struct curl_loop {
	struct event_base *base;
	CURLM *multi;
	struct event *timer; /* curl has one moment for all its transfers */
};

static void take_finished(struct curl_loop *loop)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(loop->multi, &left))) {
		struct curl_transfer *transfer;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* The message is gone as soon as its handle is removed. */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		curl_multi_remove_handle(loop->multi, transfer->easy);
		transfer->done(transfer->data, code);
	}
}

static void on_socket(evutil_socket_t fd, short what, void *data)
{
	int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) |
		   (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	struct curl_loop *loop = data;
	int running;

	curl_multi_socket_action(loop->multi, fd, mask, &running);
	take_finished(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct curl_loop *loop = data;
	int running;

	(void)fd, (void)what;
	curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(loop);
}

/* curl's wish for one socket; `event` is what we left with curl for it, NULL the first time.
 * Without memory for an event the transfer hears nothing more, and whoever stops it at its end
 * stops it then: an error returned from here would end all transfers. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *event)
{
	short wanted = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
		       (what & CURL_POLL_OUT ? EV_WRITE : 0);
	struct curl_loop *loop = data;

	(void)easy;
	if (event)
		event_free(event);
	event = what == CURL_POLL_REMOVE ? NULL :
					   event_new(loop->base, fd, wanted, on_socket, loop);
	if (event)
		event_add(event, NULL);
	curl_multi_assign(loop->multi, fd, event);
	return 0;
}

static int watch_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct timeval wait = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct curl_loop *loop = data;

	(void)multi;
	if (timeout_ms < 0)
		evtimer_del(loop->timer);
	else
		evtimer_add(loop->timer, &wait);
	return 0;
}

int curl_loop_open(struct event_base *base, struct curl_loop **ret_loop)
{
	struct curl_loop *loop;

	if (curl_global_init(CURL_GLOBAL_DEFAULT)) /* counts its calls */
		return -ENOMEM;
	loop = calloc(1, sizeof(*loop));
	if (!loop) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	loop->base = base;
	loop->timer = evtimer_new(base, on_timer, loop);
	loop->multi = curl_multi_init();
	if (!loop->timer || !loop->multi) {
		curl_loop_close(loop);
		return -ENOMEM;
	}
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	*ret_loop = loop;
	return 0;
}

void curl_loop_close(struct curl_loop *loop)
{
	if (!loop)
		return;
	curl_multi_cleanup(loop->multi); /* still calls watch_socket() and watch_timer() */
	if (loop->timer)
		event_free(loop->timer);
	free(loop);
	curl_global_cleanup();
}

int curl_loop_start(struct curl_loop *loop, struct curl_transfer *transfer)
{
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
	return curl_multi_add_handle(loop->multi, transfer->easy) ? -ENOMEM : 0;
}

void curl_loop_stop(struct curl_loop *loop, struct curl_transfer *transfer)
{
	curl_multi_remove_handle(loop->multi, transfer->easy);
}
