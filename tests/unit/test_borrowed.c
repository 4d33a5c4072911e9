/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A state that borrows the services of which no source says anything new: its plan is that of a
 * state which was made of everything, and what it borrowed outlives whom it borrowed from. */
#include "tests/unit/kernel_ground.h"

#define THREE SERVICES(SERVICE("web", "tcp", "80", "", A("port = 80;") "," B("port = 80;"))       \
		       "," SERVICE("dns", "udp", "53", "forward = \"dsr\";", A("") "," C(""))      \
		       "," SERVICE("api", "tcp", "8080", "", C("port = 81;")))

static void weigh(void)
{
	struct override *override = override_make(&world.overrides, "dns", "c");

	override->has_weight = true;
	override->weight = 700;
}

static void state_set(enum config_state state)
{
	struct override *override = override_make(&world.overrides, "dns", "a");

	override->has_state = true;
	override->state = state;
}

static void drain(void)
{
	state_set(CONFIG_DRAIN);
}

static void switch_off(void)
{
	state_set(CONFIG_OFF);
}

static void nothing(void)
{
}

static const struct row {
	const char *sentence;
	void (*change)(void);
	size_t ops;
} rows[] = {
	{ "nothing has changed", nothing, 0 },
	{ "another weight", weigh, 1 },
	{ "a drain", drain, 1 },
	{ "switched off: its flows are lost too", switch_off, 2 },
};

static void assert_plans_equal(const char *sentence, const struct plan *a, const struct plan *b)
{
	assert_int_equal(a->op_count, b->op_count);
	assert_int_equal(a->service_count, b->service_count);
	for (size_t i = 0; i < a->op_count; i++) {
		char *left = op_text(&a->ops[i]), *right = op_text(&b->ops[i]);

		if (a->ops[i].kind != b->ops[i].kind || strcmp(left, right) ||
		    a->ops[i].count != b->ops[i].count)
			fail_msg("%s: \"%s\", expected \"%s\"", sentence, right, left);
		free(left);
		free(right);
	}
}

static void plan_of_one_service_is_that_of_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct plan *plan_of_all, *plan;
		struct state *all;

		diff_begin(NULL);
		world_make(&world, THREE);
		step_over(step());
		rows[i].change();
		all = world_state(&world, actual);
		plan_of_all = diff_made(actual, all);
		assert_int_equal(plan_of_all->op_count, rows[i].ops);

		world.only = &world.config->services[1];
		plan = step();
		assert_plans_equal(rows[i].sentence, plan_of_all, plan);
		assert_true(actual->services[0].borrowed && actual->services[2].borrowed);
		assert_false(actual->services[1].borrowed);
		state_adopt(actual, stale);
		step_over(plan);
		plan_free(plan_of_all);
		state_free(all);

		/* Nobody is left to whom anything belongs but itself, and nothing is missing. */
		world.only = NULL;
		plan = step();
		assert_int_equal(plan->op_count, 0);
		step_over(plan);
		diff_end(NULL);
	}
	diff_begin(NULL);
}

/* What fails before it is applied leaves the actual state whole. */
static void state_that_is_given_up_takes_nothing_with_it(void **state)
{
	struct state *wanted;
	struct plan *plan;

	(void)state;
	world_make(&world, THREE);
	step_over(step());
	world.only = &world.config->services[0];
	wanted = world_state(&world, actual);
	plan_free(diff_made(actual, wanted));
	state_free(wanted);
	world.only = NULL;
	plan = step();
	assert_int_equal(plan->op_count, 0);
	step_over(plan);
}

/* When a drain of another service ends is not forgotten. */
static void deadline_of_a_borrowed_service_stands(void **state)
{
	struct plan *plan;
	uint64_t deadline;

	(void)state;
	world_make(&world, THREE);
	step_over(step());
	drain();
	step_over(step());
	deadline = actual->next_ms;
	assert_true(deadline > world.now_ms);
	world.only = &world.config->services[0];
	plan = step();
	assert_true(actual->next_ms == deadline);
	state_adopt(actual, stale);
	step_over(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIFF_TEST(plan_of_one_service_is_that_of_all),
		DIFF_TEST(state_that_is_given_up_takes_nothing_with_it),
		DIFF_TEST(deadline_of_a_borrowed_service_stands),
	};

	return cmocka_run_group_tests_name("borrowed", tests, NULL, NULL);
}
