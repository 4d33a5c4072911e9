/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No established flow to a living backend moves, whatever happens: the real program and the real
 * daemon's steps over random schedules, held against promise.h. MODEL_SEED and MODEL_SCHEDULES
 * run others and more. A failing schedule is shrunk and printed; kept as a file in
 * tests/model/cases/ it is run first from then on. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model/shrink.h"

#define CASES "tests/model/cases"
#define SCHEDULES 80	/* of each kind */
#define STEPS 3000
#define SHRINK_TRIES 4000

static struct world *world;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void tally_print(const char *what, const struct tally *sum)
{
	printf("# %s: %" PRIu64 " packets, %" PRIu64 " of them forged\n", what, sum->packets,
	       sum->forged);
	printf("#   established flows moved %" PRIu64 " of %" PRIu64 " packets\n", sum->moved,
	       sum->judged);
	printf("#   handshakes broken %" PRIu64 " of %" PRIu64 "; of those above %d ticks, %" PRIu64
	       " of %" PRIu64 "\n",
	       sum->broken, sum->handshakes, LB_EMBRYONIC_TICKS, sum->slow_broken, sum->slow);
	printf("#   new flows at one that takes none %" PRIu64 " of %" PRIu64 "\n", sum->misplaced,
	       sum->fresh);
	printf("#   restarts that changed something %" PRIu64 " of %" PRIu64 "\n", sum->replanned,
	       sum->restarts);
}

/* ---- random schedules ----------------------------------------------------------------------- */

static void failure_show(struct schedule *schedule, uint64_t seed, const struct tally *tally)
{
	struct tally shrunk;

	printf("# seed %" PRIu64 " fails: %s\n", seed, tally->first);
	schedule_shrink(world, schedule, SHRINK_TRIES);
	schedule_run(world, schedule, &shrunk);
	printf("# shrunk, to be kept as %s/SENTENCE:\n# %s\n", CASES, shrunk.first);
	schedule_print(schedule, stdout);
}

static void schedules_run(const char *what, bool flood, struct tally *ret_sum)
{
	uint64_t seed = number_of("MODEL_SEED", 1), count = number_of("MODEL_SCHEDULES", SCHEDULES);
	struct schedule schedule = { .count = 0 };

	memset(ret_sum, 0, sizeof(*ret_sum));
	printf("# %s: seeds %" PRIu64 " to %" PRIu64 "\n", what, seed, seed + count - 1);
	for (uint64_t i = 0; i < count; i++) {
		struct tally tally;

		schedule_random(&schedule, seed + i, flood, STEPS);
		schedule_run(world, &schedule, &tally);
		tally_add(ret_sum, &tally);
		if (!tally_failed(&tally, &schedule.setup))
			continue;
		failure_show(&schedule, seed + i, &tally);
		schedule_clear(&schedule);
		fail_msg("%s, seed %" PRIu64, tally.first, seed + i);
	}
	schedule_clear(&schedule);
	tally_print(what, ret_sum);
}

static void ample_tables_keep_every_flow_and_every_handshake(void **state)
{
	struct tally sum;

	(void)state;
	schedules_run("ample tables", false, &sum);
	assert_true(sum.judged > 0 && sum.handshakes > 0 && sum.fresh > 0);
}

/* A handshake keeps its place for LB_EMBRYONIC_TICKS; sim/slots_in_motion.py loses 280 of 136,932
 * with slower ones among them. */
static void floods_and_full_tables_keep_every_flow(void **state)
{
	struct tally sum;

	(void)state;
	schedules_run("floods, full tables", true, &sum);
	assert_true(sum.judged > 0);
	assert_in_range(sum.broken - sum.slow_broken, 0, (sum.handshakes - sum.slow) / 500);
}

/* ---- cases ---------------------------------------------------------------------------------- */

static void case_run(const char *name)
{
	struct schedule schedule = { .count = 0 };
	struct tally tally;
	char path[512];
	FILE *file;
	int line;

	snprintf(path, sizeof(path), "%s/%s", CASES, name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	line = schedule_read(&schedule, file);
	fclose(file);
	if (line)
		fail_msg("%s:%d: not understood", path, line);
	schedule_run(world, &schedule, &tally);
	if (tally_failed(&tally, &schedule.setup))
		fail_msg("%s: %s", path, tally.first);
	schedule_clear(&schedule);
}

static void cases_that_failed_once_pass(void **state)
{
	DIR *dir = opendir(CASES);
	struct dirent *entry;
	int count = 0;

	(void)state;
	if (!dir)
		fail_msg("%s: %s (tests run in the root of the project)", CASES, strerror(errno));
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			case_run(entry->d_name);
			count++;
		}
	closedir(dir);
	printf("# %d cases\n", count);
	assert_true(count > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_that_failed_once_pass),
		cmocka_unit_test(ample_tables_keep_every_flow_and_every_handshake),
		cmocka_unit_test(floods_and_full_tables_keep_every_flow),
	};
	int failed = world_enter(&world);

	if (failed)
		return failed;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(world);
	return failed;
}
