/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What diff() gives the wanted state: ids and runs of slots, kept where they can be, given where
 * nobody uses them or could still be meant by them, refused with a sentence where none are left. */
#include "tests/unit/kernel_ground.h"

#include <errno.h>

/* ---- ids ------------------------------------------------------------------------------------ */

static uint32_t id_of(const char *service, const char *backend)
{
	struct service *found = state_service(actual, service);

	assert_non_null(found);
	assert_non_null(service_backend(found, backend, IPV4));
	return service_backend(found, backend, IPV4)->id;
}

static void ids_are_kept_by_service_and_identity(void **state)
{
	uint32_t a, b, web;

	(void)state;
	world_make(&world, TWO);
	step_over(step());
	a = id_of("web", "a");
	b = id_of("web", "b");
	web = actual->services[0].id;
	assert_true(a && b && a != b);
	/* Names change hands; identities do not. */
	world_config(&world, WEB("", BACKEND("b", "10.1.0.2", "") "," BACKEND("z", "10.1.0.3", "")
				     "," BACKEND("a", "10.1.0.4", "")));
	step_over(step());
	assert_int_equal(id_of("web", "b"), a);
	assert_int_equal(id_of("web", "z"), b);
	assert_true(id_of("web", "a") > b);
	assert_int_equal(actual->services[0].id, web);
	/* In another service it is another backend. */
	world_config(&world, SERVICES(SERVICE("web", "tcp", "80", "", A("")) ","
				      SERVICE("new", "tcp", "81", "", B(""))));
	step_over(step());
	assert_int_equal(id_of("web", "a"), a);
	assert_true(id_of("new", "b") != b);
	assert_true(state_service(actual, "new")->id != web);
}

static void addresses_of_one_backend_have_two_ids(void **state)
{
	const struct backend *rows;

	(void)state;
	world_make(&world, DUAL);
	step_over(step());
	rows = actual->services[0].backends;
	assert_true(rows[0].id && rows[1].id && rows[0].id != rows[1].id);
}

#define LONGEST_TIMEOUT_MS (8 * 60 * MINUTE) /* that lb.conf takes */

/* Ids go round: the next one after the last is the first that does not rest. */
static uint32_t id_given_after(uint64_t freed_ago_ms)
{
	uint32_t id;

	diff_begin(NULL);
	kernel.now_ms = 100 * 60 * MINUTE;
	world_make(&world, ONE);
	step_over(step());
	actual->services[0].backends[0].id = LB_MAX_BACKENDS - 1;
	kernel.backend_info[1].freed_ms = kernel.now_ms - freed_ago_ms;
	world_config(&world, TWO);
	step_over(step());
	assert_int_equal(id_of("web", "a"), LB_MAX_BACKENDS - 1);
	id = id_of("web", "b");
	diff_end(NULL);
	return id;
}

static void freed_id_rests_until_no_record_can_name_it(void **state)
{
	uint64_t ticks = record_life(LONGEST_TIMEOUT_MS) + 2 * LB_MARGIN_TICKS;

	(void)state;
	assert_int_equal(id_given_after(0), 2);
	assert_int_equal(id_given_after(1), 2);
	assert_int_equal(id_given_after((ticks << LB_TICK_SHIFT) / 1000000), 2);
	assert_int_equal(id_given_after(24 * 60 * MINUTE), 1);
	diff_begin(NULL);
}

static void removed_ids_rest_from_their_removal(void **state)
{
	uint32_t b;

	(void)state;
	world_make(&world, TWO);
	step_over(step());
	b = id_of("web", "b");
	world_config(&world, ONE);
	step_over(step());
	assert_int_equal(kernel.backend_info[b].freed_ms, kernel.now_ms);
	kernel.now_ms += MINUTE;
	world_config(&world, TWO);
	step_over(step());
	assert_true(id_of("web", "b") != b);
}

/* ---- runs of slots -------------------------------------------------------------------------- */

static uint32_t base_of(const char *service)
{
	return state_service(actual, service)->ring[IPV4].base;
}

#define X(name, port, address) SERVICE(name, "tcp", port, "", BACKEND("x", address, ""))

static void run_is_the_first_gap_that_fits(void **state)
{
	(void)state;
	world_make(&world, SERVICES(X("one", "1", "10.1.0.2") "," X("two", "2", "10.1.0.3") ","
				    X("three", "3", "10.1.0.4")));
	step_over(step());
	assert_int_equal(base_of("one"), 0);
	assert_int_equal(base_of("two"), 1021);
	assert_int_equal(base_of("three"), 2042);
	/* A run that goes is not given in the same plan: packets may still be on it. */
	world_config(&world, SERVICES(X("one", "1", "10.1.0.2") "," X("four", "4", "10.1.0.5") ","
				      X("three", "3", "10.1.0.4")));
	step_over(step());
	assert_int_equal(base_of("one"), 0);
	assert_int_equal(base_of("three"), 2042);
	assert_int_equal(base_of("four"), 3063);
	/* The next plan gives it to whom it fits. */
	world_config(&world, SERVICES(X("one", "1", "10.1.0.2") "," X("four", "4", "10.1.0.5") ","
				      X("three", "3", "10.1.0.4") ","
				      SERVICE("big", "tcp", "5", "ring_size = 2003;",
					      BACKEND("x", "10.1.0.6", "")) ","
				      X("five", "6", "10.1.0.7")));
	step_over(step());
	assert_int_equal(base_of("big"), 4084);
	assert_int_equal(base_of("five"), 1021);
}

/* ---- no room -------------------------------------------------------------------------------- */

static void assert_refused(const char *sentence)
{
	struct state *wanted = world_state(&world, actual);
	_cleanup_diag_ struct diag diag = { 0 };
	struct kernel_view view = kernel_view();
	struct plan *plan = NULL;

	assert_int_equal(diff(actual, wanted, &view, &plan, &diag), -ENOSPC);
	assert_null(plan);
	assert_int_equal(diag.count, 1);
	assert_string_equal(diag.entries[0].text, sentence);
	state_free(wanted);
}

static void ring_without_room_is_refused_with_a_sentence(void **state)
{
	(void)state;
	kernel.max_slots = 2100;
	world_make(&world, ONE);
	step_over(step());
	world_config(&world, SERVICES(SERVICE("web", "tcp", "80", "", A("")) ","
				      SERVICE("dns", "udp", "53", "ring_size = 1087;", B(""))));
	assert_refused("service \"dns\": no room for its 1087 slots beside the rings in use; "
		       "raise tuning.max_slots (now 2100)");
	/* One that fits to the slot is taken. */
	kernel.max_slots = 1021 + 1087;
	step_over(step());
	assert_int_equal(base_of("dns"), 1021);
}

static void backends_without_ids_are_refused_with_a_sentence(void **state)
{
	(void)state;
	world_make(&world, ONE);
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		kernel.backend_info[id].freed_ms = kernel.now_ms;
	assert_refused("no ids are left: at most 4095 services and 32767 backends");
	kernel.backend_info[LB_MAX_BACKENDS - 1].freed_ms = 0;
	step_over(step());
	assert_int_equal(id_of("web", "a"), LB_MAX_BACKENDS - 1);
}

static void services_without_ids_are_refused_with_a_sentence(void **state)
{
	(void)state;
	world_make(&world, ONE);
	actual->services = calloc(LB_MAX_SERVICES, sizeof(*actual->services));
	assert_non_null(actual->services);
	for (uint32_t id = 1; id < LB_MAX_SERVICES; id++)
		actual->services[actual->service_count++].id = id;
	assert_refused("no ids are left: at most 4095 services and 32767 backends");
	actual->service_count--;
	step_over(step());
	assert_int_equal(actual->services[0].id, LB_MAX_SERVICES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIFF_TEST(ids_are_kept_by_service_and_identity),
		DIFF_TEST(addresses_of_one_backend_have_two_ids),
		DIFF_TEST(freed_id_rests_until_no_record_can_name_it),
		DIFF_TEST(removed_ids_rest_from_their_removal),
		DIFF_TEST(run_is_the_first_gap_that_fits),
		DIFF_TEST(ring_without_room_is_refused_with_a_sentence),
		DIFF_TEST(backends_without_ids_are_refused_with_a_sentence),
		DIFF_TEST(services_without_ids_are_refused_with_a_sentence),
	};

	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
