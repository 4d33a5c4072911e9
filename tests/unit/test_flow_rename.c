/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers that have flows before their name is told: account_rename.c. */
#include "tests/unit/account_ground.h"

/* "docker/x" comes as the client of one flow and as the server of another, which are told of once
 * more by the name that it has then. */
static void who_gets_a_name_had_it_from_the_start(void **state)
{
	struct flow_renamed list[] = { { .from = "docker/z", .to = "z" },
				       { .from = "docker/x", .to = "x" } };
	struct flow_ends out = ends_of("docker/x", "db", NULL), in = ends_of("a", "docker/x", NULL);
	struct flow_record record[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		record[i] = record_of(IPPROTO_TCP);
		record[i].flow.bytes_out = 1ULL << i;
	}
	tell(0, &record[0], &out, 100);
	tell(1, &record[1], &in, 100);
	flow_end(1, &record[1], FLOW_RESET, 100);
	strcpy(in.to.name, "x");
	tell(2, &record[2], &in, 100);
	assert_string_equal(containers_text(), "a 6\ndocker/x 1\n");
	/* In one edge with that flow, in one of its own for the other. */
	accounts_rename(accounts, list, ROWS(list));
	assert_string_equal(containers_text(), "a 6\nx 1\n");
	assert_string_equal(edges_text(), "container a → container x 6 80: 2 1 6\n"
					  "container x → container db 6 80: 1 0 1\n");
	strcpy(out.owner.name, "x");
	strcpy(out.from.name, "x");
	tell(3, &record[3], &out, 100);
	record[0].flow.bytes_out = 33;
	tell(0, &record[0], &out, 101);
	assert_string_equal(containers_text(), "a 6\nx 41\n");
	assert_string_equal(edges_text(), "container a → container x 6 80: 2 1 6\n"
					  "container x → container db 6 80: 2 0 41\n");
}

static void flows_that_live_go_with_their_edge_to_its_new_name(void **state)
{
	const struct flow_renamed renamed = { .from = "docker/x", .to = "x" };
	const struct flow_ends path = ends_of("docker/x", "docker/x", "web");
	struct flow_ends name = ends_of("docker/x", "x", "web");
	struct flow_record record[2];

	(void)state;
	strcpy(name.owner.name, "x");
	strcpy(name.from.name, "x");
	for (size_t i = 0; i < 2; i++)
		record[i] = record_of(IPPROTO_TCP);
	tell(0, &record[0], &path, 100);
	tell(1, &record[1], &name, 100);
	accounts_rename(accounts, &renamed, 1);
	record[0].flow.bytes_in = 5;
	tell(0, &record[0], NULL, 101);
	flow_end(1, &record[1], FLOW_CLOSED, 101);
	accounts_forget(accounts, UINT64_MAX);
	assert_string_equal(edges_text(), "service web → container x 6 80: 2 0 5\n"
					  "container x → service web 6 80: 2 0 5\n");
	flow_end(0, &record[0], FLOW_REFUSED, 101);
	assert_string_equal(edges_text(), "service web → container x 6 80: 2 1 5\n"
					  "container x → service web 6 80: 2 1 5\n");
	accounts_forget(accounts, UINT64_MAX);
	assert_string_equal(edges_text(), "network other → network other 0 0: 4 2 10\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_gets_a_name_had_it_from_the_start),
		TEST(flows_that_live_go_with_their_edge_to_its_new_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
