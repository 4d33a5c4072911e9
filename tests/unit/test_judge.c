/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdicts on backends: state, reason, whether their flows are lost, and their share of new
 * flows, by what the sources say and by the clock, over restarts too. */
#include "tests/unit/model_ground.h"

static struct world world;
static struct state *actual;

static int world_begin(void **state)
{
	(void)state;
	actual = NULL;
	memset(&world, 0, sizeof(world));
	return 0;
}

static int world_end(void **state)
{
	(void)state;
	state_free(actual);
	world_clear(&world);
	return 0;
}

/* Time goes on, and the daemon looks again. */
static struct backend *look(uint64_t after_ms)
{
	struct state *now;

	world.now_ms += after_ms;
	now = world_state(&world, actual);
	state_free(actual);
	actual = now;
	return actual->services[0].backends;
}

/* What lb/kernel/recover.c finds is less than what was there. */
static void restart(void)
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

static void override_state(const char *backend, enum config_state admin)
{
	struct override *entry = override_make(&world.overrides, "web", backend);

	entry->has_state = true;
	entry->state = admin;
}

static void override_weight(const char *backend, uint32_t weight)
{
	struct override *entry = override_make(&world.overrides, "web", backend);

	entry->has_weight = true;
	entry->weight = weight;
}

static void row_fall_ill(unsigned int row)
{
	world.checked = true;
	world.health[row].up = false;
	strcpy(world.health[row].reason, "check failed: connection refused");
}

static void row_recover(unsigned int row)
{
	world.health[row].up = true;
}

/* ---- one backend ----------------------------------------------------------------------------- */

#define LOST "no neighbour for 10.1.0.2 on br0"
#define ILL  "check failed: connection refused"
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

/* ---- a service as a whole -------------------------------------------------------------------- */

#define A(keys) BACKEND("a", "10.1.0.2", keys)
#define B(keys) BACKEND("b", "10.1.0.3", keys)
#define C(keys) BACKEND("c", "10.1.0.4", keys)
#define ALL "when_down = \"all\"; "

static const struct whole_row {
	const char *sentence, *config;
	const char *lost, *ill; /* names of backends */
	bool up;
	uint32_t weights[3];
} whole_rows[] = {
	{ "a backup idles while another serves",
	  WEB("", A("") "," B("") "," C("backup = true;")), "", "", true, { 100, 100, 0 } },
	{ "a backup idles while a single other serves",
	  WEB("", A("") "," B("") "," C("backup = true;")), "a", "", true, { 0, 100, 0 } },
	{ "a backup serves when no other can",
	  WEB("", A("") "," B("") "," C("backup = true;")), "a", "b", true, { 0, 0, 100 } },
	{ "all backups serve then, by their weights",
	  WEB("", A("") "," B("backup = true; weight = 5;") "," C("backup = true; weight = 7;")),
	  "a", "", true, { 0, 5, 7 } },
	{ "a backup serves where the others are drained, or weigh nothing",
	  WEB("", A("state = \"drain\";") "," B("weight = 0;") "," C("backup = true;")), "", "",
	  true, { 0, 0, 100 } },
	{ "a backup that is ill does not serve",
	  WEB("", A("") "," B("") "," C("backup = true;")), "ab", "c", false, { 0, 0, 0 } },

	{ "one is enough by default", WEB("", A("") "," B("") "," C("")), "a", "b", true,
	  { 0, 0, 100 } },
	{ "none is not", WEB("", A("") "," B("") "," C("")), "a", "bc", false, { 0, 0, 0 } },
	{ "as many as min_up", WEB("min_up = 2;", A("") "," B("") "," C("")), "", "a", true,
	  { 0, 100, 100 } },
	{ "fewer than min_up: new flows are dropped",
	  WEB("min_up = 2;", A("") "," B("") "," C("")), "", "ab", false, { 0, 0, 0 } },
	{ "weight 0 does not count", WEB("min_up = 3;", A("weight = 0;") "," B("") "," C("")), "",
	  "", false, { 0, 0, 0 } },
	{ "drain does not count", WEB("min_up = 3;", A("state = \"drain\";") "," B("") "," C("")),
	  "", "", false, { 0, 0, 0 } },
	{ "off does not count", WEB("min_up = 3;", A("state = \"off\";") "," B("") "," C("")), "",
	  "", false, { 0, 0, 0 } },

	{ "all: the ill serve too", WEB(ALL, A("weight = 3;") "," B("") "," C("")), "", "abc",
	  false, { 3, 100, 100 } },
	{ "all: but only below min_up", WEB(ALL, A("") "," B("") "," C("")), "", "ab", true,
	  { 0, 0, 100 } },
	{ "all: the off and the lost do not", WEB(ALL, A("state = \"off\";") "," B("") "," C("")),
	  "b", "c", false, { 0, 0, 100 } },
	{ "all: who drains serves again", WEB(ALL, A("state = \"drain\";") "," B("") "," C("")),
	  "b", "c", false, { 100, 0, 100 } },
	{ "all: who is drained does not",
	  WEB(ALL, A("state = \"drain\"; drain = \"0s\";") "," B("") "," C("")), "", "bc", false,
	  { 0, 100, 100 } },
	{ "all: weight 0 stays 0", WEB(ALL, A("weight = 0;") "," B("") "," C("")), "", "bc", false,
	  { 0, 100, 100 } },
	{ "all: backups serve too", WEB(ALL, A("") "," B("") "," C("backup = true;")), "", "abc",
	  false, { 100, 100, 100 } },
	{ "all: who was cut serves", WEB(ALL "on_down = \"cut\";", A("") "," B("") "," C("")),
	  "a", "bc", false, { 0, 100, 100 } },
};

static void whole_world(const struct whole_row *row)
{
	world_make(&world, row->config);
	for (const char *name = row->lost; *name; name++)
		hop_lose(&world.hops[*name - 'a'], LOST);
	for (const char *name = row->ill; *name; name++)
		row_fall_ill(*name - 'a');
}

static void backups_and_min_up_give_the_rows_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(whole_rows); i++) {
		const struct whole_row *row = &whole_rows[i];
		struct backend *rows;

		whole_world(row);
		rows = look(0);
		for (int b = 0; b < 3; b++) {
			if (rows[b].effective_weight != row->weights[b])
				fail_msg("%s: %s has %u, expected %u", row->sentence, rows[b].name,
					 rows[b].effective_weight, row->weights[b]);
			/* The data plane sends nothing to who is gone. */
			if (rows[b].effective_weight && rows[b].gone)
				fail_msg("%s: %s serves and is gone", row->sentence, rows[b].name);
		}
		if (actual->services[0].up != row->up)
			fail_msg("%s: service is %s", row->sentence, row->up ? "down" : "up");
		state_free(actual);
		actual = NULL;
		world_clear(&world);
	}
	world_begin(NULL);
}

/* Live flows go on below min_up: nobody is lost for it. */
static void service_below_min_up_keeps_its_flows(void **state)
{
	struct backend *rows;

	(void)state;
	world_make(&world, WEB("min_up = 3;", A("") "," B("") "," C("")));
	row_fall_ill(1);
	rows = look(0);
	for (int b = 0; b < 3; b++)
		assert_false(rows[b].gone);
	assert_int_equal(rows[0].state, BACKEND_UP);
	row_recover(1);
	look(0);
	assert_true(actual->services[0].up);
	assert_int_equal(actual->services[0].backends[1].effective_weight, 100);
}

static void families_are_judged_apart(void **state)
{
	struct backend *rows;

	(void)state;
	world_make(&world,
		   "services = ( { name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"
		   " protocol = \"tcp\"; ports = [ 80 ]; backends = ("
		   " { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; },"
		   " { name = \"b\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; backup = true; } );"
		   " } );");
	hop_lose(&world.hops[1], LOST);
	rows = look(0);
	assert_int_equal(rows[0].effective_weight, 100);
	assert_int_equal(rows[1].effective_weight, 0);
	assert_int_equal(rows[2].effective_weight, 0);
	assert_int_equal(rows[3].effective_weight, 100);
	hop_lose(&world.hops[3], LOST);
	rows = look(0);
	assert_int_equal(rows[0].effective_weight, 100);
	assert_int_equal(rows[3].effective_weight, 0);
	assert_true(actual->services[0].up);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(verdict_is_the_rows),
		TEST(overrides_stand_over_the_config),
		TEST(drain_ends_at_its_deadline),
		TEST(drain_goes_on_over_a_restart),
		TEST(drain_that_ended_early_stays_ended_over_a_restart),
		TEST(drain_begins_anew_after_it_was_enabled),
		TEST(drain_takes_a_new_deadline_from_a_reload),
		TEST(drain_is_the_identitys_not_the_names),
		TEST(slow_start_grows_in_ten_steps),
		TEST(slow_start_has_the_rows_weight),
		TEST(slow_start_goes_on_over_a_restart_and_begins_with_a_return),
		TEST(earliest_of_all_times_is_the_next),
		TEST(backups_and_min_up_give_the_rows_weights),
		TEST(service_below_min_up_keeps_its_flows),
		TEST(families_are_judged_apart),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
