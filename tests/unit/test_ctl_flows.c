/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl flows and graph without a daemon: what may be asked for, what is news while it follows, how
 * a screen is drawn, and the texts of canned answers, also of those that no daemon would give. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "config/utf8.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flow_query.h"
#include "lb/ctl/flows_known.h"
#include "lb/ctl/flows_text.h"
#include "lb/ctl/graph.h"
#include "lb/ctl/screen.h"
#include "lb/ctl/show.h"
#include "tests/unit/printed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what may be asked for ------------------------------------------------------------------- */

static void times_are_seconds_or_more(void **state)
{
	static const char *const bad[] = { "0s", "999ms", "10", "m", "-1m", "10 m", "", "87601h",
					   "99999999999999999999h" };
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t seconds = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("row %zu\n", i);
		assert_int_equal(since_parse(bad[i], &seconds, &diag), -EINVAL);
		assert_int_equal(diag.count, i + 1);
		assert_non_null(strstr(diag.entries[i].text, bad[i]));
	}
	assert_int_equal(seconds, 7);
	assert_int_equal(since_parse("1500ms", &seconds, &diag), 0);
	assert_int_equal(seconds, 2);
	assert_int_equal(since_parse("87600h", &seconds, &diag), 0);
	assert_int_equal(seconds, 315360000);
}

static void ports_are_whole_numbers(void **state)
{
	static const char *const bad[] = { "0", "65536", "-1", "+1", "80x", "", " 80", "99999999",
					   "184467440737095516160" };
	_cleanup_diag_ struct diag diag = { 0 };
	uint16_t port = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("row %zu\n", i);
		assert_int_equal(port_parse(bad[i], &port, &diag), -EINVAL);
		assert_non_null(strstr(diag.entries[i].text, bad[i]));
	}
	assert_int_equal(port, 7);
	assert_int_equal(port_parse("65535", &port, &diag), 0);
	assert_int_equal(port, 65535);
	assert_int_equal(port_parse("00080", &port, &diag), 0);
	assert_int_equal(port, 80);
}

static const struct {
	const char *text, *sentence; /* NULL: fine */
} peers[] = {
	{ "10.1.0.7", NULL },
	{ "10.1.0.0/16", NULL },
	{ "fd00::7", NULL },
	{ "fd00::/64", NULL },
	{ "::ffff:10.1.0.7", NULL },
	{ "web", NULL },
	{ "web.1", NULL },
	{ "1.2", NULL },		/* an image's tag may well name a container */
	{ "/system.slice/docker:web.service", NULL },
	{ "office-10.1.0.7", NULL },
	{ "10.1.0.7/16", "bits of the address stand behind the length" },
	{ "fd00::7/64", "bits of the address stand behind the length" },
	{ "10.1.0.300", "not \"10.1.0.300\"" },
	{ "10.1.0.7/33", "not \"10.1.0.7/33\"" },
	{ "10.1.0.7/", "not \"10.1.0.7/\"" },
	{ "10.1/16", "not \"10.1/16\"" },
	{ "fd00::/129", "not \"fd00::/129\"" },
	{ "fd00::g", "not \"fd00::g\"" },
	{ "[fd00::7]:80", "not \"[fd00::7]:80\"" },
	{ "10.1.0.7:80", "not \"10.1.0.7:80\"" },
};

static void what_looks_like_an_address_must_be_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(peers); i++) {
		_cleanup_diag_ struct diag diag = { 0 };

		print_message("%s\n", peers[i].text);
		assert_int_equal(peer_check(peers[i].text, &diag),
				 peers[i].sentence ? -EINVAL : 0);
		assert_int_equal(diag.count, peers[i].sentence ? 1 : 0);
		if (peers[i].sentence)
			assert_non_null(strstr(diag.entries[0].text, peers[i].sentence));
	}
}

static void a_query_holds_whatever_a_name_holds(void **state)
{
	const struct flow_query all = { .container = "a b&c=d?#%/\"ü\n", .peer = "fd00::/64",
					.port = 443, .since_s = 600 };
	const struct flow_query none = { 0 }, port = { .port = 80 };
	char *path;

	(void)state;
	path = flow_query_path(&none);
	assert_string_equal(path, "/v1/flows");
	free(path);
	path = flow_query_path(&port);
	assert_string_equal(path, "/v1/flows?port=80");
	free(path);
	path = flow_query_path(&all);
	assert_string_equal(path, "/v1/flows?container=a%20b%26c%3Dd%3F%23%25%2F%22%C3%BC%0A"
				  "&peer=fd00%3A%3A%2F64&port=443&since=600");
	free(path);
}

/* ---- characters ------------------------------------------------------------------------------ */

static void only_whole_characters_pass(void **state)
{
	static const struct {
		const char *text, *clean;
	} rows[] = {
		{ "größe → 名前 🐳", "größe → 名前 🐳" },
		{ "a\x1b[2Jb\x7f\t", "a?[2Jb??" },
		{ "\xc2\x9b" "31m\xc2\xa0", "?31m\xc2\xa0" },	/* CSI in one character */
		{ "\xc3", "?" },				/* cut short */
		{ "\xc0\xaf\xe0\x80\xaf", "?????" },		/* a slash, overlong */
		{ "\xed\xa0\x80", "???" },			/* a surrogate */
		{ "\xf4\x90\x80\x80\xff", "?????" },		/* beyond U+10FFFF */
		{ "\xf0\x9f\x90", "???" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[64];

		print_message("row %zu\n", i);
		snprintf(text, sizeof(text), "%s", rows[i].text);
		utf8_clean(text);
		assert_string_equal(text, rows[i].clean);
	}
}

/* ---- texts ----------------------------------------------------------------------------------- */

static void assert_view(void (*show)(struct json_object *reply, FILE *to), const char *json,
			const char *expected)
{
	struct json_object *reply = json_tokener_parse(json);
	FILE *to = print_open();

	assert_non_null(reply);
	show(reply, to);
	json_object_put(reply);
	assert_printed(to, expected);
}

static const char flows[] =
	"{\"flows\":["
	"{\"container\":\"web-a\",\"direction\":\"in\",\"protocol\":\"tcp\","
	"\"local\":\"10.1.0.2:8080\",\"remote\":\"198.51.100.7:50123\","
	"\"peer\":\"198.51.100.0/24\",\"service\":\"web\",\"state\":\"established\","
	"\"packets_in\":10,\"packets_out\":1234,"
	"\"bytes_in\":500,\"bytes_out\":1200000,\"duration_s\":725.2,\"rtt_us\":250,"
	"\"retransmits\":0},"
	"{\"container\":\"/system.slice/a-service-with-a-name-that-is-far-too-long.service\","
	"\"direction\":\"out\",\"protocol\":\"udp\",\"local\":\"[fd00::2]:5353\","
	"\"remote\":\"[fd00::1]:53\",\"peer\":\"dns\",\"service\":null,\"state\":\"idle\","
	"\"packets_in\":1,\"packets_out\":1,\"bytes_in\":100,\"bytes_out\":40,"
	"\"duration_s\":0.0312,\"rtt_us\":null,\"retransmits\":null},"
	"{\"container\":\"web-b\",\"direction\":null,\"protocol\":\"tcp\","
	"\"local\":\"10.1.0.3:22\",\"remote\":\"10.1.0.1:1\",\"service\":null,"
	"\"state\":\"reset\",\"packets_in\":1,\"packets_out\":1,"
	"\"bytes_in\":2000000,\"bytes_out\":0,\"duration_s\":3.9,"
	"\"rtt_us\":1234567,\"retransmits\":1204}],"
	"\"other\":{\"flows\":1,\"packets_in\":2000,\"packets_out\":3,\"bytes_in\":4,"
	"\"bytes_out\":1500,\"no_memory\":2},\"forgotten\":12044}";

static void the_flow_of_most_bytes_stands_first(void **state)
{
	(void)state;
	assert_view(flows_print, flows,
		    "CONTAINER                                 DIRECTION  PROTOCOL  LOCAL         "
		    "  REMOTE              PEER  SERVICE  STATE        BYTES IN  BYTES OUT  PACKET"
		    "S  DURATION    RTT  RETRANSMITS\n"
		    "web-b                                                tcp       10.1.0.3:22   "
		    "  10.1.0.1:1                         reset          2.0 MB        0 B        "
		    "2        3s   1.2s        1,204\n"
		    "web-a                                     in         tcp       10.1.0.2:8080 "
		    "  198.51.100.7:50123        web      established     500 B     1.2 MB    1,24"
		    "4       12m  250us            0\n"
		    "…ith-a-name-that-is-far-too-long.service  out        udp       [fd00::2]:5353"
		    "  [fd00::1]:53        dns            idle            100 B       40 B        "
		    "2      31ms\n");
}

static void what_an_answer_lacks_is_said(void **state)
{
	(void)state;
	assert_view(flows_sum_print, flows,
		    "3 flows\n"
		    "other: 1 flow for which flows.records had no room, with 2,003 packets and "
		    "1.5 kB\n"
		    "no memory: 2 sockets whose TCP is not counted at all\n"
		    "forgotten: 12,044 flows that ended and for which flows.keep had no room\n");
	assert_view(flows_sum_print, "{\"flows\":[{}],\"other\":{\"flows\":0},\"forgotten\":0}",
		    "1 flow\n");
	assert_view(flows_sum_print, "{\"flows\":[]}", "no flows\n");
}

static void answers_that_no_daemon_gives_are_survived(void **state)
{
	static const char *const odd[] = {
		"{}", "{\"flows\":7}", "{\"flows\":{}}", "{\"flows\":null,\"other\":[1]}",
		"{\"nodes\":3,\"edges\":\"x\"}", "{\"containers\":\"x\",\"other\":7}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		print_message("row %zu\n", i);
		assert_view(flows_print, odd[i], "");
		assert_view(flows_sum_print, odd[i], "no flows\n");
		assert_view(show_flows, odd[i], "no flows\n");
	}
	assert_view(flows_print,
		    "{\"flows\":[null,7,[],{\"container\":[1],\"bytes_in\":-5,\"bytes_out\":1e300,"
		    "\"duration_s\":NaN,\"rtt_us\":\"x\",\"state\":\"\\u001b[2J\",\"local\":{}},"
		    "{\"duration_s\":1e308},{\"duration_s\":-1},{\"duration_s\":0,"
		    "\"peer\":\"web\",\"service\":\"web\"}]}",
		    "CONTAINER  LOCAL  SERVICE  STATE  BYTES IN  BYTES OUT  PACKETS  DURATION  RTT"
		    "\n"
		    "[ 1 ]      { }             ?[2J        0 B    18.4 EB        0            0us"
		    "\n"
		    "                                       0 B        0 B        0\n"
		    "                                       0 B        0 B        0\n"
		    "                                       0 B        0 B        0\n"
		    "                                       0 B        0 B        0\n"
		    "                                       0 B        0 B        0\n"
		    "                  web                  0 B        0 B        0      <1ms\n");
}

static void containers_are_shown_by_what_they_moved(void **state)
{
	(void)state;
	assert_view(show_flows,
		    "{\"containers\":[{\"name\":\"db\",\"group\":null,\"flows\":2,\"new_flows\":9,"
		    "\"packets_in\":1,\"packets_out\":2,\"bytes_in\":3,\"bytes_out\":4,"
		    "\"failures\":0,\"retransmits\":0,\"rtt_us\":null},"
		    "{\"name\":\"web\",\"group\":\"front\",\"flows\":1,\"new_flows\":12044,"
		    "\"packets_in\":1000,\"packets_out\":2,\"bytes_in\":3000,\"bytes_out\":4,"
		    "\"failures\":3,\"retransmits\":5,\"rtt_us\":1500}],"
		    "\"other\":{\"flows\":2,\"bytes_in\":10}}",
		    "CONTAINER  GROUP  LIVE  IN ALL  FAILURES  PACKETS IN  PACKETS OUT  BYTES IN  "
		    "BYTES OUT  RETRANSMITS    RTT\n"
		    "web        front     1  12,044         3       1,000            2    3.0 kB  "
		    "      4 B            5  1.5ms\n"
		    "db                   2       9         0           1            2       3 B  "
		    "      4 B            0\n"
		    "\n"
		    "other: 2 flows for which flows.records had no room, with 0 packets and "
		    "10 B\n");
}

/* ---- what is news ---------------------------------------------------------------------------- */

static char told[256];

static void tell(struct json_object *flow)
{
	size_t used = strlen(told);

	snprintf(told + used, sizeof(told) - used, "%s%s:%s", used ? " " : "",
		 field_text(flow, "local"), field_text(flow, "state"));
}

/* "a:established b:closed" as an answer, and what of it is news. */
static void assert_news(struct flows_known *known, const char *answer, bool with_past,
			const char *expected)
{
	struct json_object *list = json_object_new_array();
	char text[256], *word, *rest = text;

	snprintf(text, sizeof(text), "%s", answer);
	while ((word = strsep(&rest, " "))) {
		char *mark = strchr(word, ':');
		struct json_object *flow;

		if (!mark)
			continue;
		*mark = '\0';
		flow = json_object_new_object();
		json_object_object_add(flow, "local", json_object_new_string(word));
		json_object_object_add(flow, "id", json_object_new_string("1"));
		json_object_object_add(flow, "state", json_object_new_string(mark + 1));
		json_object_array_add(list, flow);
	}
	told[0] = '\0';
	flows_known_news(known, list, with_past, tell);
	assert_string_equal(told, expected);
	json_object_put(list);
}

static void a_flow_is_told_when_it_appears_and_when_it_ends(void **state)
{
	struct flows_known *known = flows_known_new();

	(void)state;
	assert_news(known, "a:established old:closed", false, "a:established");
	assert_news(known, "a:close-wait old:closed b:syn-sent", false, "b:syn-sent");
	assert_news(known, "a:closed b:refused c:reset", false, "a:closed b:refused c:reset");
	assert_news(known, "a:closed b:refused c:reset", false, "");
	/* Where an answer begins may go back by less than a second. */
	assert_news(known, "c:reset", false, "");
	assert_news(known, "a:closed c:reset", false, "");
	/* What two answers in a row did not have comes no more: such a key is another flow's. */
	assert_news(known, "", false, "");
	assert_news(known, "", false, "");
	assert_news(known, "", false, "");
	assert_news(known, "a:established", false, "a:established");
	flows_known_free(known);
}

static void the_past_is_told_to_who_asks_for_it(void **state)
{
	struct flows_known *known = flows_known_new();

	(void)state;
	assert_news(known, "a:established old:closed", true, "a:established old:closed");
	assert_news(known, "a:established old:closed", true, "");
	flows_known_free(known);
}

static void an_answer_without_ids_goes_by_the_start(void **state)
{
	struct flows_known *known = flows_known_new();
	struct json_object *list = json_tokener_parse(
		"[{\"local\":\"a\",\"start\":\"1\",\"state\":\"established\"},"
		"{\"local\":\"a\",\"start\":\"2\",\"state\":\"established\"},7,null]");

	(void)state;
	told[0] = '\0';
	flows_known_news(known, list, false, tell);
	assert_string_equal(told, "a:established a:established :");
	told[0] = '\0';
	flows_known_news(known, NULL, false, tell);
	flows_known_news(known, list, false, tell);
	assert_string_equal(told, "");
	json_object_put(list);
	flows_known_free(known);
}

/* ---- a screen -------------------------------------------------------------------------------- */

static void assert_screen(unsigned int rows, unsigned int columns, const char *body,
			  const char *foot, const char *expected)
{
	const struct screen screen = { rows, columns };
	FILE *to = print_open();

	screen_draw(&screen, body, foot, to);
	assert_printed(to, expected);
}

static void a_screen_is_never_left_at_the_bottom_or_the_side(void **state)
{
	(void)state;
	assert_screen(5, 10, "a\nb\n", "foot\n", "\033[Ha\033[K\nb\033[K\nfoot\033[K\n\033[J");
	assert_screen(3, 10, "a\nb\n", "foot\n", "\033[Ha\033[K\nb\033[K\nfoot\033[K\033[J");
	assert_screen(3, 10, "a\nb\nc\n", "foot\n",
		      "\033[Ha\033[K\n... 2 more\033[K\nfoot\033[K\033[J");
	assert_screen(3, 4, "größer\nb\n", "foot, longer\n",
		      "\033[Hgröß\033[K\nb\033[K\nfoot\033[K\033[J");
	assert_screen(2, 9, "a\nb\nc\n", "foot\n", "\033[H... 3 mor\033[K\nfoot\033[K\033[J");
	assert_screen(1, 9, "a\nb\n", "foot\nmore\n", "\033[Hfoot\033[K\033[J");
	assert_screen(4, 9, "", "\nfoot\n", "\033[H\033[K\nfoot\033[K\n\033[J");
}

/* ---- the graph ------------------------------------------------------------------------------- */

static void graph_show(struct json_object *reply, FILE *to)
{
	struct graph graph;

	graph_read(reply, &graph);
	graph_print(&graph, to);
	graph_clear(&graph);
}

static void graph_draw(struct json_object *reply, FILE *to)
{
	struct graph graph;

	graph_read(reply, &graph);
	graph_dot_print(&graph, to);
	graph_clear(&graph);
}

static const char edges[] =
	"{\"nodes\":[{\"name\":\"web\",\"kind\":\"service\"},{\"name\":\"web\",\"kind\":"
	"\"container\"},{\"name\":\"10.1.0.0/24\",\"kind\":\"network\"},"
	"{\"name\":\"office\",\"kind\":\"network\"},{\"name\":\"alone\",\"kind\":\"container\"}],"
	"\"edges\":["
	"{\"from\":\"web\",\"from_kind\":\"service\",\"to\":\"web\",\"to_kind\":\"container\","
	"\"protocol\":\"tcp\",\"port\":80,\"connections\":12044,\"failures\":0,\"bytes\":1200000},"
	"{\"from\":\"office\",\"from_kind\":\"network\",\"to\":\"web\",\"to_kind\":\"service\","
	"\"protocol\":\"tcp\",\"port\":443,\"connections\":7,\"failures\":3,\"bytes\":10},"
	"{\"from\":\"web\",\"from_kind\":\"container\",\"to\":\"10.1.0.0/24\",\"to_kind\":"
	"\"network\",\"protocol\":\"icmp\",\"port\":0,\"connections\":1,\"failures\":0,"
	"\"bytes\":0},"
	"{\"from\":\"office\",\"from_kind\":\"network\",\"to\":\"web\",\"to_kind\":\"service\","
	"\"protocol\":\"tcp\",\"port\":80,\"connections\":1,\"failures\":0,\"bytes\":9}]}";

static void edges_stand_together_by_where_they_come_from(void **state)
{
	(void)state;
	assert_view(graph_show, edges,
		    "FROM               TO           PORT     CONNECTIONS  FAILURES   BYTES\n"
		    "web             →  10.1.0.0/24  icmp               1         0     0 B\n"
		    "network:office  →  service:web  tcp/80             1         0     9 B\n"
		    "                →  service:web  tcp/443            7         3    10 B\n"
		    "service:web     →  web          tcp/80        12,044         0  1.2 MB\n");
	assert_view(graph_show, "{\"nodes\":[],\"edges\":[]}", "no flows\n");
}

static void a_drawing_knows_nodes_of_one_name_apart(void **state)
{
	(void)state;
	assert_view(graph_draw, edges,
		    "digraph edgelb {\n"
		    "\tgraph [rankdir=LR, charset=\"UTF-8\"];\n"
		    "\tnode [fontname=\"sans-serif\"];\n"
		    "\tedge [fontname=\"sans-serif\", fontsize=10];\n"
		    "\tn0 [shape=box, label=\"alone\", tooltip=\"container\"];\n"
		    "\tn1 [shape=box, label=\"web\", tooltip=\"container\"];\n"
		    "\tn2 [shape=ellipse, label=\"10.1.0.0/24\", tooltip=\"network\"];\n"
		    "\tn3 [shape=ellipse, label=\"office\", tooltip=\"network\"];\n"
		    "\tn4 [shape=hexagon, label=\"web\", tooltip=\"service\"];\n"
		    "\tn1 -> n2 [label=\"icmp · 1 · 0 B\", penwidth=1.0];\n"
		    "\tn3 -> n4 [label=\"tcp/80 · 1 · 9 B\", penwidth=1.0];\n"
		    "\tn3 -> n4 [label=\"tcp/443 · 7 · 3 failed · 10 B\", penwidth=1.4, color=red, "
		    "fontcolor=red];\n"
		    "\tn4 -> n1 [label=\"tcp/80 · 12,044 · 1.2 MB\", penwidth=3.4];\n"
		    "}\n");
}

static void an_edge_brings_the_nodes_that_are_missing(void **state)
{
	(void)state;
	assert_view(graph_show,
		    "{\"edges\":[7,null,{\"from\":\"a\",\"from_kind\":\"container\","
		    "\"to\":\"b\"}]}",
		    "FROM     TO  CONNECTIONS  FAILURES  BYTES\n"
		    "      →                0         0    0 B\n"
		    "      →                0         0    0 B\n"
		    "a     →  b             0         0    0 B\n");
	assert_view(graph_draw, "{\"edges\":\"x\",\"nodes\":[{\"name\":\"a\\\"\\\\\\n&\\u009b\"}]}",
		    "digraph edgelb {\n"
		    "\tgraph [rankdir=LR, charset=\"UTF-8\"];\n"
		    "\tnode [fontname=\"sans-serif\"];\n"
		    "\tedge [fontname=\"sans-serif\", fontsize=10];\n"
		    "\tn0 [shape=ellipse, label=\"a\\\"\\\\\\n&amp;\xef\xbf\xbd\", tooltip=\"\"];\n"
		    "}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_seconds_or_more),
		cmocka_unit_test(ports_are_whole_numbers),
		cmocka_unit_test(what_looks_like_an_address_must_be_one),
		cmocka_unit_test(a_query_holds_whatever_a_name_holds),
		cmocka_unit_test(only_whole_characters_pass),
		cmocka_unit_test(the_flow_of_most_bytes_stands_first),
		cmocka_unit_test(what_an_answer_lacks_is_said),
		cmocka_unit_test(answers_that_no_daemon_gives_are_survived),
		cmocka_unit_test(containers_are_shown_by_what_they_moved),
		cmocka_unit_test(a_flow_is_told_when_it_appears_and_when_it_ends),
		cmocka_unit_test(the_past_is_told_to_who_asks_for_it),
		cmocka_unit_test(an_answer_without_ids_goes_by_the_start),
		cmocka_unit_test(a_screen_is_never_left_at_the_bottom_or_the_side),
		cmocka_unit_test(edges_stand_together_by_where_they_come_from),
		cmocka_unit_test(a_drawing_knows_nodes_of_one_name_apart),
		cmocka_unit_test(an_edge_brings_the_nodes_that_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
