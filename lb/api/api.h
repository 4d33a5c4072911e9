/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon says and is told: HTTP with JSON on a Unix socket (root and group edgelb), and
 * the reading half of it on a TCP port where api.http asks for that.
 *
 *	GET  /v1/show       what runs: services, backends, interfaces, verdicts
 *	GET  /metrics       the same for Prometheus (also /v1/metrics)
 *	POST /v1/plan       {"file", "text"}, {"previous": true} or {}: what a reload would do
 *	POST /v1/reload     the same with "break": [services]: carried out, all or nothing
 *	POST /v1/override   {"service", "backend"} and "state", "weight" or "reset"; {"reset_all"}
 *	POST /v1/policy     {"mode": "audit"}: break-glass; "enforce" takes it back
 *	GET  /v1/policy/seen[?seconds=N]  kinds of flows that were judged
 *	GET  /v1/flows[?container=NAME&peer=ADDRESS|PREFIX|NAME&port=N&since=SECONDS]
 *	GET  /v1/graph[?since=SECONDS]
 *	GET  /v1/containers what their flows add up to
 *	GET  /v1/events[?from=N&wait=SECONDS]  waits until there is one, or that long
 *	POST /v1/unload     {"pin"} (if given, it must be ours), {"all": true}: takes the balancer,
 *	                    or isolation too, away; the daemon then ends
 *
 * Refusals are {"errors": [{"file", "line", "text"}]} with status 422. */
#ifndef LB_API_API_H
#define LB_API_API_H

#include <json-c/json.h>

#include "lb/manager.h"

struct api;

/* Starts to listen. A busy TCP port is a warning in the log; the socket is not. */
int api_open(struct manager *manager, struct api **ret_api, struct diag *diag);
void api_close(struct api *api); /* removes the socket; NULL is fine */

/* lb/api/show.c; the caller puts the object. */
struct json_object *show_json(struct manager *manager);
struct json_object *plan_json(struct manager *manager, const struct preview *preview);
struct json_object *errors_json(const struct diag *diag);

/* lb/api/metrics.c; the caller frees the text. */
char *metrics_text(struct manager *manager);

#endif
