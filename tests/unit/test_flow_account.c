/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flows add up to: rows of containers and edges, told of one flow after the other. Random
 * schedules of them are tests/model/test_flows_model.c. */
#include "tests/unit/account_ground.h"

/* ---- one flow -------------------------------------------------------------------------------- */

static void a_flow_is_counted_once_however_often_it_is_told_of(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);
	const struct account_container *shop;

	(void)state;
	record.flow.bytes_in = 100;
	record.flow.bytes_out = 10;
	record.flow.packets_in = 4;
	record.flow.packets_out = 3;
	record.flow.retransmits = 1;
	record.flow.rtt_us = 500;
	record.size_in[6] = 1;
	assert_false(account_knows(accounts, 0, &record.flow));
	tell(0, &record, &ends, 1000);
	assert_true(account_knows(accounts, 0, &record.flow));
	assert_false(account_knows(accounts, 1, &record.flow));
	tell(0, &record, &ends, 2000);
	record.flow.bytes_in = 150;
	record.flow.packets_in = 5;
	record.flow.rtt_us = 700;
	record.size_in[5] = 1;
	tell(0, &record, NULL, 3000);
	shop = container("shop");
	assert_int_equal(shop->bytes_in, 150);
	assert_int_equal(shop->bytes_out, 10);
	assert_int_equal(shop->packets_in, 5);
	assert_int_equal(shop->packets_out, 3);
	assert_int_equal(shop->retransmits, 1);
	assert_int_equal(shop->size_in[6], 1);
	assert_int_equal(shop->size_in[5], 1);
	assert_int_equal(shop->flows_out[0], 1);
	assert_int_equal(shop->live, 1);
	assert_int_equal(shop->rtt_sum_us, 700);
	assert_int_equal(shop->rtt_count, 1);
	assert_int_equal(shop->seen_ns, 3000);
	flow_end(0, &record, FLOW_CLOSED, 4000);
	assert_int_equal(shop->live, 0);
	assert_int_equal(shop->rtt_sum_us, 0);
	assert_int_equal(shop->rtt_count, 0);
	assert_int_equal(shop->ended[FLOW_CLOSED], 1);
	assert_int_equal(shop->bytes_in, 150);
	assert_string_equal(edges_text(), "container shop → container db 6 80: 1 0 160\n");
}

static void a_flow_that_is_only_told_of_when_it_ended_is_whole(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.bytes_out = 7;
	record.flow.rtt_us = 500;
	record.flow.life = FLOW_ENDED;
	record.flow.outcome = FLOW_CLOSED;
	tell(0, &record, &ends, 1000);
	assert_int_equal(container("shop")->bytes_out, 7);
	assert_int_equal(container("shop")->flows_out[0], 1);
	assert_int_equal(container("shop")->live, 0);
	assert_int_equal(container("shop")->rtt_count, 0);
	assert_false(account_knows(accounts, 0, &record.flow));
}

static void a_slot_is_another_flows_afterwards(void **state)
{
	const struct flow_ends one = ends_of("shop", "db", NULL);
	const struct flow_ends two = ends_of("cache", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.bytes_out = 1000;
	tell(0, &record, &one, 1);
	flow_end(0, &record, FLOW_CLOSED, 2);
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 10;
	tell(0, &record, &two, 3);
	assert_string_equal(containers_text(), "cache 10\nshop 1000\n");
	/* and where the end of one was never told, it is gone */
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 5;
	tell(0, &record, &one, 4);
	assert_string_equal(containers_text(), "cache 10\nshop 1005\n");
	assert_int_equal(container("cache")->ended[FLOW_GONE], 1);
	assert_int_equal(container("cache")->live, 0);
	assert_int_equal(container("shop")->live, 1);
}

static void a_free_record_is_no_flow(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.life = FLOW_FREE;
	tell(0, &record, &ends, 1);
	record.flow.life = FLOW_TAKEN;
	tell(0, &record, &ends, 1);
	assert_string_equal(containers_text(), "");
}

/* A retransmission between two figures that are read one after the other. */
static void what_is_less_for_a_moment_is_no_step_back(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.bytes_out = 3000;
	tell(0, &record, &ends, 1);
	record.flow.bytes_out = 1500;
	tell(0, &record, &ends, 2);
	assert_int_equal(container("shop")->bytes_out, 3000);
	record.flow.bytes_out = 4500;
	tell(0, &record, &ends, 3);
	assert_int_equal(container("shop")->bytes_out, 4500);
}

static void counts_of_messages_wrap(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_UDP);

	(void)state;
	record.size_out[3] = 0xfffffff0;
	tell(0, &record, &ends, 1);
	record.size_out[3] = 0x10;
	tell(0, &record, &ends, 2);
	assert_true(container("shop")->size_out[3] == 0x100000010);
}

static void flows_are_told_apart_by_protocol_and_direction(void **state)
{
	static const struct {
		uint8_t protocol, direction;
		unsigned int row;
		const char *name;
	} rows[] = {
		{ IPPROTO_TCP, FLOW_OUT, 0, "tcp" },	{ IPPROTO_TCP, FLOW_IN, 0, "tcp" },
		{ IPPROTO_UDP, FLOW_OUT, 1, "udp" },	{ IPPROTO_UDP, FLOW_IN, 1, "udp" },
		{ IPPROTO_ICMP, FLOW_OUT, 2, "other" }, { IPPROTO_SCTP, FLOW_IN, 2, "other" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flow_ends ends = ends_of("shop", "db", NULL);
		struct flow_record record = record_of(rows[i].protocol);
		const struct account_container *shop;

		record.flow.direction = rows[i].direction;
		tell(i, &record, &ends, 1);
		shop = container("shop");
		assert_int_equal(rows[i].direction == FLOW_OUT ? shop->flows_out[rows[i].row]
							       : shop->flows_in[rows[i].row], 1);
		assert_string_equal(account_protocol_name(account_protocol(rows[i].protocol)),
				    rows[i].name);
	}
	assert_int_equal(container("shop")->live, ROWS(rows));
}

static void some_ends_are_failures(void **state)
{
	static const struct {
		enum flow_outcome outcome;
		bool failure;
	} rows[] = {
		{ FLOW_CLOSED, false },	 { FLOW_RESET, true },	     { FLOW_ABORTED, false },
		{ FLOW_REFUSED, true },	 { FLOW_TIMED_OUT, true },   { FLOW_UNREACHABLE, true },
		{ FLOW_IDLE, false },	 { FLOW_GONE, false },
	};
	size_t failures = 0, count;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flow_ends ends = ends_of("shop", "db", "web");
		struct flow_record record = record_of(IPPROTO_TCP);
		const struct account_edge *const *edges;

		tell(0, &record, &ends, 1);
		flow_end(0, &record, rows[i].outcome, 2);
		failures += rows[i].failure;
		edges = accounts_edges(accounts, &count);
		assert_int_equal(count, 2);
		assert_int_equal(edges[0]->failures, failures);
		assert_int_equal(edges[1]->failures, failures);
		assert_int_equal(container("shop")->ended[rows[i].outcome], 1);
	}
	assert_int_equal(failures, 4);
}

/* ---- edges ----------------------------------------------------------------------------------- */

static void edges_lead_through_services_and_are_counted_at_one_end(void **state)
{
	static const struct {
		const char *sentence, *service;
		bool to_service, elsewhere;
		const char *edges;
	} rows[] = {
		{ "directly", NULL, false, false, "container shop → container db 6 80: 1 0 30\n" },
		{ "directly, told by the other end", NULL, false, true, "" },
		{ "through a service", "web", false, false,
		  "container shop → service web 6 80: 1 0 30\n"
		  "service web → container db 6 80: 1 0 30\n" },
		{ "through one, of which the other end tells too", "web", false, true,
		  "service web → container db 6 80: 1 0 30\n" },
		{ "to a service whose backend is not known", "web", true, false,
		  "container shop → service web 6 80: 1 0 30\n" },
	};
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flow_ends ends = ends_of("shop", "db", rows[i].service);
		struct flow_record record = record_of(IPPROTO_TCP);

		accounts_free(accounts);
		accounts = accounts_new_bounded(SLOTS, 3, 4);
		if (rows[i].to_service)
			ends.to = node_of(FLOW_SERVICE, rows[i].service);
		ends.elsewhere = rows[i].elsewhere;
		record.flow.bytes_in = 10;
		record.flow.bytes_out = 20;
		tell(0, &record, &ends, 1);
		flow_end(0, &record, FLOW_CLOSED, 2);
		assert_int_equal(container("shop")->bytes_out, 20);
		if (!strcmp(edges_text(), rows[i].edges))
			continue;
		printf("# %s:\n%sinstead of\n%s", rows[i].sentence, edges_text(), rows[i].edges);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void a_flow_keeps_its_edges_and_its_container_when_names_change(void **state)
{
	struct flow_ends ends = ends_of("docker/abc", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	tell(0, &record, &ends, 1);
	strcpy(ends.owner.name, "shop");
	ends.from = node_of(FLOW_CONTAINER, "shop");
	record.flow.bytes_out = 9;
	tell(0, &record, &ends, 2);
	assert_string_equal(edges_text(), "container docker/abc → container db 6 80: 1 0 9\n");
	assert_string_equal(containers_text(), "shop 9\n");
	strcpy(ends.owner.name, "shop-1");
	/* A new flow of it goes by its new name, and is the same container's. */
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 1;
	tell(1, &record, &ends, 3);
	assert_string_equal(edges_text(), "container docker/abc → container db 6 80: 1 0 9\n"
					  "container shop → container db 6 80: 1 0 1\n");
	assert_string_equal(containers_text(), "shop-1 10\n");
}

static void equal_names_are_not_one_container(void **state)
{
	struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.bytes_out = 1;
	tell(0, &record, &ends, 1);
	strcpy(ends.owner.id, "id-another");
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 2;
	tell(1, &record, &ends, 1);
	ends.owner.id[0] = '\0';
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 4;
	tell(2, &record, &ends, 1);
	assert_int_equal(strlen(containers_text()), strlen("shop 1\nshop 2\nshop 4\n"));
}

static void a_container_in_another_cgroup_is_the_same_one(void **state)
{
	struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.flow.bytes_out = 1;
	tell(0, &record, &ends, 1);
	strcpy(ends.owner.cgroup, "system.slice/docker-shop.scope");
	record = record_of(IPPROTO_TCP);
	record.flow.bytes_out = 2;
	tell(1, &record, &ends, 1);
	assert_string_equal(containers_text(), "shop 3\n");
}

static void nodes_of_two_kinds_are_two(void **state)
{
	struct flow_ends ends = ends_of("shop", "web", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	tell(0, &record, &ends, 1);
	ends.to.kind = FLOW_SERVICE;
	record = record_of(IPPROTO_TCP);
	tell(1, &record, &ends, 1);
	ends.port = 81;
	record = record_of(IPPROTO_TCP);
	tell(2, &record, &ends, 1);
	record = record_of(IPPROTO_UDP);
	tell(3, &record, &ends, 1);
	assert_string_equal(edges_text(), "container shop → container web 6 80: 1 0 0\n"
					  "container shop → service web 6 80: 1 0 0\n"
					  "container shop → service web 6 81: 1 0 0\n"
					  "container shop → service web 17 81: 1 0 0\n");
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void beyond_the_limits_all_is_other(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "a" };

	(void)state;
	for (size_t i = 0; i < ROWS(names); i++) {
		struct flow_ends ends = ends_of(names[i], "db", NULL);
		struct flow_record record = record_of(IPPROTO_UDP);

		/* The lists that were made before are not those of now. */
		containers_text();
		edges_text();
		record.flow.bytes_out = 1ULL << i;
		tell(i, &record, &ends, 1);
	}
	assert_string_equal(containers_text(), "a 33\nb 2\nc 4\nother 24\n");
	assert_string_equal(edges_text(), "container a → container db 17 80: 2 0 33\n"
					  "container b → container db 17 80: 1 0 2\n"
					  "container c → container db 17 80: 1 0 4\n"
					  "container d → container db 17 80: 1 0 8\n"
					  "network other → network other 0 0: 1 0 16\n");
	assert_int_equal(container("other")->live, 2);
	assert_int_equal(container("other")->flows_out[1], 2);
	assert_string_equal(container("other")->owner.id, "");
	assert_string_equal(container("other")->owner.cgroup, "");
}

static void who_is_forgotten_is_other_and_makes_room(void **state)
{
	const struct flow_ends again = ends_of("a", "db", NULL);
	struct flow_record record[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct flow_ends ends = ends_of(&"a\0b\0c"[2 * i], "db", NULL);

		record[i] = record_of(IPPROTO_TCP);
		record[i].flow.bytes_out = 1ULL << i;
		record[i].size_out[0] = 1U << i;
		tell(i, &record[i], &ends, 100 + i);
	}
	accounts_turn(accounts);
	record[0].size_out[0] += 8;
	tell(0, &record[0], NULL, 100);
	flow_end(0, &record[0], FLOW_RESET, 100);
	flow_end(1, &record[1], FLOW_CLOSED, 101);
	/* The one that lives stays, however long nobody has told of it. */
	accounts_forget(accounts, 101);
	assert_string_equal(containers_text(), "b 2\nc 4\nother 1\n");
	accounts_forget(accounts, UINT64_MAX);
	assert_string_equal(containers_text(), "c 4\nother 3\n");
	assert_string_equal(edges_text(), "container c → container db 6 80: 1 0 4\n"
					  "network other → network other 0 0: 2 1 3\n");
	assert_int_equal(container("other")->ended[FLOW_RESET], 1);
	assert_int_equal(container("other")->flows_out[0], 2);
	/* Of the last interval and of this one nothing is lost either. */
	assert_int_equal(container("other")->last_out[0], 3);
	accounts_turn(accounts);
	assert_int_equal(container("other")->last_out[0], 8);
	assert_int_equal(container("c")->last_out[0], 0);
	record[0] = record_of(IPPROTO_TCP);
	tell(0, &record[0], &again, 200);
	assert_string_equal(containers_text(), "a 0\nc 4\nother 3\n");
}

static void an_interval_has_what_came_in_it(void **state)
{
	const struct flow_ends ends = ends_of("shop", "db", NULL);
	struct flow_record record = record_of(IPPROTO_TCP);

	(void)state;
	record.size_in[2] = 5;
	tell(0, &record, &ends, 1);
	assert_int_equal(container("shop")->last_in[2], 0);
	accounts_turn(accounts);
	assert_int_equal(container("shop")->last_in[2], 5);
	record.size_in[2] = 7;
	tell(0, &record, &ends, 1);
	assert_int_equal(container("shop")->last_in[2], 5);
	accounts_turn(accounts);
	assert_int_equal(container("shop")->last_in[2], 2);
	accounts_turn(accounts);
	assert_int_equal(container("shop")->last_in[2], 0);
	assert_int_equal(container("shop")->size_in[2], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flow_is_counted_once_however_often_it_is_told_of),
		TEST(a_flow_that_is_only_told_of_when_it_ended_is_whole),
		TEST(a_slot_is_another_flows_afterwards),
		TEST(a_free_record_is_no_flow),
		TEST(what_is_less_for_a_moment_is_no_step_back),
		TEST(counts_of_messages_wrap),
		TEST(flows_are_told_apart_by_protocol_and_direction),
		TEST(some_ends_are_failures),
		TEST(edges_lead_through_services_and_are_counted_at_one_end),
		TEST(a_flow_keeps_its_edges_and_its_container_when_names_change),
		TEST(equal_names_are_not_one_container),
		TEST(a_container_in_another_cgroup_is_the_same_one),
		TEST(nodes_of_two_kinds_are_two),
		TEST(beyond_the_limits_all_is_other),
		TEST(who_is_forgotten_is_other_and_makes_room),
		TEST(an_interval_has_what_came_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
