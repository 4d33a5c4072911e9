/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backends' flows may be lost, as an operator was told: those of a backend that is gone,
 * switched off or taken away, or whose drain's time is over. The reference's own view; the daemon's
 * is lb/model/judge.c. */
#ifndef TESTS_MODEL_FATE_H
#define TESTS_MODEL_FATE_H

#include "tests/model/world.h"

struct fate {			/* written by one thread, read by any */
	bool gone;
	uint32_t lost;		/* how often its flows were lost */
	bool drains;
	uint64_t drain_since_ms;
};

/* Before the daemon acts on what the members are now: who is gone from here on. */
void fates_lose(struct fate *fates, const struct world *world);

/* After it has acted: who is there again. */
void fates_regain(struct fate *fates, const struct world *world);

bool takes_new_flows(const struct world *world, int backend);

#endif
