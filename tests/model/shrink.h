/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failing schedule becomes a short one that fails too. */
#ifndef TESTS_MODEL_SHRINK_H
#define TESTS_MODEL_SHRINK_H

#include "tests/model/promise.h"

/* Changes the schedule, which fails, into one from which no single event can be taken away without
 * its passing (or as far as `tries` runs lead). */
void schedule_shrink(struct world *world, struct schedule *schedule, unsigned int tries);

#endif
