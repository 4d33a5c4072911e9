/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libcurl's transfers in libevent's loop. Any number run at once; none waits for another. */
#ifndef LB_WATCH_CURL_LOOP_H
#define LB_WATCH_CURL_LOOP_H

#include <curl/curl.h>
#include <event2/event.h>

struct curl_loop;

/* The caller's, and where it is must not change while the transfer runs. */
struct curl_transfer {
	CURL *easy;		/* with all its options but CURLOPT_PRIVATE, which is ours */
	/* Called once, from the loop, when `easy` is the caller's again. It may start and stop
	 * transfers, but not close the loop. */
	void (*done)(void *data, CURLcode code);
	void *data;
};

int curl_loop_open(struct event_base *base, struct curl_loop **ret_loop); /* 0 or -ENOMEM */
void curl_loop_close(struct curl_loop *loop); /* no transfer may be running; NULL is fine */

int curl_loop_start(struct curl_loop *loop, struct curl_transfer *transfer); /* 0 or -ENOMEM */
void curl_loop_stop(struct curl_loop *loop, struct curl_transfer *transfer); /* without done */

#endif
