/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that ask who talks to whom; where the config has no flows they are refused. */
#ifndef LB_API_ANSWER_FLOWS_H
#define LB_API_ANSWER_FLOWS_H

#include <event2/http.h>

#include "lb/api/flows_parts.h"
#include "lb/flows/flows.h"

void answer_flows(struct flows *flows, struct flows_parts *parts, struct evhttp_request *request);
void answer_graph(struct flows *flows, struct evhttp_request *request);
void answer_containers(struct flows *flows, struct evhttp_request *request);

#endif
