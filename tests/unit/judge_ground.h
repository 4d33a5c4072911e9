/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of the verdicts on backends and services, over that of model_ground.h: a
 * daemon that looks at the world again and again, and is started anew between. For one test
 * program each. */
#ifndef TESTS_UNIT_JUDGE_GROUND_H
#define TESTS_UNIT_JUDGE_GROUND_H

#include "tests/unit/model_ground.h"

#define LOST "no neighbour for 10.1.0.2 on br0"
#define ILL  "check failed: connection refused"

static struct world world;
static struct state *actual;

static inline int world_begin(void **state)
{
	(void)state;
	actual = NULL;
	memset(&world, 0, sizeof(world));
	return 0;
}

static inline int world_end(void **state)
{
	(void)state;
	state_free(actual);
	world_clear(&world);
	return 0;
}

/* Time goes on, and the daemon looks again. */
static inline struct backend *look(uint64_t after_ms)
{
	struct state *now;

	world.now_ms += after_ms;
	now = world_state(&world, actual);
	state_free(actual);
	actual = now;
	return actual->services[0].backends;
}

/* What lb/kernel/recover.c finds is less than what was there. */
static inline void restart(void)
{
	for (size_t s = 0; s < actual->service_count; s++) {
		struct service *service = &actual->services[s];

		service->config = NULL;
		service->up = false;
		for (size_t b = 0; b < service->backend_count; b++) {
			struct backend *row = &service->backends[b];

			row->drained = row->override = row->backup = false;
			row->weight = row->effective_weight = 0;
			row->reason[0] = '\0';
		}
	}
	actual->config = NULL;
	actual->next_ms = 0;
}

static inline void override_state(const char *backend, enum config_state admin)
{
	struct override *entry = override_make(&world.overrides, "web", backend);

	entry->has_state = true;
	entry->state = admin;
}

static inline void override_weight(const char *backend, uint32_t weight)
{
	struct override *entry = override_make(&world.overrides, "web", backend);

	entry->has_weight = true;
	entry->weight = weight;
}

static inline void row_fall_ill(unsigned int row)
{
	world.checked = true;
	world.health[row].up = false;
	strcpy(world.health[row].reason, "check failed: connection refused");
}

static inline void row_recover(unsigned int row)
{
	world.health[row].up = true;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_begin, world_end)

#endif
