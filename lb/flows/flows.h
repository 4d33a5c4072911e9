/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's part of flows: it samples the programs' records (policy/flows.h), names their ends
 * (names.h), adds them up (account.h), and keeps those that ended for a while. Nothing of it is
 * there without `flows` in the config. */
#ifndef LB_FLOWS_FLOWS_H
#define LB_FLOWS_FLOWS_H

#include <json-c/json.h>
#include <stdio.h>

#include "lb/flows/account.h"
#include "lb/manager.h"

struct flows;

/* Returns 0 or -ENOMEM; nothing is in the kernel yet. */
int flows_open(struct manager *manager, struct flows **ret_flows);
void flows_close(struct flows *flows); /* the programs go on; NULL is fine */

/* Sees flows from now on as this config says, or none: then the programs are detached and the pins
 * removed. `config` must live until the next call. Returns 0, or -errno with sentences: all is as
 * before. */
int flows_apply(struct flows *flows, const struct config *config, struct diag *diag);
int flows_unload(struct flows *flows, struct diag *diag);

/* What flows_apply() would change: a sentence that the caller frees; NULL: nothing. */
char *flows_plan(const struct flows *flows, const struct config *config);

/* Containers, services or the networks of backends have changed. */
void flows_wake(struct flows *flows);

/* ---- lb/flows/flows_answer.c: all flows that a filter lets through --------------------------- */

struct flow_filter {
	const char *container;	/* name, cgroup's path or its last part; NULL: all */
	const char *peer;	/* an address, a prefix, or the name of a node; NULL: all */
	uint16_t port;		/* of either end; 0: all */
	uint64_t since_s;	/* those too that ended in so many seconds; 0: those that live */
};

/* {"flows":[...], "other":{...}, "forgotten":N}, made a part at a time: of a million flows it takes
 * half a minute, for which nothing else can wait. Samples first. NULL: the config has no flows. */
struct flows_answer;
struct flows_answer *flows_answer_begin(struct flows *flows, const struct flow_filter *filter);
/* The next part of the text. Returns whether there is more. */
bool flows_answer_part(struct flows_answer *answer, FILE *to);
void flows_answer_free(struct flows_answer *answer); /* before `flows`; NULL is fine */

/* ---- lb/flows/flows_json.c; the caller puts the objects ------------------------------------- */

/* {"nodes":[...], "edges":[...]}: edges on which something happened in so many seconds; 0: all. */
struct json_object *flows_graph_json(struct flows *flows, uint64_t since_s);
/* {"containers":[...], "interval_ms":N, "other":{...}} */
struct json_object *flows_containers_json(struct flows *flows);
/* For show: how much there is, as of the last sample. */
struct json_object *flows_show_json(const struct flows *flows);

/* ---- lb/flows/flows_metrics.c: nothing without flows ----------------------------------------- */

void flows_metrics(struct flows *flows, FILE *to);

#endif
