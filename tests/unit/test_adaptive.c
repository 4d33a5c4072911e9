/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rule of `congestion = "adaptive"` (policy/adaptive.h), and which congestion controls the
 * kernel says it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/adaptive.h"
#include "policy/congestion.h"

#define MS 1000
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct row {
	const char *sentence;
	struct adaptive_path path;
	bool bbr;
} rows[] = {
	{ "a path that lost nothing has cubic", { 10000, 0, 80 * MS, 80 * MS, false }, false },
	{ "a long path with loss has bbr", { 10000, 50, 85 * MS, 80 * MS, false }, true },
	{ "the least loss is enough", { 10000, 20, 20 * MS, 20 * MS, false }, true },
	{ "less is not", { 10000, 19, 20 * MS, 20 * MS, false }, false },
	{ "but keeps bbr, down to half of it", { 10000, 10, 20 * MS, 20 * MS, true }, true },
	{ "and no further", { 10000, 9, 20 * MS, 20 * MS, true }, false },
	{ "the most loss is bbr's", { 1000, 200, 20 * MS, 20 * MS, false }, true },
	{ "more is not", { 1000, 201, 20 * MS, 20 * MS, false }, false },
	{ "but keeps bbr, up to half more", { 1000, 300, 20 * MS, 20 * MS, true }, true },
	{ "and no further than that", { 1000, 301, 20 * MS, 20 * MS, true }, false },
	{ "the shortest path for bbr", { 10000, 50, 5 * MS, 5 * MS, false }, true },
	{ "a shorter one", { 10000, 50, 4999, 4999, false }, false },
	{ "it keeps bbr down to half", { 10000, 50, 2500, 2500, true }, true },
	{ "shorter than half", { 10000, 50, 2499, 2499, true }, false },
	{ "a queue as long as the path", { 10000, 50, 40 * MS, 20 * MS, false }, true },
	{ "a longer queue is what loses", { 10000, 50, 40001, 20 * MS, false }, false },
	{ "what has bbr may queue half more", { 10000, 50, 60 * MS, 20 * MS, true }, true },
	{ "and not more than that", { 10000, 50, 60001, 20 * MS, true }, false },
	{ "too few segments to begin with bbr", { 255, 50, 20 * MS, 20 * MS, false }, false },
	{ "too few segments to leave it", { 255, 0, 20 * MS, 20 * MS, true }, true },
	{ "just enough segments", { 256, 1, 20 * MS, 20 * MS, false }, true },
	{ "no overflow", { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, false }, false },
};

static void rule_is_what_is_written_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (adaptive_wants_bbr(&rows[i].path) != rows[i].bbr)
			fail_msg("%s: not so", rows[i].sentence);
}

static void learn(struct adaptive_path *path, unsigned int times, uint32_t sent, uint32_t again,
		  uint32_t srtt_us, uint32_t min_rtt_us)
{
	const struct adaptive_sample sample = { sent, again, srtt_us, min_rtt_us };

	while (times--)
		adaptive_learn(path, &sample);
}

static void first_connection_is_taken_as_it_is(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 1, 1000, 5, 90 * MS, 80 * MS);
	assert_int_equal(path.sent, 1000);
	assert_int_equal(path.again, 5);
	assert_int_equal(path.srtt_us, 90 * MS);
	assert_int_equal(path.min_rtt_us, 80 * MS);
	assert_true(path.bbr);
}

static void small_connections_add_up(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 25, 10, 1, 20 * MS, 20 * MS);
	assert_false(path.bbr);
	learn(&path, 1, 10, 1, 20 * MS, 20 * MS);
	assert_true(path.bbr);
}

static void path_that_got_better_returns_to_cubic(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 100, 5000, 100, 20 * MS, 20 * MS);
	assert_true(path.bbr);
	learn(&path, 10, 5000, 0, 20 * MS, 20 * MS);
	assert_false(path.bbr);
}

static void one_huge_connection_is_forgotten_too(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 1, UINT32_MAX / 2, UINT32_MAX / 100, 20 * MS, 20 * MS);
	assert_true(path.bbr);
	assert_true(path.sent <= ADAPTIVE_MEMORY);
	learn(&path, 10, 5000, 0, 20 * MS, 20 * MS);
	assert_false(path.bbr);
}

static void moment_of_a_long_round_trip_is_forgotten(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 1, 1000, 10, 300 * MS, 80 * MS);
	assert_false(path.bbr);
	learn(&path, 2, 1000, 10, 82 * MS, 80 * MS);
	assert_true(path.bbr);
}

static void shortest_round_trip_follows_the_route(void **state)
{
	struct adaptive_path path = { 0 };

	(void)state;
	learn(&path, 1, 1000, 10, 80 * MS, 80 * MS);
	learn(&path, 1, 1000, 10, 2 * MS, 2 * MS);
	assert_int_equal(path.min_rtt_us, 2 * MS);
	assert_false(path.bbr);
	learn(&path, 40, 1000, 10, 80 * MS, 80 * MS);
	assert_in_range(path.min_rtt_us, 75 * MS, 80 * MS);
	assert_true(path.bbr);
}

static void kernel_is_asked_what_it_has(void **state)
{
	char list[CONGESTION_LIST_MAX], small[4];

	(void)state;
	assert_int_equal(congestion_list(list, sizeof(list)), 0);
	assert_non_null(strstr(list, "reno")); /* every kernel has it */
	assert_null(strchr(list, '\n'));
	assert_true(congestion_list(small, sizeof(small)) < 0);
	assert_true(congestion_has("reno"));
	assert_false(congestion_has("nosuch"));
	assert_false(congestion_has(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_is_what_is_written_down),
		cmocka_unit_test(first_connection_is_taken_as_it_is),
		cmocka_unit_test(small_connections_add_up),
		cmocka_unit_test(path_that_got_better_returns_to_cubic),
		cmocka_unit_test(one_huge_connection_is_forgotten_too),
		cmocka_unit_test(moment_of_a_long_round_trip_is_forgotten),
		cmocka_unit_test(shortest_round_trip_follows_the_route),
		cmocka_unit_test(kernel_is_asked_what_it_has),
	};

	return cmocka_run_group_tests_name("adaptive", tests, NULL, NULL);
}
