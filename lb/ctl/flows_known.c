/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow is known by its ends and its id; an answer without ids has its start. What is remembered
 * of it is whether its end was told, and it is forgotten once no answer can have it any more, so
 * that the memory is that of an answer. */
#include "lb/ctl/flows_known.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/mem.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flows_text.h"

/* A flow that ended is in the answers of so many seconds more: the daemon rounds, and it reads what
 * ended a moment later. */
#define OVERLAP_S 5

/* Where an answer begins moves with whole seconds, so it may go back by less than one: a flow that
 * two answers in a row did not have is in none any more. */
#define MISSED_MAX 2

enum { TOLD_END = 1 << 8 }; /* the lower bits: how many answers it was missing from */

struct flows_known {
	struct json_object *flows; /* its key → int */
	bool begun;
};

struct flows_known *flows_known_new(void)
{
	struct flows_known *known = mem_array(1, sizeof(*known));

	known->flows = mem_must(json_object_new_object());
	return known;
}

void flows_known_free(struct flows_known *known)
{
	if (!known)
		return;
	json_object_put(known->flows);
	free(known);
}

uint64_t flows_known_since(uint64_t elapsed_s)
{
	return elapsed_s + OVERLAP_S;
}

/* The caller frees it. */
static char *key_of(struct json_object *flow)
{
	const char *id = field_text(flow, field(flow, "id") ? "id" : "start");
	char *key;

	if (asprintf(&key, "%s %s %s %s", field_text(flow, "protocol"), field_text(flow, "local"),
		     field_text(flow, "remote"), id) < 0)
		abort();
	return key;
}

static bool is_news(const struct flows_known *known, struct json_object *before, bool over,
		    bool with_past)
{
	if (before)
		return over && !(json_object_get_int(before) & TOLD_END);
	return known->begun || with_past || !over;
}

/* What the answer did not have goes on to the next round, for a while. */
static void missing_keep(struct flows_known *known, struct json_object *met)
{
	struct json_object_iterator at = json_object_iter_begin(known->flows);
	struct json_object_iterator end = json_object_iter_end(known->flows);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *key = json_object_iter_peek_name(&at);
		int memory = json_object_get_int(json_object_iter_peek_value(&at)) + 1;

		if ((memory & ~TOLD_END) < MISSED_MAX && !json_object_object_get(met, key))
			json_object_object_add(met, key, json_object_new_int(memory));
	}
}

void flows_known_news(struct flows_known *known, struct json_object *flows, bool with_past,
		      void (*tell)(struct json_object *flow))
{
	struct json_object *met = mem_must(json_object_new_object());

	for (size_t i = 0; i < list_length(flows); i++) {
		struct json_object *flow = list_at(flows, i);
		bool over = flow_is_over(flow);
		char *key = key_of(flow);
		struct json_object *before = json_object_object_get(met, key);

		if (!before)
			before = json_object_object_get(known->flows, key);
		if (is_news(known, before, over, with_past))
			tell(flow);
		json_object_object_add(met, key, json_object_new_int(over ? TOLD_END : 0));
		free(key);
	}
	missing_keep(known, met);
	json_object_put(known->flows);
	known->flows = met;
	known->begun = true;
}
