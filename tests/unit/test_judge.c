/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdicts on backends: state, reason, whether their flows are lost, and their share of new
 * flows, by what the sources say and by the clock, over restarts too. */
#include "tests/unit/judge_ground.h"

/* ---- one backend ----------------------------------------------------------------------------- */

#define PAIR(keys) WEB("", BACKEND("a", "10.1.0.2", keys) "," BACKEND("b", "10.1.0.3", ""))
#define CUT(keys) WEB("on_down = \"cut\";", BACKEND("a", "10.1.0.2", keys) ","                  \
		      BACKEND("b", "10.1.0.3", ""))

static const struct verdict_row {
	const char *sentence, *config;
	bool lost, ill;
	enum backend_state state;
	bool gone;
	uint32_t weight;
	const char *reason;
} verdict_rows[] = {
	{ "reachable and not checked: up", PAIR(""), false, false, BACKEND_UP, false, 100, "" },
	{ "weight 0: up, its flows go on, no new ones", PAIR("weight = 0;"), false, false,
	  BACKEND_UP, false, 0, "" },
	{ "switched off: its flows are cut", PAIR("state = \"off\";"), false, false, BACKEND_OFF,
	  true, 0, "switched off" },
	{ "without a next hop: gone", PAIR(""), true, false, BACKEND_DOWN, true, 0, LOST },
	{ "a failed check stops new flows only", PAIR(""), false, true, BACKEND_DOWN, false, 0,
	  ILL },
	{ "a failed check with cut stops all", CUT(""), false, true, BACKEND_DOWN, true, 0, ILL },
	{ "cut does nothing to the well", CUT(""), false, false, BACKEND_UP, false, 100, "" },
	{ "who cannot be reached need not be checked", CUT(""), true, true, BACKEND_DOWN, true, 0,
	  LOST },
	{ "off is off, reachable or not", PAIR("state = \"off\";"), true, true, BACKEND_OFF, true,
	  0, "switched off" },
	{ "draining: its flows go on", PAIR("state = \"drain\";"), false, false, BACKEND_DRAIN,
	  false, 0, "draining: no new flows" },
	{ "draining, and ill", PAIR("state = \"drain\";"), false, true, BACKEND_DRAIN, false, 0,
	  "draining: no new flows" },
	{ "draining, and ill, with cut", CUT("state = \"drain\";"), false, true, BACKEND_DRAIN,
	  true, 0, "drained, and cut: " ILL },
	{ "draining, and well, with cut", CUT("state = \"drain\";"), false, false, BACKEND_DRAIN,
	  false, 0, "draining: no new flows" },
	{ "draining, and lost", PAIR("state = \"drain\";"), true, false, BACKEND_DOWN, true, 0,
	  LOST },
	{ "drained without time for it", PAIR("state = \"drain\"; drain = \"0s\";"), false, false,
	  BACKEND_DRAIN, true, 0, "drained: its time is over" },
};

static void assert_verdict(const struct backend *row, const struct verdict_row *expected)
{
	if (row->state != expected->state || row->gone != expected->gone ||
	    row->effective_weight != expected->weight || strcmp(row->reason, expected->reason))
		fail_msg("%s: %s, gone %d, weight %u, \"%s\"", expected->sentence,
			 backend_state_name(row->state), row->gone, row->effective_weight,
			 row->reason);
}

static void verdict_is_the_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(verdict_rows); i++) {
		const struct verdict_row *row = &verdict_rows[i];
		struct backend *rows;

		world_make(&world, row->config);
		if (row->lost)
			hop_lose(&world.hops[0], LOST);
		if (row->ill)
			row_fall_ill(0);
		rows = look(0);
		assert_verdict(&rows[0], row);
		assert_int_equal(rows[0].has_hop, !row->lost);
		assert_int_equal(rows[1].state, BACKEND_UP);
		assert_int_equal(rows[1].effective_weight, 100);
		state_free(actual);
		actual = NULL;
		world_clear(&world);
	}
	world_begin(NULL);
}

static void overrides_stand_over_the_config(void **state)
{
	struct backend *rows;

	(void)state;
	world_make(&world, WEB("", BACKEND("a", "10.1.0.2", "state = \"off\"; weight = 7;") ","
				   BACKEND("b", "10.1.0.3", "") "," BACKEND("c", "10.1.0.4", "")));
	override_state("a", CONFIG_UP);
	override_weight("b", 3);
	override_state("of another time", CONFIG_OFF);
	rows = look(0);
	assert_int_equal(rows[0].state, BACKEND_UP);
	assert_int_equal(rows[0].effective_weight, 7);
	assert_int_equal(rows[1].state, BACKEND_UP);
	assert_int_equal(rows[1].weight, 3);
	assert_int_equal(rows[1].effective_weight, 3);
	assert_true(rows[0].override && rows[1].override && !rows[2].override);
	assert_int_equal(rows[2].effective_weight, 100);

	override_state("b", CONFIG_OFF);
	override_weight("b", 9);
	rows = look(0);
	assert_int_equal(rows[1].state, BACKEND_OFF);
	assert_int_equal(rows[1].weight, 9);
	assert_int_equal(rows[1].effective_weight, 0);

	assert_true(override_remove(&world.overrides, "web", "a"));
	rows = look(0);
	assert_int_equal(rows[0].state, BACKEND_OFF);
	assert_false(rows[0].override);
}

/* ---- drains --------------------------------------------------------------------------------- */

/* Looks after that time, and finds that the first row has drained for so long. */
static void look_and_find_draining(uint64_t after_ms, uint64_t for_ms)
{
	const struct backend *row = look(after_ms);

	assert_int_equal(row->state, BACKEND_DRAIN);
	assert_false(row->gone);
	assert_string_equal(row->reason, "draining: no new flows");
	assert_int_equal(world.now_ms - row->drain_since_ms, for_ms);
}

static void drain_ends_at_its_deadline(void **state)
{
	uint64_t begin;

	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	begin = world.now_ms;
	look_and_find_draining(0, 0);
	assert_int_equal(actual->next_ms, begin + 5 * MINUTE);
	look_and_find_draining(5 * MINUTE - 1, 5 * MINUTE - 1);
	assert_int_equal(actual->next_ms, begin + 5 * MINUTE);
	look(1);
	assert_true(actual->services[0].backends[0].gone);
	assert_string_equal(actual->services[0].backends[0].reason, "drained: its time is over");
	assert_int_equal(actual->next_ms, 0);
	assert_true(look(60 * MINUTE)[0].gone);
}

static void drain_goes_on_over_a_restart(void **state)
{
	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	look(0);
	restart();
	look_and_find_draining(4 * MINUTE, 4 * MINUTE);
	restart();
	assert_true(look(MINUTE)[0].gone);
	restart();
	look(MINUTE);
	assert_true(actual->services[0].backends[0].gone);
	assert_string_equal(actual->services[0].backends[0].reason, "drained: its time is over");
}

/* Nothing is in the tables but that it drains and is gone: a restart must not bring it back. */
static void drain_that_ended_early_stays_ended_over_a_restart(void **state)
{
	struct backend *rows;

	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	look(0)[0].drained = true;
	for (int i = 0; i < 3; i++) {
		rows = look(MINUTE);
		assert_int_equal(rows[0].state, BACKEND_DRAIN);
		assert_true(rows[0].drained && rows[0].gone);
		assert_string_equal(rows[0].reason, "drained: nobody is left");
		assert_int_equal(actual->next_ms, 0);
		restart();
	}
	override_state("a", CONFIG_UP);
	assert_int_equal(look(0)[0].state, BACKEND_UP);
}

/* The deadline is the operator's: a link that goes and comes is no reason for another. */
static void drain_goes_on_while_the_next_hop_is_lost(void **state)
{
	const struct backend *row;
	struct row_hop hop;

	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	hop = world.hops[0];
	look(0);
	hop_lose(&world.hops[0], LOST);
	row = look(MINUTE);
	assert_int_equal(row->state, BACKEND_DOWN);
	assert_true(row->gone);
	restart();
	world.hops[0] = hop;
	look_and_find_draining(2 * MINUTE, 3 * MINUTE);
	hop_lose(&world.hops[0], LOST);
	look(MINUTE);
	world.hops[0] = hop;
	look(MINUTE);
	assert_string_equal(actual->services[0].backends[0].reason, "drained: its time is over");
}

/* Its flows are lost, and new ones it does not get: there is nothing to come back to. */
static void drain_that_was_cut_is_over(void **state)
{
	const struct backend *row;

	(void)state;
	world_make(&world, CUT("state = \"drain\";"));
	look(0);
	row_fall_ill(0);
	assert_true(look(MINUTE)->gone);
	row_recover(0);
	for (int i = 0; i < 2; i++) {
		row = look(MINUTE);
		assert_true(row->gone);
		assert_string_equal(row->reason, "drained: nobody is left");
		restart();
	}
}

/* No check has ended yet: nobody is cut for that, and nobody comes back for it. */
static void who_was_never_checked_is_not_cut(void **state)
{
	struct backend *row;

	(void)state;
	world_make(&world, CUT(""));
	look(0);
	row_fall_ill(0);
	world.health[0].unknown = true;
	row = look(0);
	assert_int_equal(row->state, BACKEND_DOWN);
	assert_false(row->gone);
	world.health[0].unknown = false;
	assert_true(look(0)->gone);
	restart();
	world.health[0].unknown = true;
	assert_true(look(0)->gone);
	row_recover(0);
	world.health[0].unknown = false;
	assert_false(look(0)->gone);
}

static void drain_begins_anew_after_it_was_enabled(void **state)
{
	struct backend *rows;

	(void)state;
	world_make(&world, PAIR(""));
	look(0);
	override_state("a", CONFIG_DRAIN);
	look_and_find_draining(MINUTE, 0);
	override_state("a", CONFIG_UP);
	rows = look(4 * MINUTE);
	assert_int_equal(rows[0].state, BACKEND_UP);
	assert_int_equal(rows[0].drain_since_ms, 0);
	assert_int_equal(rows[0].up_since_ms, world.now_ms);
	override_state("a", CONFIG_DRAIN);
	look_and_find_draining(4 * MINUTE, 0);
	look_and_find_draining(4 * MINUTE, 4 * MINUTE);
}

static void drain_takes_a_new_deadline_from_a_reload(void **state)
{
	uint64_t begin;

	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	begin = world.now_ms;
	look(0);
	world_config(&world, PAIR("state = \"drain\"; drain = \"10m\";"));
	look_and_find_draining(6 * MINUTE, 6 * MINUTE);
	assert_int_equal(actual->next_ms, begin + 10 * MINUTE);
	world_config(&world, PAIR("state = \"drain\"; drain = \"1m\";"));
	assert_true(look(0)[0].gone);
}

static void drain_is_the_identitys_not_the_names(void **state)
{
	(void)state;
	world_make(&world, PAIR("state = \"drain\";"));
	look(0);
	world_config(&world, WEB("", BACKEND("renamed", "10.1.0.2", "state = \"drain\";")));
	look_and_find_draining(MINUTE, MINUTE);
	world_config(&world, WEB("", BACKEND("renamed", "10.1.0.9", "state = \"drain\";")));
	look_and_find_draining(MINUTE, 0);
}

/* ---- slow start ------------------------------------------------------------------------------ */

static void slow_start_grows_in_ten_steps(void **state)
{
	uint32_t weight = 0;
	uint64_t begin;

	(void)state;
	world_make(&world, PAIR("slow_start = \"10s\";"));
	begin = world.now_ms;
	look(0);
	while (actual->next_ms) {
		uint64_t next_ms = actual->next_ms;

		weight += 10;
		assert_int_equal(actual->services[0].backends[0].state, BACKEND_UP);
		assert_int_equal(actual->services[0].backends[0].effective_weight, weight);
		assert_int_equal(actual->services[0].backends[1].effective_weight, 100);
		/* Until then nothing changes, so nobody need look. */
		assert_int_equal(look(next_ms - world.now_ms - 1)[0].effective_weight, weight);
		look(1);
	}
	assert_int_equal(weight, 100);
	assert_int_equal(actual->services[0].backends[0].effective_weight, 100);
	assert_in_range(world.now_ms - begin, 10000, 10010);
}

static const struct slow_row {
	const char *sentence, *config;
	uint64_t after_ms;
	uint32_t weight;
} slow_rows[] = {
	{ "none by default", PAIR(""), 0, 100 },
	{ "a tenth at first", PAIR("slow_start = \"100s\";"), 0, 10 },
	{ "a small weight is never nothing", PAIR("slow_start = \"100s\"; weight = 1;"), 0, 1 },
	{ "weight 0 stays 0", PAIR("slow_start = \"100s\"; weight = 0;"), 0, 0 },
	{ "half of it in the fifth step", PAIR("slow_start = \"100s\";"), 45000, 50 },
	{ "all of it at the end", PAIR("slow_start = \"100s\";"), 100000, 100 },
	{ "the largest weight", PAIR("slow_start = \"24h\"; weight = 65535;"),
	  23 * 60 * MINUTE + 30 * MINUTE, 65535 },
	{ "the largest weight at first", PAIR("slow_start = \"24h\"; weight = 65535;"), 0, 6553 },
	{ "shorter than its steps", PAIR("slow_start = \"5ms\";"), 2, 30 },
	{ "and its end", PAIR("slow_start = \"5ms\";"), 5, 100 },
};

static void slow_start_has_the_rows_weight(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(slow_rows); i++) {
		uint32_t weight;

		world_make(&world, slow_rows[i].config);
		look(0);
		weight = look(slow_rows[i].after_ms)[0].effective_weight;
		if (weight != slow_rows[i].weight)
			fail_msg("%s: %u, expected %u", slow_rows[i].sentence, weight,
				 slow_rows[i].weight);
		state_free(actual);
		actual = NULL;
		world_clear(&world);
	}
	world_begin(NULL);
}

static void slow_start_goes_on_over_a_restart_and_begins_with_a_return(void **state)
{
	(void)state;
	world_make(&world, PAIR("slow_start = \"100s\";"));
	look(0);
	restart();
	assert_int_equal(look(45000)[0].effective_weight, 50);
	row_fall_ill(0);
	assert_int_equal(look(0)[0].effective_weight, 0);
	assert_int_equal(actual->services[0].backends[0].up_since_ms, 0);
	assert_int_equal(actual->next_ms, 0);
	row_recover(0);
	assert_int_equal(look(0)[0].effective_weight, 10);
	assert_int_equal(actual->services[0].backends[0].up_since_ms, world.now_ms);
	assert_int_equal(look(100000)[0].effective_weight, 100);
}

static void earliest_of_all_times_is_the_next(void **state)
{
	(void)state;
	world_make(&world, WEB("", BACKEND("a", "10.1.0.2", "state = \"drain\"; drain = \"9m\";")
			       "," BACKEND("b", "10.1.0.3", "slow_start = \"30m\";") ","
			       BACKEND("c", "10.1.0.4", "state = \"drain\"; drain = \"4m\";")));
	look(0);
	assert_int_equal(actual->next_ms, world.now_ms + 3 * MINUTE + 1);
	look(3 * MINUTE + 1);
	assert_int_equal(actual->next_ms, world.now_ms + MINUTE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(verdict_is_the_rows),
		TEST(overrides_stand_over_the_config),
		TEST(drain_ends_at_its_deadline),
		TEST(drain_goes_on_over_a_restart),
		TEST(drain_that_ended_early_stays_ended_over_a_restart),
		TEST(drain_goes_on_while_the_next_hop_is_lost),
		TEST(drain_that_was_cut_is_over),
		TEST(who_was_never_checked_is_not_cut),
		TEST(drain_begins_anew_after_it_was_enabled),
		TEST(drain_takes_a_new_deadline_from_a_reload),
		TEST(drain_is_the_identitys_not_the_names),
		TEST(slow_start_grows_in_ten_steps),
		TEST(slow_start_has_the_rows_weight),
		TEST(slow_start_goes_on_over_a_restart_and_begins_with_a_return),
		TEST(earliest_of_all_times_is_the_next),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
