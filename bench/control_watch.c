/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wanted ring is made here by the same pure function as in lbd, from the names and weights of
 * the config: a slot counts only when it holds the owner that it must have. */
#include "bench/control_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/control_config.h"
#include "bench/control_neighbours.h"
#include "config/mem.h"
#include "lb/model/ring.h"

#define GIVE_UP_MS 30000

double watch_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Leaves the CPU to whoever sends packets meanwhile. */
static void rest(void)
{
	const struct timespec moment = { .tv_nsec = 5 * 1000 };

	nanosleep(&moment, NULL);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint32_t service_id(const struct dataplane *tables, unsigned int service)
{
	char name[LB_NAME_MAX];

	snprintf(name, sizeof(name), "s%u", service);
	for (uint32_t id = 1; id < LB_MAX_SERVICES; id++)
		if (!strcmp(tables->service_info[id].name, name))
			return id;
	return 0;
}

static uint32_t backend_id(const struct dataplane *tables, uint32_t service, const char *name)
{
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		if (tables->backends[id].service == service &&
		    !strcmp(tables->backend_info[id].name, name))
			return id;
	return 0;
}

int slots_expect(const struct dataplane *tables, unsigned int service, uint32_t weight,
		 struct slots_wanted *ret_wanted)
{
	struct ring_member members[CONTROL_BACKENDS];
	uint32_t id = service_id(tables, service), ids[CONTROL_BACKENDS];
	const struct lb_service_info *info = &tables->service_info[id];
	struct slots_wanted wanted = { .count = info->slot_count[0] };
	char names[CONTROL_BACKENDS][8];
	int err;

	for (uint32_t b = 0; b < CONTROL_BACKENDS; b++) {
		snprintf(names[b], sizeof(names[b]), "b%u", b);
		members[b] = (struct ring_member){ names[b], b == CONTROL_CHANGED ? weight
									  : CONTROL_WEIGHT };
		ids[b] = id ? backend_id(tables, id, names[b]) : 0;
		if (!ids[b])
			return -ENOENT;
	}
	wanted.words = tables->slots + info->slot_base[0];
	wanted.owners = mem_array(wanted.count, sizeof(*wanted.owners));
	err = ring_build(members, CONTROL_BACKENDS, wanted.count, wanted.owners);
	for (uint32_t i = 0; !err && i < wanted.count; i++)
		wanted.owners[i] = ids[wanted.owners[i]];
	if (err)
		slots_forget(&wanted);
	else
		*ret_wanted = wanted;
	return err;
}

void slots_forget(struct slots_wanted *wanted)
{
	free(wanted->owners);
	wanted->owners = NULL;
}

static uint32_t slots_missing(const struct slots_wanted *wanted)
{
	uint32_t missing = 0;

	for (uint32_t i = 0; i < wanted->count; i++) {
		uint64_t word = __atomic_load_n(&wanted->words[i], __ATOMIC_ACQUIRE);

		missing += LB_SLOT_OWNER(word) != wanted->owners[i];
	}
	return missing;
}

int slots_wait(const struct slots_wanted *wanted, double began_ms, double *ret_first_ms,
	       double *ret_last_ms)
{
	uint32_t all = slots_missing(wanted), missing = all;
	double first_ms = 0, now_ms = 0;

	if (!all)
		return -EALREADY;
	while (missing) {
		missing = slots_missing(wanted);
		now_ms = watch_now_ms() - began_ms;
		if (missing < all && !first_ms)
			first_ms = now_ms;
		if (now_ms > GIVE_UP_MS)
			return -ETIMEDOUT;
		rest();
	}
	*ret_first_ms = first_ms;
	*ret_last_ms = now_ms;
	return 0;
}

/* ---- next hops ------------------------------------------------------------------------------- */

static bool hop_is_of(const struct lb_backend *backend, uint8_t generation)
{
	uint64_t word = __atomic_load_n((const uint64_t *)&backend->hop, __ATOMIC_ACQUIRE);
	uint8_t mac[6];

	neighbour_mac(generation, backend->address.byte + sizeof(backend->address.byte) - 4, mac);
	return !memcmp(&word, mac, sizeof(mac));
}

int hops_wait(const struct dataplane *tables, unsigned int backends, uint8_t generation,
	      double began_ms, double *ret_last_ms)
{
	unsigned int there = 0;
	double now_ms = 0;

	while (there < backends) {
		there = 0;
		for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
			there += tables->backends[id].service &&
				 hop_is_of(&tables->backends[id], generation);
		now_ms = watch_now_ms() - began_ms;
		if (now_ms > GIVE_UP_MS)
			return -ETIMEDOUT;
		rest();
	}
	*ret_last_ms = now_ms;
	return 0;
}
