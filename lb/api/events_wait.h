/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/events[?from=N&wait=SECONDS]: an answer that waits until there is something to tell. */
#ifndef LB_API_EVENTS_WAIT_H
#define LB_API_EVENTS_WAIT_H

#include <event2/http.h>

#include "lb/manager.h"

struct events_waits;

/* Listens to the manager's events. Returns 0 or -ENOMEM. */
int events_waits_open(struct manager *manager, struct events_waits **ret_waits);

/* All that wait are answered with what there is, and the loop runs until that is written. NULL is
 * fine. */
void events_waits_close(struct events_waits *waits);

/* Answers now or later. */
void events_waits_take(struct events_waits *waits, struct evhttp_request *request);

#endif
