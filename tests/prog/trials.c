/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows into cmocka tests. What does not fit into the tables ends the program. */
#include "tests/prog/trials.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIALS_MAX 1024

static struct trial trials[TRIALS_MAX];
static struct CMUnitTest tests[TRIALS_MAX];
static size_t count;

static void trial_append(const char *kind, const char *sentence, CMUnitTestFunction run,
			 struct trial trial)
{
	if (count == TRIALS_MAX)
		abort();
	snprintf(trial.name, sizeof(trial.name), "%s%s", kind, sentence);
	trials[count] = trial;
	tests[count] = (struct CMUnitTest){ .name = trials[count].name, .test_func = run,
					    .initial_state = &trials[count] };
	count++;
}

void trial_add(const char *sentence, enum kinds kinds, CMUnitTestFunction run, const void *row)
{
	static const char *const names[] = { "TCP/IPv4: ", "UDP/IPv4: ", "TCP/IPv6: ",
					     "UDP/IPv6: " };

	for (int kind = 0; kind < 4; kind++)
		if (kinds & 1 << kind)
			trial_append(names[kind], sentence, run,
				     (struct trial){ .row = row, .udp = kind & 1,
						     .ipv6 = kind & 2 });
	if (kinds & ONCE)
		trial_append("", sentence, run, (struct trial){ .row = row });
}

struct ground *ground;

static struct {
	const char *config;
	const struct ground_hop *hops;
} over;

static int ground_up(void **state)
{
	(void)state;
	ground = ground_open(over.config, over.hops);
	return 0;
}

static int ground_down(void **state)
{
	(void)state;
	ground_close(ground);
	return 0;
}

int trials_run_over(const char *config, const struct ground_hop *hops)
{
	over.config = config;
	over.hops = hops;
	return trials_run(ground_up, ground_down);
}

/* cmocka's macro takes arrays of a fixed size only; this is what it calls. */
int trials_run(CMFixtureFunction up, CMFixtureFunction down)
{
	world_enter();
	return _cmocka_run_group_tests("trials", tests, count, up, down);
}
