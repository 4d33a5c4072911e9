/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers that are too long for one round of the loop: a part of them in each, and none while the
 * asker does not take what it was given. */
#ifndef LB_API_FLOWS_PARTS_H
#define LB_API_FLOWS_PARTS_H

#include <event2/http.h>

#include "lb/flows/flows.h"

struct flows_parts;

struct flows_parts *flows_parts_open(struct event_base *loop); /* never NULL */
void flows_parts_close(struct flows_parts *parts); /* they end where they are; NULL is fine */

/* Whether another one may begin. */
bool flows_parts_have_room(const struct flows_parts *parts);

/* Takes the answer. */
void flows_parts_begin(struct flows_parts *parts, struct evhttp_request *request,
		       struct flows_answer *answer);

#endif
