/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules from what was seen: what is printed is a part of lb.conf that config_load_text() takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "config/config.h"
#include "lb/ctl/suggest.h"

/* As a policy whose groups are front, db and batch; the caller frees it. */
static struct config *config_of(const char *rules)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config = NULL;
	char *text;

	assert_true(asprintf(&text,
			     "version = 1;\npolicy: { groups = ( "
			     "{ name = \"front\"; container = \"web-*\"; }, "
			     "{ name = \"db\"; container = \"db\"; }, "
			     "{ name = \"batch\"; netns = \"batch\"; } );\n%s};\n", rules) > 0);
	if (config_load_text("suggested", text, &config, &diag))
		fail_msg("%s", diag.entries[0].text);
	free(text);
	return config;
}

static char *suggested(const char *seen, size_t *ret_rules)
{
	struct json_object *list = json_tokener_parse(seen);
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(list);
	*ret_rules = suggest_print(list, to);
	fclose(to);
	json_object_put(list);
	config_free(config_of(text));
	return text;
}

#define SEEN(groups, direction, remote, remote_groups, protocol, port)                            \
	"{\"groups\":\"" groups "\",\"direction\":\"" direction "\",\"remote\":\"" remote         \
	"\",\"remote_groups\":" remote_groups ",\"protocol\":" #protocol ",\"port\":" #port       \
	",\"flows\":2,\"passed\":true}"

static void expect(const char *seen, const char *wanted)
{
	size_t rules;
	char *text = suggested(seen, &rules);

	assert_string_equal(text, wanted);
	free(text);
}

static void both_ends_of_a_flow_are_one_rule(void **state)
{
	(void)state;
	expect("[" SEEN("front", "out", "10.1.0.9", "\"db\"", 6, 5432) ","
	       SEEN("db", "in", "10.1.0.2", "\"front\"", 6, 5432) "]",
	       "rules = (\n"
	       "  { from = \"front\"; to = \"db\"; protocol = \"tcp\"; ports = [ 5432 ]; action = "
	       "\"allow\"; },  # 4 flows\n"
	       "  { from = \"front\"; action = \"deny\"; }\n"
	       ");\n");
}

static void ports_of_one_pair_are_one_list(void **state)
{
	(void)state;
	expect("[" SEEN("front", "out", "10.1.0.9", "\"db\"", 17, 161) ","
	       SEEN("front", "out", "10.1.0.9", "\"db\"", 17, 53) ","
	       SEEN("front", "out", "10.1.0.9", "\"db\"", 1, 0) "]",
	       "rules = (\n"
	       "  { from = \"front\"; to = \"db\"; protocol = \"icmp\"; action = \"allow\"; },  "
	       "# 2 flows\n"
	       "  { from = \"front\"; to = \"db\"; protocol = \"udp\"; ports = [ 53, 161 ]; action "
	       "= \"allow\"; },  # 4 flows\n"
	       "  { from = \"front\"; action = \"deny\"; }\n"
	       ");\n");
}

static void a_stranger_stands_by_its_address(void **state)
{
	(void)state;
	expect("[" SEEN("front", "in", "2001:db8::7", "null", 6, 80) "]",
	       "rules = (\n"
	       "  { from = \"2001:db8::7\"; to = \"front\"; protocol = \"tcp\"; ports = [ 80 ]; "
	       "action = \"allow\"; }  # 2 flows\n"
	       ");\n");
}

static void many_strangers_are_anybody(void **state)
{
	char seen[4096] = "[";
	size_t length = 1;

	(void)state;
	for (int i = 0; i < 9; i++)
		length += (size_t)snprintf(
			seen + length, sizeof(seen) - length,
			"%s{\"groups\":\"front\",\"direction\":\"in\",\"remote\":\"198.51.100.%d\","
			"\"remote_groups\":null,\"protocol\":6,\"port\":80,\"flows\":1,"
			"\"passed\":true}",
			i ? "," : "", i);
	strcpy(seen + length, "]");
	expect(seen,
	       "rules = (\n"
	       "  { from = \"any\"; to = \"front\"; protocol = \"tcp\"; ports = [ 80 ]; action = "
	       "\"allow\"; }  # 9 flows\n"
	       ");\n");
}

static void each_group_that_began_something_is_closed_behind_it(void **state)
{
	size_t rules;
	char *text = suggested("[" SEEN("front", "out", "10.1.0.9", "\"db\"", 6, 1) ","
			       SEEN("batch", "out", "192.0.2.1", "null", 6, 443) ","
			       SEEN("(new)", "out", "192.0.2.1", "null", 6, 443) "]", &rules);

	(void)state;
	assert_int_equal(rules, 4);
	assert_non_null(strstr(text, "{ from = \"batch\"; action = \"deny\"; },\n"));
	assert_non_null(strstr(text, "{ from = \"front\"; action = \"deny\"; }\n"));
	free(text);
}

static void what_was_refused_is_not_suggested(void **state)
{
	size_t rules;
	char *text = suggested("[{\"groups\":\"front\",\"direction\":\"in\",\"remote\":"
			       "\"192.0.2.7\",\"remote_groups\":null,\"protocol\":6,\"port\":22,"
			       "\"flows\":9,\"passed\":false}]", &rules);

	(void)state;
	assert_int_equal(rules, 0);
	free(text);
}

/* A daemon of another version may say less or something else. */
static void what_is_not_understood_is_left_out(void **state)
{
	size_t rules;
	char *text = suggested("[{},{\"groups\":7},null,{\"groups\":\"front\"}]", &rules);

	(void)state;
	assert_int_equal(rules, 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_of_a_flow_are_one_rule),
		cmocka_unit_test(ports_of_one_pair_are_one_list),
		cmocka_unit_test(a_stranger_stands_by_its_address),
		cmocka_unit_test(many_strangers_are_anybody),
		cmocka_unit_test(each_group_that_began_something_is_closed_behind_it),
		cmocka_unit_test(what_was_refused_is_not_suggested),
		cmocka_unit_test(what_is_not_understood_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
