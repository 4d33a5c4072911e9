/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service as a whole: who takes new flows of its backends and backups, and when it is down. */
#include "tests/unit/judge_ground.h"

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

	{ "an idle backup does not hold up who are too few",
	  WEB("min_up = 2;", A("") "," B("") "," C("backup = true;")), "", "a", false,
	  { 0, 0, 0 } },
	{ "as many as min_up, beside an idle backup",
	  WEB("min_up = 2;", A("") "," B("") "," C("backup = true;")), "", "c", true,
	  { 100, 100, 0 } },
	{ "a backup that serves counts", WEB("", A("") "," B("") "," C("backup = true;")), "a",
	  "b", true, { 0, 0, 100 } },
	{ "backups that serve can be too few",
	  WEB("min_up = 2;", A("") "," B("") "," C("backup = true;")), "", "ab", false,
	  { 0, 0, 0 } },
	{ "or enough", WEB("min_up = 2;", A("") "," B("backup = true;") "," C("backup = true;")),
	  "a", "", true, { 0, 100, 100 } },
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
	assert_true(actual->services[0].up);
	assert_string_equal(actual->services[0].reason, "");
	hop_lose(&world.hops[3], LOST);
	rows = look(0);
	assert_int_equal(rows[0].effective_weight, 100);
	assert_int_equal(rows[3].effective_weight, 0);
}

/* A client may come by either family: up is only who takes new flows in all. */
static void service_is_down_with_any_of_its_families(void **state)
{
	static const char *const reasons[] = {
		"", "IPv4: 1 backend can take new flows, min_up is 2",
		"IPv6: 1 backend can take new flows, min_up is 2",
		"IPv4: 1 backend can take new flows, min_up is 2",
	};

	(void)state;
	world_make(&world,
		   "services = ( { name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"
		   " protocol = \"tcp\"; ports = [ 80 ]; min_up = 2; backends = ("
		   " { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; },"
		   " { name = \"b\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; } ); } );");
	world.checked = true;
	for (unsigned int ill = 0; ill < ROWS(reasons); ill++) {
		world.health[0].up = !(ill & 1);
		world.health[1].up = !(ill & 2);
		look(0);
		assert_int_equal(actual->services[0].up, !ill);
		assert_string_equal(actual->services[0].reason, reasons[ill]);
		assert_int_equal(actual->services[0].backends[2].effective_weight,
				 ill & 1 ? 0 : 100);
		assert_int_equal(actual->services[0].backends[3].effective_weight,
				 ill & 2 ? 0 : 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backups_and_min_up_give_the_rows_weights),
		TEST(service_below_min_up_keeps_its_flows),
		TEST(families_are_judged_apart),
		TEST(service_is_down_with_any_of_its_families),
	};

	return cmocka_run_group_tests_name("min_up", tests, NULL, NULL);
}
