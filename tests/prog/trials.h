/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of rows as cmocka tests: each row times each kind of packet is a test of its own, named
 * by the row's sentence and the kind. */
#ifndef TESTS_PROG_TRIALS_H
#define TESTS_PROG_TRIALS_H

#include <stdbool.h>

#include "tests/prog/fixture.h"

enum kinds {
	TCP4 = 1,
	UDP4 = 2,
	TCP6 = 4,
	UDP6 = 8,
	IPV4_ONLY = TCP4 | UDP4,
	IPV6_ONLY = TCP6 | UDP6,
	TCP_ONLY = TCP4 | TCP6,
	UDP_ONLY = UDP4 | UDP6,
	ALL = TCP_ONLY | UDP_ONLY,
	ONCE = 16,	/* the test makes its packets by itself */
};

struct trial {			/* what a test gets as its state */
	const void *row;
	bool ipv6, udp;
	char name[128];
};

void trial_add(const char *sentence, enum kinds kinds, CMUnitTestFunction run, const void *row);

/* Enters the world and runs all that was added; returns main()'s status. */
int trials_run(CMFixtureFunction up, CMFixtureFunction down);

/* The same over one ground, made from `config` (fixture.h). */
extern struct ground *ground;
int trials_run_over(const char *config, const struct ground_hop *hops);

#endif
