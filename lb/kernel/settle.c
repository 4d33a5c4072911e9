/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settling needs no look at the records: a slot's clock says when a packet last went to another
 * than its owner, and a record that names the owner does no harm. What was recorded cannot speak in
 * the next motion, which has another epoch. */
#include "lb/kernel/settle.h"

#include <time.h>

#include "lb/kernel/stats.h"
#include "lb/model/motion.h"

uint64_t boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

uint32_t motion_now(const struct dataplane *dataplane)
{
	struct timespec now;

	if (dataplane->test_clock)
		return __atomic_load_n(dataplane->test_clock, __ATOMIC_ACQUIRE);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (now.tv_sec * 1000000000ULL + now.tv_nsec) >> LB_TICK_SHIFT;
}

uint32_t settle(struct dataplane *dataplane, const struct service *service)
{
	uint32_t now = motion_now(dataplane), moving = 0;

	for (int family = 0; family < FAMILIES; family++) {
		const struct ring *ring = &service->ring[family];

		for (uint32_t slot = ring->base; slot < ring->base + ring->slots; slot++) {
			uint32_t clock;

			if (!LB_SLOT_MOVING(dataplane->slots[slot]))
				continue;
			clock = __atomic_load_n(&dataplane->clocks[slot].clock, __ATOMIC_ACQUIRE);
			if (slot_is_quiet(clock, now, service->idle_timeout_ms))
				slot_write(dataplane, slot,
					   LB_SLOT(LB_SLOT_OWNER(dataplane->slots[slot]), 0, 0));
			else
				moving++;
		}
	}
	return moving;
}

uint32_t slots_moving(const struct dataplane *dataplane, const struct service *service)
{
	uint32_t moving = 0;

	for (int family = 0; family < FAMILIES; family++)
		for (uint32_t i = 0; i < service->ring[family].slots; i++)
			moving += LB_SLOT_MOVING(
				dataplane->slots[service->ring[family].base + i]);
	return moving;
}

void motion_note(struct dataplane *dataplane, struct service *service, uint32_t moving)
{
	if (!moving)
		service->moving_since_ms = 0;
	else if (!service->moving_since_ms)
		service->moving_since_ms = boottime_ms();
	service->moving = moving;
	dataplane->service_info[service->id].moving_since_ms = service->moving_since_ms;
}

struct holdings holdings_of(const struct dataplane *dataplane, const struct service *service,
			    const struct backend *backend)
{
	struct holdings holdings = { 0 };

	for (int family = 0; family < FAMILIES; family++) {
		const struct ring *ring = &service->ring[family];

		for (uint32_t i = 0; backend->serves[family] && i < ring->slots; i++) {
			uint64_t word = dataplane->slots[ring->base + i];

			if (LB_SLOT_OWNER(word) == backend->id)
				holdings.owned++;
			else if (LB_SLOT_MOVING(word) && LB_SLOT_PREVIOUS(word) == backend->id)
				holdings.previous++;
		}
	}
	return holdings;
}

void slots_owned(const struct dataplane *dataplane, const struct service *service,
		 uint32_t *ret_owned)
{
	for (int family = 0; family < FAMILIES; family++) {
		const struct ring *ring = &service->ring[family];

		for (uint32_t i = 0; i < ring->slots; i++) {
			uint32_t owner = LB_SLOT_OWNER(dataplane->slots[ring->base + i]);

			if (owner != LB_NOBODY && owner < LB_MAX_BACKENDS)
				ret_owned[owner]++;
		}
	}
}

bool drains_end(const struct dataplane *dataplane, struct service *service)
{
	bool ended = false;

	for (size_t b = 0; b < service->backend_count; b++) {
		struct backend *backend = &service->backends[b];
		struct holdings holdings;

		if (backend->state != BACKEND_DRAIN || backend->gone || backend->drained)
			continue;
		holdings = holdings_of(dataplane, service, backend);
		/* While anything moves, a record may name it too. */
		backend->drained = !holdings.owned && !holdings.previous && !service->moving;
		ended |= backend->drained;
	}
	return ended;
}

uint64_t records_lost(const struct dataplane *dataplane)
{
	uint32_t zero = 0;

	return stats_sum(dataplane->records_lost, &zero);
}
