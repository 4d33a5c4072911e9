/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/model/fate.h"

static bool drain_is_over(struct fate *fate, const struct world *world, int backend)
{
	const struct member *member = &world->members[backend];
	uint64_t now_ms = world_now_ms(world);

	if (member->admin != CONFIG_DRAIN || !member->present) {
		fate->drains = false;
		return false;
	}
	if (!fate->drains)
		fate->drain_since_ms = now_ms;
	fate->drains = true;
	return now_ms - fate->drain_since_ms >= ticks_ms(DRAIN_TICKS(backend));
}

static bool is_gone(struct fate *fate, const struct world *world, int backend)
{
	const struct member *member = &world->members[backend];

	return drain_is_over(fate, world, backend) || !member->present || !member->has_hop ||
	       member->admin == CONFIG_OFF;
}

void fates_lose(struct fate *fates, const struct world *world)
{
	for (int i = 0; i < BACKENDS; i++) {
		if (!is_gone(&fates[i], world, i) || fates[i].gone)
			continue;
		__atomic_store_n(&fates[i].gone, true, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&fates[i].lost, 1, __ATOMIC_SEQ_CST);
	}
}

void fates_regain(struct fate *fates, const struct world *world)
{
	for (int i = 0; i < BACKENDS; i++)
		if (!is_gone(&fates[i], world, i))
			__atomic_store_n(&fates[i].gone, false, __ATOMIC_SEQ_CST);
}

bool takes_new_flows(const struct world *world, int backend)
{
	const struct member *member = &world->members[backend];
	bool others = false;

	for (int i = 0; i < BACKENDS && backend == BACKUP_BACKEND; i++)
		others |= i != BACKUP_BACKEND && takes_new_flows(world, i);
	return member->present && member->has_hop && !member->ill && member->admin == CONFIG_UP &&
	       member->weight && !others;
}
