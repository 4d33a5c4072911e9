/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the daemon for what lbctl top shows: at once, or on a thread of its own, so that keys are
 * answered while the daemon is not. */
#ifndef LB_CTL_TOP_POLL_H
#define LB_CTL_TOP_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/ctl/client.h"
#include "lb/ctl/top_model.h"

struct top_answer {
	int error;			/* 0, or as client_call() returns it */
	char *reason;			/* of the error; else NULL */
	struct json_object *show;
	uint64_t show_ns;
	struct json_object *containers;	/* NULL: not asked for, or refused */
	uint64_t containers_ns;
	char *refused;			/* why; NULL: it was not */
};

/* At once: returns when the daemon has answered, or has not. */
void top_ask(const struct client *client, bool containers, struct top_answer *ret_answer);

/* Puts an answer without an error into the model, and what it holds away. */
void top_answer_take(struct top_answer *answer, struct top *top);
void top_answer_clear(struct top_answer *answer);

/* CLOCK_MONOTONIC, by which the daemon says when it made an answer. */

struct top_poller;

/* The path in `client` stays valid until the end of the program: a question that nobody answers
 * outlasts the poller. Returns 0, or -errno with a sentence. */
int top_poller_open(const struct client *client, struct top_poller **ret_poller,
		    struct diag *diag);
void top_poller_close(struct top_poller *poller); /* NULL is fine; does not wait for an answer */

/* One question at a time. */
bool top_poller_busy(const struct top_poller *poller);
void top_poller_ask(struct top_poller *poller, bool containers);
/* Can be read when there is an answer to take. */
int top_poller_fd(const struct top_poller *poller);
bool top_poller_take(struct top_poller *poller, struct top_answer *ret_answer);

#endif
