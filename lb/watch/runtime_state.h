/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of the containers while answers and events overtake each other; inside lb/watch,
 * called by runtime.c. Every event has a number. An answer speaks for a container only if no event
 * about it has come since its question: else it is asked anew. */
#ifndef LB_WATCH_RUNTIME_STATE_H
#define LB_WATCH_RUNTIME_STATE_H

#include <stdint.h>

#include "lb/watch/runtime_json.h"

#define RUNTIME_CONTAINERS_MAX 16384

struct runtime_entry {
	struct container container;	/* without a name: only its id is known yet */
	uint64_t event;		/* number of the last event about it */
	bool dirty;		/* it has to be asked for */
	bool asked;		/* the question is on its way */
	bool listed;		/* in the list that is being read */
	bool unsure;		/* its last question had no good answer: asked with the next list */
};

struct runtime_state {
	struct runtime_entry *entries;	/* in the order of ids */
	size_t count, room;
	size_t dirty;		/* how many are, and are not asked yet */
	size_t nameless;
	uint64_t events;	/* that have come */
	uint64_t removals;	/* number of the last that removed one */
	bool changed;		/* since somebody set this to false */
	struct container *view;	/* entries with a name, by name; borrowed from them */
	size_t view_count;
	bool view_old;
};

void runtime_state_clear(struct runtime_state *state);

/* RUNTIME_EVENT_SOMEWHERE, and an event about more containers than we hold, is answered with true:
 * the list has to be asked for. */
bool runtime_state_event(struct runtime_state *state, const struct runtime_event *event);

/* A complete list, taken from the caller; its question was asked when `events` had come. `gap`:
 * events may have been missed before it, so what is known in detail is asked for again. */
void runtime_state_list(struct runtime_state *state, struct containers *list, uint64_t events,
			bool gap);

/* The next container to be asked for, marked as asked; NULL: none. */
const char *runtime_state_ask(struct runtime_state *state);

/* Its answer, taken from the caller; NULL: there is none. `gone`: it is not there any more. */
void runtime_state_answer(struct runtime_state *state, const char *id, uint64_t events,
			  struct container *answer, bool gone);

/* No question is on its way any more. */
void runtime_state_unask(struct runtime_state *state);

/* Whether something is known of it or on its way. Its name is NULL while it is not known. */
bool runtime_state_has(const struct runtime_state *state, const char *id, const char **ret_name);

const struct container *runtime_state_view(struct runtime_state *state, size_t *ret_count);

#endif
