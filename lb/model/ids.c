/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ids and which run of slots a service gets: what it keeps has those that it had, the rest
 * the next free ones. */
#include "lb/model/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids ------------------------------------------------------------------------------------ */

/* The next free id behind the largest in use, so that a freed one rests as long as it can. */
static uint32_t id_take(unsigned char *used, uint32_t limit, uint32_t *last)
{
	for (uint32_t tries = 1; tries < limit; tries++) {
		*last = *last + 1 < limit ? *last + 1 : 1;
		if (!used[*last]) {
			used[*last] = 1;
			return *last;
		}
	}
	return 0;
}

static uint32_t id_mark(unsigned char *used, uint32_t id, uint32_t last)
{
	used[id] = 1;
	return id > last ? id : last;
}

#define ID_REST_MS (9ULL * 3600 * 1000) /* above the longest idle_timeout and its margins */

/* A record may still name the backend that had this id. */
static void ids_rest(const struct kernel_view *kernel, unsigned char *used)
{
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++) {
		uint64_t freed_ms = kernel->backend_info[id].freed_ms;

		if (freed_ms && kernel->now_ms - freed_ms < ID_REST_MS)
			used[id] = 1;
	}
}

/* Which ids are not free. Looked up when the first new one is needed: mostly none is. */
struct ids {
	unsigned char services[LB_MAX_SERVICES], backends[LB_MAX_BACKENDS];
	uint32_t last_service, last_backend;
	bool known;
};

static void ids_look(struct ids *ids, const struct state *actual, const struct kernel_view *kernel)
{
	if (ids->known)
		return;
	memset(ids, 0, sizeof(*ids));
	ids_rest(kernel, ids->backends);
	for (size_t s = 0; s < actual->service_count; s++) {
		const struct service *service = &actual->services[s];

		ids->last_service = id_mark(ids->services, service->id, ids->last_service);
		for (size_t b = 0; b < service->backend_count; b++)
			ids->last_backend = id_mark(ids->backends, service->backends[b].id,
						    ids->last_backend);
	}
	ids->known = true;
}

/* Returns whether there were enough. */
static bool service_ids_give(struct ids *ids, struct service *service, const struct state *actual,
			     const struct kernel_view *kernel)
{
	const struct service *old = state_service(actual, service->name);

	if (old) {
		service->id = old->id;
	} else {
		ids_look(ids, actual, kernel);
		service->id = id_take(ids->services, LB_MAX_SERVICES, &ids->last_service);
	}
	for (size_t b = 0; service->id && b < service->backend_count; b++) {
		struct backend *backend = &service->backends[b];
		const struct backend *same = service_backend_same(old, backend, b);

		if (same) {
			backend->id = same->id;
			continue;
		}
		ids_look(ids, actual, kernel);
		backend->id = id_take(ids->backends, LB_MAX_BACKENDS, &ids->last_backend);
		if (!backend->id)
			return false;
	}
	return service->id;
}

int ids_give(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	     struct diag *diag)
{
	static struct ids ids;

	ids.known = false;
	for (size_t s = 0; s < wanted->service_count; s++) {
		struct service *service = &wanted->services[s];

		if (service->borrowed || service_ids_give(&ids, service, actual, kernel))
			continue;
		diag_add(diag, NULL, 0, "no ids are left: at most %d services and %d backends",
			 LB_MAX_SERVICES - 1, LB_MAX_BACKENDS - 1);
		return -ENOSPC;
	}
	return 0;
}

/* ---- runs of slots -------------------------------------------------------------------------- */

struct run {
	uint32_t base, slots;
};

static int compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->base > y->base) - (x->base < y->base);
}

static size_t runs_of(const struct state *state, struct run *runs)
{
	size_t count = 0;

	for (size_t s = 0; s < state->service_count; s++)
		for (int family = 0; family < FAMILIES; family++) {
			const struct ring *ring = &state->services[s].ring[family];

			if (ring->slots && ring->base != UINT32_MAX)
				runs[count++] = (struct run){ ring->base, ring->slots };
		}
	return count;
}

/* The first gap between the sorted runs that holds `slots`; UINT32_MAX: none. */
static uint32_t gap_find(const struct run *runs, size_t count, uint32_t slots, uint32_t max_slots)
{
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (runs[i].base >= at + slots)
			return at;
		if ((uint64_t)runs[i].base + runs[i].slots > at)
			at = (uint64_t)runs[i].base + runs[i].slots;
	}
	return at + slots <= max_slots ? at : UINT32_MAX;
}

/* Runs in use, in order; made when the first new one is needed. */
struct runs {
	struct run *list;
	size_t count;
};

static int runs_look(struct runs *runs, const struct state *actual, const struct state *wanted)
{
	size_t most = FAMILIES * (actual->service_count + wanted->service_count);

	if (runs->list)
		return 0;
	runs->list = calloc(most + 1, sizeof(*runs->list));
	if (!runs->list)
		return -ENOMEM;
	runs->count = runs_of(actual, runs->list);
	qsort(runs->list, runs->count, sizeof(*runs->list), compare_runs);
	return 0;
}

static void run_insert(struct runs *runs, struct run run)
{
	size_t place = runs->count++;

	for (; place && runs->list[place - 1].base > run.base; place--)
		runs->list[place] = runs->list[place - 1];
	runs->list[place] = run;
}

static int ring_run_give(struct runs *runs, struct ring *ring, const struct kernel_view *kernel)
{
	ring->base = gap_find(runs->list, runs->count, ring->slots, kernel->max_slots);
	if (ring->base == UINT32_MAX)
		return -ENOSPC;
	run_insert(runs, (struct run){ ring->base, ring->slots });
	return 0;
}

static int service_runs_give(struct runs *runs, const struct state *actual, struct state *wanted,
			     struct service *service, const struct kernel_view *kernel,
			     struct diag *diag)
{
	const struct service *old = state_service(actual, service->name);

	for (int family = 0; family < FAMILIES; family++) {
		struct ring *ring = &service->ring[family];
		int err;

		if (!ring->slots)
			continue;
		if (old && old->ring[family].slots == ring->slots) {
			ring->base = old->ring[family].base;
			continue;
		}
		err = runs_look(runs, actual, wanted);
		if (!err)
			err = ring_run_give(runs, ring, kernel);
		if (err == -ENOSPC)
			diag_add(diag, NULL, 0,
				 "service \"%s\": no room for its %u slots beside the rings in "
				 "use; raise tuning.max_slots (now %u)",
				 service->name, ring->slots, kernel->max_slots);
		if (err)
			return err;
	}
	return 0;
}

int runs_give(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	      struct diag *diag)
{
	struct runs runs = { 0 };
	int err = 0;

	for (size_t s = 0; !err && s < wanted->service_count; s++)
		if (!wanted->services[s].borrowed)
			err = service_runs_give(&runs, actual, wanted, &wanted->services[s], kernel,
						diag);
	free(runs.list);
	return err;
}
