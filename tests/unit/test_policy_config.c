/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config/: the policy of lb.conf to values, and its limits. What is refused is in the corpus of
 * test_config.c. Run from the root of the project. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/unit/config_loaded.h"

#define CORPUS	"tests/unit/config"
#define EXAMPLE "../../../config/examples/policy.conf" /* from the corpus */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void groups_reach_their_fields(void **state)
{
	static const struct {
		const char *name, *pattern;
		enum config_group_kind kind;
	} expected[] = {
		{ "front", "web-*", CONFIG_GROUP_CONTAINER },
		{ "app", "app.kubernetes.io/name=shop", CONFIG_GROUP_LABEL },
		{ "db", "machine.slice/db-*", CONFIG_GROUP_CGROUP },
		{ "batch", "batch", CONFIG_GROUP_NETNS },
		{ "mine", "/proc/self/ns/net", CONFIG_GROUP_NETNS },
		{ "its", "container:web-a", CONFIG_GROUP_NETNS },
	};
	_cleanup_config_ struct config *config = loaded("good_policy.conf");
	const struct config_policy *policy = config->policy;
	const struct config_group *office = &policy->groups[COUNT(expected)];

	(void)state;
	assert_string_equal(config->runtime_socket, "/run/podman/podman.sock");
	assert_true(policy->audit);
	assert_true(policy->deny);
	assert_int_equal(policy->group_count, COUNT(expected) + 1);
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_string_equal(policy->groups[i].name, expected[i].name);
		assert_string_equal(policy->groups[i].pattern, expected[i].pattern);
		assert_int_equal(policy->groups[i].kind, expected[i].kind);
		assert_int_equal(policy->groups[i].line, 10 + (int)i);
	}
	assert_int_equal(office->kind, CONFIG_GROUP_CIDR);
	assert_null(office->pattern);
	assert_int_equal(office->cidr_count, 3);
	assert_addr(&office->cidr[1].addr, "2001:db8:1::");
	assert_int_equal(office->cidr[1].len, 48);
	assert_int_equal(office->cidr[2].len, 128);
}

static void assert_party(const struct config_party *party, enum config_party_kind kind,
			 size_t index)
{
	assert_int_equal(party->kind, kind);
	assert_int_equal(party->index, index);
}

static void rules_reach_their_fields(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_policy.conf");
	const struct config_rule *rules = config->policy->rules;

	(void)state;
	assert_int_equal(config->policy->rule_count, 7);
	assert_party(&rules[0].from, CONFIG_GROUP, 0);
	assert_party(&rules[0].to, CONFIG_GROUP, 2);
	assert_int_equal(rules[0].protocol, IPPROTO_TCP);
	assert_int_equal(rules[0].port_count, 2);
	assert_int_equal(rules[0].ports[0].first, 5432);
	assert_int_equal(rules[0].ports[0].last, 5432);
	assert_int_equal(rules[0].ports[1].first, 6000);
	assert_int_equal(rules[0].ports[1].last, 6009);
	assert_int_equal(rules[0].action, CONFIG_ALLOW);
	assert_true(rules[0].audit);	/* the policy's mode */
	assert_string_equal(rules[0].file, "good_policy.conf");
	assert_int_equal(rules[0].line, 18);
	assert_party(&rules[1].to, CONFIG_SERVICE, 0);
	assert_false(rules[1].audit);	/* its own before the policy's */
	assert_party(&rules[2].from, CONFIG_ANY, 0);
	assert_party(&rules[2].to, CONFIG_SERVICE, 1);
	assert_party(&rules[3].from, CONFIG_CIDR, 0);
	assert_int_equal(rules[3].from.cidr.len, 32);
	assert_int_equal(rules[3].protocol, IPPROTO_GRE);
	assert_int_equal(rules[3].action, CONFIG_DENY);
	assert_true(rules[3].audit);
	assert_party(&rules[4].to, CONFIG_CIDR, 0);
	assert_addr(&rules[4].to.cidr.addr, "10.0.0.1");
	assert_int_equal(rules[4].to.cidr.len, 128);
	assert_int_equal(rules[4].protocol, IPPROTO_ICMP);
	assert_int_equal(rules[4].port_count, 0);
	assert_int_equal(rules[4].action, CONFIG_REJECT);
	assert_party(&rules[5].from, CONFIG_ANY, 0);
	assert_party(&rules[5].to, CONFIG_GROUP, 6);
	assert_int_equal(rules[5].protocol, CONFIG_PROTOCOL_ANY);
	assert_party(&rules[6].to, CONFIG_ANY, 0);
	assert_int_equal(rules[6].protocol, CONFIG_PROTOCOL_ANY);
}

static void sockets_and_tcp_reach_their_fields(void **state)
{
	static const struct {
		const char *address;
		unsigned int len;
		uint16_t first, last;
	} expected[] = {
		{ "::", 0, 8080, 8080 },	   { "::", 0, 8080, 8089 },
		{ "10.1.0.2", 128, 0, 65535 }, { "10.1.0.0", 96 + 24, 53, 53 },
		{ "fd00::2", 128, 0, 65535 },	   { "fd00::", 64, 1, 65535 },
	};
	_cleanup_config_ struct config *config = loaded("good_policy.conf");
	const struct config_sockets *sockets = config->policy->sockets;
	const struct config_policy_tcp *tcp = config->policy->tcp;

	(void)state;
	assert_int_equal(config->policy->socket_count, 2);
	assert_int_equal(sockets[0].group, 0);
	assert_int_equal(sockets[0].deny, 1u << CONFIG_SOCKET_RAW | 1u << CONFIG_SOCKET_PACKET |
					  1u << CONFIG_SOCKET_OTHER);
	assert_false(sockets[0].audit);
	assert_string_equal(sockets[0].file, "good_policy.conf");
	assert_int_equal(sockets[0].line, 26);
	assert_int_equal(sockets[0].bind_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct config_bind *bind = &sockets[0].binds[i];

		assert_addr(&bind->address.addr, expected[i].address);
		assert_int_equal(bind->address.len, expected[i].len);
		assert_int_equal(bind->first, expected[i].first);
		assert_int_equal(bind->last, expected[i].last);
	}
	assert_int_equal(sockets[1].group, 2);
	assert_int_equal(sockets[1].deny, 0);
	assert_int_equal(sockets[1].bind_count, 1);
	assert_int_equal(sockets[1].binds[0].first, 5432);
	assert_true(sockets[1].audit);

	assert_int_equal(config->policy->tcp_count, 2);
	assert_string_equal(tcp[0].congestion, "adaptive");
	assert_int_equal(tcp[0].initial_window, 20);
	assert_int_equal(tcp[0].min_rto_us, 50000);
	assert_int_equal(tcp[0].pacing, 200000000);
	assert_int_equal(tcp[0].line, 30);
	assert_int_equal(tcp[1].group, 5);
	assert_null(tcp[1].congestion);
	assert_int_equal(tcp[1].initial_window, 0);
	assert_int_equal(tcp[1].min_rto_us, 200000);
	assert_int_equal(tcp[1].pacing, 0);
}

static void a_policy_that_says_nothing_touches_nobody(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_policy_smallest.conf");

	(void)state;
	assert_non_null(config->policy);
	assert_false(config->policy->audit);
	assert_false(config->policy->deny);
	assert_int_equal(config->policy->group_count, 0);
	assert_int_equal(config->policy->rule_count, 0);
	assert_int_equal(config->policy->socket_count, 0);
	assert_int_equal(config->policy->tcp_count, 0);
}

static void what_is_told_of_a_rule_is_its_own_file_and_line(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_policy_include.conf");
	const struct config_policy *policy = config->policy;

	(void)state;
	assert_string_equal(policy->rules[0].file, "include/policy.conf");
	assert_int_equal(policy->rules[0].line, 2);
	assert_string_equal(policy->sockets[0].file, "include/policy.conf");
	assert_int_equal(policy->sockets[0].line, 4);
}

static void shipped_policy_is_taken_whole(void **state)
{
	_cleanup_config_ struct config *config = loaded(EXAMPLE);
	const struct config_policy *policy = config->policy;

	(void)state;
	assert_int_equal(policy->group_count, 5);
	assert_int_equal(policy->rule_count, 9);
	assert_party(&policy->rules[0].from, CONFIG_GROUP, 4);
	assert_party(&policy->rules[0].to, CONFIG_SERVICE, 0);
	assert_int_equal(policy->socket_count, 2);
	assert_int_equal(policy->tcp_count, 2);
	assert_string_equal(config->services[0].backends[0].container, "web-a");
}

/* --- limits --- */

enum list { GROUPS, RULES, SOCKETS, TCP, BINDS };

static void print_entry(enum list list, int i, FILE *to)
{
	switch (list) {
	case GROUPS:
		fprintf(to, "{ name = \"group%d\"; container = \"web\"; }", i);
		break;
	case RULES:
		fprintf(to, "{ from = \"g%d\"; action = \"allow\"; }", i % 100);
		break;
	case SOCKETS:
		fprintf(to, "{ group = \"g%d\"; deny = [ \"raw\" ]; }", i % 100);
		break;
	case TCP:
		fprintf(to, "{ group = \"g%d\"; initial_window = 10; }", i);
		break;
	case BINDS:
		fprintf(to, "\"%d\"", i + 1);
		break;
	}
}

/* A policy with that many entries of the list, on the third line. */
static char *with_entries(enum list list, int count)
{
	static const char *const open[] = {
		"groups = (", "rules = (", "sockets = (", "tcp = (",
		"sockets = ( { group = \"g0\"; bind = [",
	};
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	fputs("version = 1; policy: {", to);
	if (list != GROUPS) {
		fputs(" groups = (", to);
		for (int i = 0; i < 100; i++)
			fprintf(to, "%s{ name = \"g%d\"; label = \"a\"; }", i ? ", " : "", i);
		fputs(");", to);
	}
	fprintf(to, "\n\n%s", open[list]);
	for (int i = 0; i < count; i++) {
		fputs(i ? ", " : " ", to);
		print_entry(list, i, to);
	}
	fputs(list == BINDS ? " ]; } ); };\n" : " ); };\n", to);
	fclose(to);
	return text;
}

static void assert_entries(enum list list, int count, const char *expected)
{
	char *text = with_entries(list, count), *found;
	_cleanup_config_ struct config *config = NULL;
	_cleanup_diag_ struct diag diag = { 0 };

	config_load_text("lb.conf", text, &config, &diag);
	found = diag_text(&diag);
	assert_string_equal(found, expected);
	assert_int_equal(config != NULL, !*expected);
	free(found);
	free(text);
}

static void limits_are_taken_and_one_more_is_refused(void **state)
{
	(void)state;
	assert_entries(GROUPS, 256, "");
	assert_entries(GROUPS, 257,
		       "lb.conf:3: 257 entries of groups are too many: 256 at most\n");
	assert_entries(RULES, 2048, "");
	assert_entries(RULES, 2049,
		       "lb.conf:3: 2049 entries of rules are too many: 2048 at most\n");
	assert_entries(SOCKETS, 256, "");
	assert_entries(SOCKETS, 257,
		       "lb.conf:3: 257 entries of sockets are too many: 256 at most\n");
	assert_entries(TCP, 64, "");
	assert_entries(TCP, 65, "lb.conf:3: 65 entries of tcp are too many: 64 at most\n");
	assert_entries(BINDS, 32, "");
	assert_entries(BINDS, 33, "lb.conf:3: 33 entries of bind are too many: 32 at most\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_reach_their_fields),
		cmocka_unit_test(rules_reach_their_fields),
		cmocka_unit_test(sockets_and_tcp_reach_their_fields),
		cmocka_unit_test(a_policy_that_says_nothing_touches_nobody),
		cmocka_unit_test(what_is_told_of_a_rule_is_its_own_file_and_line),
		cmocka_unit_test(shipped_policy_is_taken_whole),
		cmocka_unit_test(limits_are_taken_and_one_more_is_refused),
	};

	if (chdir(CORPUS)) {
		perror(CORPUS);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
