/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists, answers and events made into one state. */
#include "lb/watch/runtime_state.h"

#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

static void changed(struct runtime_state *state)
{
	state->changed = true;
	state->view_old = true;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* The index of the id, or where it would stand. */
static bool entry_find(const struct runtime_state *state, const char *id, size_t *ret_index)
{
	size_t low = 0, high = state->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(state->entries[middle].container.id, id);

		if (!order) {
			*ret_index = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = low;
	return false;
}

static void dirty_set(struct runtime_state *state, struct runtime_entry *entry, bool dirty)
{
	state->dirty += (dirty && !entry->asked) - (entry->dirty && !entry->asked);
	entry->dirty = dirty;
}

static void asked_set(struct runtime_state *state, struct runtime_entry *entry, bool asked)
{
	state->dirty += (entry->dirty && !asked) - (entry->dirty && !entry->asked);
	entry->asked = asked;
}

/* Takes the container. */
static struct runtime_entry *entry_insert(struct runtime_state *state, size_t index,
					  struct container container)
{
	if (state->count == state->room) {
		state->room = state->room ? 2 * state->room : 64;
		state->entries = mem_must(realloc(state->entries,
						  state->room * sizeof(*state->entries)));
	}
	memmove(&state->entries[index + 1], &state->entries[index],
		(state->count - index) * sizeof(*state->entries));
	state->entries[index] = (struct runtime_entry){ .container = container };
	state->count++;
	state->nameless += !container.name;
	changed(state);
	return &state->entries[index];
}

static void entry_remove(struct runtime_state *state, size_t index)
{
	struct runtime_entry *entry = &state->entries[index];

	dirty_set(state, entry, false);
	state->nameless -= !entry->container.name;
	container_clear(&entry->container);
	state->count--;
	memmove(entry, entry + 1, (state->count - index) * sizeof(*entry));
	changed(state);
}

/* Takes the container. */
static void entry_replace(struct runtime_state *state, struct runtime_entry *entry,
			  struct container *container)
{
	if (container_equal(&entry->container, container)) {
		container_clear(container);
		return;
	}
	state->nameless -= !entry->container.name;
	state->nameless += !container->name;
	container_clear(&entry->container);
	entry->container = *container;
	changed(state);
}

static void entry_died(struct runtime_state *state, struct runtime_entry *entry)
{
	if (!entry->container.running)
		return;
	entry->container.running = false;
	changed(state);
}

void runtime_state_clear(struct runtime_state *state)
{
	for (size_t i = 0; i < state->count; i++)
		container_clear(&state->entries[i].container);
	free(state->entries);
	free(state->view);
	*state = (struct runtime_state){ 0 };
}

/* ---- events --------------------------------------------------------------------------------- */

bool runtime_state_event(struct runtime_state *state, const struct runtime_event *event)
{
	struct runtime_entry *entry;
	size_t index;
	bool found;

	if (event->kind == RUNTIME_EVENT_NOTHING)
		return false;
	state->events++;
	if (event->kind == RUNTIME_EVENT_SOMEWHERE)
		return true;
	found = entry_find(state, event->id, &index);
	if (event->kind == RUNTIME_EVENT_REMOVED) {
		state->removals = state->events;
		if (found)
			entry_remove(state, index);
		return false;
	}
	if (!found && state->count == RUNTIME_CONTAINERS_MAX)
		return true;
	entry = found ? &state->entries[index]
		      : entry_insert(state, index,
				     (struct container){ .id = mem_text(event->id) });
	entry->event = state->events;
	if (event->kind == RUNTIME_EVENT_DIED)
		entry_died(state, entry);
	dirty_set(state, entry, true);
	return false;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static bool same_but_for_details(const struct container *known, const struct container *listed)
{
	struct container bare = *known;

	bare.detailed = false;
	bare.host_network = listed->host_network;
	bare.network_of = bare.cgroup_parent = bare.sandbox_key = NULL;
	return container_equal(&bare, listed);
}

/* A death counts at once. Everything else that a list says of a container which is known in detail
 * is a reason to ask for it: a list has less, and Podman's has mistakes. */
static void listed_known(struct runtime_state *state, struct runtime_entry *entry,
			 struct container *listed, bool gap)
{
	const struct container *known = &entry->container;

	if (!known->detailed) {
		entry_replace(state, entry, listed);
		dirty_set(state, entry, true);
		return;
	}
	if (gap || entry->unsure || !same_but_for_details(known, listed))
		dirty_set(state, entry, true);
	if (!listed->running)
		entry_died(state, entry);
	container_clear(listed);
}

/* One that came into the list before an event that removed some container may be that one: nothing
 * is said of it until it was asked for. */
static void listed_new(struct runtime_state *state, size_t index, struct container *listed,
		       bool doubtful)
{
	struct runtime_entry *entry;

	if (doubtful) {
		struct container bare = { .id = mem_text(listed->id) };

		container_clear(listed);
		*listed = bare;
	}
	entry = entry_insert(state, index, *listed);
	entry->listed = true;
	dirty_set(state, entry, true);
}

void runtime_state_list(struct runtime_state *state, struct containers *list, uint64_t events,
			bool gap)
{
	size_t index;

	for (size_t i = 0; i < list->count; i++) {
		struct container *listed = &list->list[i];

		if (!entry_find(state, listed->id, &index)) {
			if (state->count < RUNTIME_CONTAINERS_MAX)
				listed_new(state, index, listed, state->removals > events);
			else
				container_clear(listed);
			continue;
		}
		state->entries[index].listed = true;
		if (state->entries[index].event > events)
			container_clear(listed);
		else
			listed_known(state, &state->entries[index], listed, gap);
	}
	free(list->list);
	*list = (struct containers){ 0 };
	for (size_t i = state->count; i-- > 0;) {
		struct runtime_entry *entry = &state->entries[i];

		if (!entry->listed && entry->event <= events)
			entry_remove(state, i);
		else
			entry->listed = false;
	}
}

/* ---- single containers ---------------------------------------------------------------------- */

const char *runtime_state_ask(struct runtime_state *state)
{
	for (size_t i = 0; state->dirty && i < state->count; i++)
		if (state->entries[i].dirty && !state->entries[i].asked) {
			asked_set(state, &state->entries[i], true);
			return state->entries[i].container.id;
		}
	return NULL;
}

void runtime_state_answer(struct runtime_state *state, const char *id, uint64_t events,
			  struct container *answer, bool gone)
{
	struct runtime_entry *entry;
	size_t index;

	if (!entry_find(state, id, &index)) {
		if (answer)
			container_clear(answer);
		return;
	}
	entry = &state->entries[index];
	asked_set(state, entry, false);
	if (entry->event > events || (answer && strcmp(answer->id, id))) {
		if (answer)
			container_clear(answer);
		dirty_set(state, entry, entry->event > events);
		return;
	}
	dirty_set(state, entry, false);
	entry->unsure = false;
	if (answer)
		entry_replace(state, entry, answer);
	else if (gone || !entry->container.name)
		entry_remove(state, index);
	else
		entry->unsure = true;
}

void runtime_state_unask(struct runtime_state *state)
{
	for (size_t i = 0; i < state->count; i++)
		asked_set(state, &state->entries[i], false);
}

/* ---- the view ------------------------------------------------------------------------------- */

/* Of two with one name, who runs is first: the other is what a rename or a removal left behind. */
static int compare_containers(const void *a, const void *b)
{
	const struct container *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (!order)
		order = y->running - x->running;
	return order ? order : strcmp(x->id, y->id);
}

static void view_make(struct runtime_state *state)
{
	size_t count = 0, kept = 0;

	free(state->view);
	state->view = mem_array(state->count, sizeof(*state->view));
	for (size_t i = 0; i < state->count; i++)
		if (state->entries[i].container.name)
			state->view[count++] = state->entries[i].container;
	qsort(state->view, count, sizeof(*state->view), compare_containers);
	for (size_t i = 0; i < count; i++)
		if (!kept || strcmp(state->view[kept - 1].name, state->view[i].name))
			state->view[kept++] = state->view[i];
	state->view_count = kept;
	state->view_old = false;
}

bool runtime_state_has(const struct runtime_state *state, const char *id, const char **ret_name)
{
	size_t index;
	bool found = entry_find(state, id, &index);

	*ret_name = found ? state->entries[index].container.name : NULL;
	return found;
}

const struct container *runtime_state_view(struct runtime_state *state, size_t *ret_count)
{
	if (state->view_old || !state->view)
		view_make(state);
	*ret_count = state->view_count;
	return state->view;
}
