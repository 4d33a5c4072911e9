/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lbctl top makes of the daemon's answers: rates, order, filter, numbers and their places. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "lb/ctl/top_model.h"
#include "lb/ctl/top_text.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define SECOND 1000000000ULL

/* ---- answers --------------------------------------------------------------------------------- */

#define BACKEND(name, address, state, packets, bytes, new_flows) \
	"{\"name\":\"" name "\",\"address\":\"" address "\",\"port\":80,\"forward\":\"nat\"," \
	"\"state\":\"" state "\",\"reason\":null,\"effective_weight\":1,\"override\":false," \
	"\"share\":0.5,\"packets\":" #packets ",\"bytes\":" #bytes ",\"new_flows\":" #new_flows \
	",\"local_connections\":0}"

#define SERVICE(name, state, backends) \
	"{\"name\":\"" name "\",\"state\":\"" state "\",\"slots_moving\":0,\"forward\":\"nat\"," \
	"\"protocol\":\"tcp\",\"reason\":null,\"backends\":[" backends "]}"

#define SHOW(services) \
	"{\"config\":{\"file\":\"lb.conf\",\"loaded\":\"now\"},\"services\":[" services "]}"

#define CONTAINER(name, cgroup, out) \
	"{\"name\":\"" name "\",\"cgroup\":\"" cgroup "\",\"group\":null,\"flows\":3," \
	"\"new_flows\":1,\"packets_in\":0,\"packets_out\":0,\"bytes_in\":0,\"bytes_out\":" #out \
	",\"failures\":0,\"retransmits\":0,\"rtt_us\":1200}"
#define CONTAINERS(list, other) "{\"containers\":[" list "],\"other\":{\"flows\":" #other \
	",\"bytes_out\":" #other "}}"

static void take(struct top *top, const char *answer, uint64_t at_ns)
{
	struct json_object *reply = json_tokener_parse(answer);

	assert_non_null(reply);
	top_take_show(top, reply, at_ns);
	json_object_put(reply);
}

static void take_containers(struct top *top, const char *answer, uint64_t at_ns)
{
	struct json_object *reply = json_tokener_parse(answer);

	assert_non_null(reply);
	top_take_containers(top, reply, at_ns);
	json_object_put(reply);
}

static size_t column_of(enum top_view view, const char *title)
{
	size_t count;
	const struct top_column *columns = top_columns(view, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(columns[i].title, title))
			return i;
	fail_msg("%s has no column %s", top_view_name(view), title);
	return 0;
}

/* The cell as it is shown, of the row with that name. */
static const char *shown(const struct top *top, enum top_view view, const char *name,
			 const char *title)
{
	static char text[TOP_TEXT_MAX];
	const struct top_order order = { 0 };
	size_t columns, count, column = column_of(view, title);
	const struct top_column *list = top_columns(view, &columns);
	const struct top_row **rows = top_arrange(top, view, &order, "", &count);
	const char *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (!strcmp(rows[i]->cells[0].text, name))
			found = top_cell_format(&list[column], &rows[i]->cells[column], text);
	free(rows);
	assert_non_null(found);
	return found;
}

/* ---- rates ----------------------------------------------------------------------------------- */

#define ONE(state, packets, bytes, new_flows) \
	SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.1", state, packets, bytes, new_flows)))

static const struct {
	const char *sentence, *before, *after;
	uint64_t took_ns;
	const char *packets, *bits, *new_flows;	/* of backend web/a */
	const char *total;			/* packets of the service */
} rates[] = {
	{ "a second's difference", ONE("up", 100, 1000, 5), ONE("up", 137, 2000, 7), SECOND, "37",
	  "8.0k", "2.0", "37" },
	{ "a tenth of a second", ONE("up", 100, 1000, 5), ONE("up", 137, 2000, 5), SECOND / 10,
	  "370", "80.0k", "0", "370" },
	{ "ten seconds", ONE("up", 0, 0, 0), ONE("up", 5, 10, 1), 10 * SECOND, "0.5", "8.0", "0.1",
	  "0.5" },
	{ "counters that went backwards: the next answer tells", ONE("up", 1000, 1000, 5),
	  ONE("up", 10, 2000, 5), SECOND, "-", "8.0k", "0", "-" },
	{ "null for udp is no rate", ONE("up", 0, 0, null), ONE("up", 9, 0, null), SECOND, "9.0",
	  "0", "", "9.0" },
	{ "no time at all", ONE("up", 0, 0, 0), ONE("up", 9, 9, 9), 0, "-", "-", "-", "-" },
	{ "another address is another backend", ONE("up", 100, 0, 0),
	  SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.9", "up", 900, 0, 0))), SECOND, "-", "-",
	  "-", "-" },
	{ "a new backend does not spoil the sum", ONE("up", 0, 0, 0),
	  SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.1", "up", 20, 0, 0) ","
		       BACKEND("b", "10.0.0.2", "up", 5000, 0, 0))), SECOND, "20", "0", "0", "20" },
	{ "one that is taken away does not either",
	  SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.1", "up", 20, 0, 0) ","
		       BACKEND("b", "10.0.0.2", "up", 5000, 0, 0))),
	  ONE("up", 30, 0, 0), SECOND, "10", "0", "0", "10" },
	{ "counters beyond 2^53 keep their difference", ONE("up", 18000000000000000000, 0, 0),
	  ONE("up", 18000000000000000037, 0, 0), SECOND, "37", "0", "0", "37" },
};

static void rates_are_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct top *top = top_new();

		print_message("%s\n", rates[i].sentence);
		take(top, rates[i].before, SECOND);
		assert_string_equal(shown(top, TOP_SERVICES, "web", "PACKETS/S"), "-");
		take(top, rates[i].after, SECOND + rates[i].took_ns);
		assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "PACKETS/S"),
				    rates[i].packets);
		assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "BIT/S"), rates[i].bits);
		assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "NEW/S"),
				    rates[i].new_flows);
		assert_string_equal(shown(top, TOP_SERVICES, "web", "PACKETS/S"), rates[i].total);
		top_free(top);
	}
}

static void an_interruption_makes_no_mean_of_the_time_between(void **state)
{
	struct top *top = top_new();

	(void)state;
	take(top, ONE("up", 0, 0, 0), SECOND);
	take(top, ONE("up", 50, 0, 0), 2 * SECOND);
	top_interrupt(top, TOP_SERVICES);
	top_interrupt(top, TOP_BACKENDS);
	assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "PACKETS/S"), "50");
	take(top, ONE("up", 100050, 0, 0), 100 * SECOND);
	assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "PACKETS/S"), "-");
	assert_true(top_interval_s(top, TOP_BACKENDS) == 0);
	take(top, ONE("up", 100070, 0, 0), 101 * SECOND);
	assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "PACKETS/S"), "20");
	assert_true(top_interval_s(top, TOP_BACKENDS) == 1);
	top_free(top);
}

static void an_answer_that_comes_late_was_made_when_it_says(void **state)
{
	static const char *const answers[] = {
		"{\"monotonic_ns\":1000000000,\"containers\":[" CONTAINER("web", "/a", 0) "]}",
		"{\"monotonic_ns\":2000000000,\"containers\":[" CONTAINER("web", "/a", 100) "]}",
	};
	struct top *top = top_new();

	(void)state;
	take_containers(top, answers[0], 1990000000);
	take_containers(top, answers[1], 2000000000);
	assert_string_equal(shown(top, TOP_CONTAINERS, "web", "BIT OUT/S"), "800");
	assert_true(top_interval_s(top, TOP_CONTAINERS) == 1);
	top_free(top);
}

static void totals_are_sums_over_services(void **state)
{
	struct top *top = top_new();
	char *text;

	(void)state;
	take(top, SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.1", "up", 0, 0, 0) ","
			       BACKEND("a", "fd00::1", "down", 0, 0, 0)) ","
		       SERVICE("dns", "down", BACKEND("d", "10.0.0.2", "down", 0, 0, null))),
	     SECOND);
	text = top_totals_text(top_totals(top));
	assert_string_equal(text, "- packets/s, - bit/s, - new flows/s; 2 services, 1 down; "
				  "2 backends, 2 not up");
	free(text);
	take(top, SHOW(SERVICE("web", "up", BACKEND("a", "10.0.0.1", "up", 100, 1000, 10) ","
			       BACKEND("a", "fd00::1", "up", 20, 250, 2)) ","
		       SERVICE("dns", "down", BACKEND("d", "10.0.0.2", "down", 3, 0, null))),
	     2 * SECOND);
	text = top_totals_text(top_totals(top));
	assert_string_equal(text, "123 packets/s, 10.0k bit/s, 12 new flows/s; "
				  "2 services, 1 down; 2 backends, 1 not up");
	free(text);
	assert_string_equal(shown(top, TOP_SERVICES, "web", "UP"), "1 of 1");
	assert_string_equal(shown(top, TOP_SERVICES, "dns", "NEW/S"), "");
	assert_string_equal(shown(top, TOP_BACKENDS, "web/a", "ADDRESS"), "[fd00::1]:80");
	top_free(top);
}

/* ---- containers ------------------------------------------------------------------------------ */

static void containers_of_one_name_are_two_by_their_cgroups(void **state)
{
	const struct top_order order = { .column = top_column_default(TOP_CONTAINERS) };
	const struct top_row **rows;
	struct top *top = top_new();
	size_t count, bits = column_of(TOP_CONTAINERS, "BIT OUT/S");

	(void)state;
	take_containers(top, CONTAINERS(CONTAINER("web", "/a", 0) "," CONTAINER("web", "/b", 0), 0),
			SECOND);
	take_containers(top,
			CONTAINERS(CONTAINER("web", "/b", 100) "," CONTAINER("web", "/a", 10), 0),
			2 * SECOND);
	rows = top_arrange(top, TOP_CONTAINERS, &order, "", &count);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0]->key, "web /b");
	assert_true(rows[0]->cells[bits].number == 800);
	assert_true(rows[1]->cells[bits].number == 80);
	free(rows);
	assert_string_equal(shown(top, TOP_CONTAINERS, "web", "RTT"), "1.2ms");
	top_free(top);
}

static void what_found_no_place_is_a_row_once_there_is_some(void **state)
{
	struct top *top = top_new();

	(void)state;
	take_containers(top, CONTAINERS(CONTAINER("web", "/a", 0), 0), SECOND);
	assert_int_equal(top_count(top, TOP_CONTAINERS), 1);
	take_containers(top, CONTAINERS(CONTAINER("web", "/a", 0), 50), 2 * SECOND);
	take_containers(top, CONTAINERS(CONTAINER("web", "/a", 0), 60), 3 * SECOND);
	assert_int_equal(top_count(top, TOP_CONTAINERS), 2);
	assert_string_equal(shown(top, TOP_CONTAINERS, "(other)", "BIT OUT/S"), "80");
	assert_string_equal(shown(top, TOP_CONTAINERS, "(other)", "NEW/S"), "10");
	assert_string_equal(shown(top, TOP_CONTAINERS, "(other)", "FLOWS"), "");
	top_refuse_containers(top, "flows is not in the config");
	assert_int_equal(top_count(top, TOP_CONTAINERS), 0);
	assert_string_equal(top_containers_refused(top), "flows is not in the config");
	take_containers(top, CONTAINERS("", 0), 4 * SECOND);
	assert_null(top_containers_refused(top));
	top_free(top);
}

static void an_answer_of_another_shape_has_no_rows(void **state)
{
	static const char *const answers[] = {
		"{}", "{\"services\":null}", "{\"services\":{}}", "{\"services\":[]}",
		"{\"containers\":7,\"other\":[]}",
	};
	struct top *top = top_new();

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		take(top, answers[i], (i + 1) * SECOND);
		take_containers(top, answers[i], (i + 1) * SECOND);
		assert_int_equal(top_count(top, TOP_SERVICES), 0);
		assert_int_equal(top_count(top, TOP_CONTAINERS), 0);
	}
	take(top, "{\"services\":[null,7,{\"name\":\"x\",\"backends\":[null,{\"state\":[]}]}]}",
	     9 * SECOND);
	assert_int_equal(top_count(top, TOP_SERVICES), 3);
	assert_int_equal(top_count(top, TOP_BACKENDS), 2);
	top_free(top);
}

/* ---- order and filter ------------------------------------------------------------------------ */

#define THREE(a, b, c) \
	SHOW(SERVICE("web-2", "up", BACKEND("x", "10.0.0.1", "up", a, 0, 0)) "," \
	     SERVICE("web-10", "down", BACKEND("x", "10.0.0.2", "down", b, 0, 0)) "," \
	     SERVICE("\xc3\xa4pfel", "up", BACKEND("x", "10.0.0.3", "drain", c, 0, null)))

static const struct {
	const char *sentence;
	enum top_view view;
	const char *title;
	bool reversed;
	const char *filter, *order;
} orders[] = {
	{ "numbers fall", TOP_SERVICES, "PACKETS/S", false, "", "web-10 web-2 \xc3\xa4pfel" },
	{ "or rise", TOP_SERVICES, "PACKETS/S", true, "", "\xc3\xa4pfel web-2 web-10" },
	{ "names as people count", TOP_SERVICES, "SERVICE", false, "",
	  "web-2 web-10 \xc3\xa4pfel" },
	{ "or backwards", TOP_SERVICES, "SERVICE", true, "", "\xc3\xa4pfel web-10 web-2" },
	{ "texts, and by name among equals", TOP_SERVICES, "STATE", false, "",
	  "web-10 web-2 \xc3\xa4pfel" },
	{ "equals by name backwards too", TOP_SERVICES, "MOVING", true, "",
	  "web-2 web-10 \xc3\xa4pfel" },
	{ "what is not known is last", TOP_SERVICES, "NEW/S", false, "",
	  "web-2 web-10 \xc3\xa4pfel" },
	{ "and last backwards", TOP_SERVICES, "NEW/S", true, "", "web-2 web-10 \xc3\xa4pfel" },
	{ "a filter by name", TOP_SERVICES, "SERVICE", false, "WEB-", "web-2 web-10" },
	{ "by any text", TOP_SERVICES, "SERVICE", false, "down", "web-10" },
	{ "by an address", TOP_BACKENDS, "BACKEND", false, "0.0.3", "\xc3\xa4pfel/x" },
	{ "in UTF-8", TOP_SERVICES, "SERVICE", false, "\xc3\xa4", "\xc3\xa4pfel" },
	{ "that nobody passes", TOP_SERVICES, "SERVICE", false, "nobody", "" },
};

static void rows_are_sorted_and_filtered(void **state)
{
	struct top *top = top_new();

	(void)state;
	take(top, THREE(0, 0, 0), SECOND);
	take(top, THREE(20, 30, 10), 2 * SECOND);
	for (size_t i = 0; i < COUNT(orders); i++) {
		const struct top_order order = {
			.column = column_of(orders[i].view, orders[i].title),
			.reversed = orders[i].reversed,
		};
		const struct top_row **rows;
		char text[128] = "";
		size_t count;

		print_message("%s\n", orders[i].sentence);
		rows = top_arrange(top, orders[i].view, &order, orders[i].filter, &count);
		for (size_t row = 0; row < count; row++) {
			strcat(text, row ? " " : "");
			strcat(text, rows[row]->cells[0].text);
		}
		free(rows);
		assert_string_equal(text, orders[i].order);
	}
	top_free(top);
}

static void each_view_is_sorted_by_a_rate_at_first(void **state)
{
	(void)state;
	for (size_t view = 0; view < TOP_VIEWS; view++) {
		size_t count, column = top_column_default((enum top_view)view);
		const struct top_column *columns = top_columns((enum top_view)view, &count);
		enum top_view found;

		assert_true(column < count);
		assert_true(columns[column].kind == TOP_RATE || columns[column].kind == TOP_BITS);
		assert_int_equal(top_view_find(top_view_name((enum top_view)view), &found), 0);
		assert_int_equal(found, view);
	}
}

/* As many backends as the tables have room for: each finds its own past again. */
static void each_of_many_rows_has_its_own_past(void **state)
{
	const size_t many = 30000;
	struct top *top = top_new();
	size_t packets = column_of(TOP_BACKENDS, "PACKETS/S"), count;
	const struct top_order order = { .column = packets };
	const struct top_row **rows;

	(void)state;
	for (uint64_t second = 1; second <= 2; second++) {
		struct json_object *reply = json_tokener_parse(SHOW(SERVICE("s", "up", "")));
		struct json_object *service = json_object_array_get_idx(
			json_object_object_get(reply, "services"), 0);
		struct json_object *list = json_object_object_get(service, "backends");

		for (size_t i = 0; i < many; i++) {
			size_t number = second == 1 ? i : many - 1 - i;
			struct json_object *row = json_object_new_object();
			char name[16];

			snprintf(name, sizeof(name), "b%zu", number);
			json_object_object_add(row, "name", json_object_new_string(name));
			json_object_object_add(row, "packets",
					       json_object_new_int64((int64_t)(number * second)));
			json_object_array_add(list, row);
		}
		top_take_show(top, reply, second * SECOND);
		json_object_put(reply);
	}
	rows = top_arrange(top, TOP_BACKENDS, &order, "", &count);
	assert_int_equal(count, many);
	for (size_t i = 0; i < many; i++)
		assert_true(rows[i]->cells[packets].number == (double)(many - 1 - i));
	free(rows);
	top_free(top);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void numbers_keep_to_six_columns(void **state)
{
	static const struct {
		double number;
		const char *text;
	} rows[] = {
		{ 0, "0" },	    { 0.04, "0" },	{ 0.06, "0.1" },     { 1, "1.0" },
		{ 9.94, "9.9" },    { 9.96, "10" },	{ 12, "12" },	     { 999.4, "999" },
		{ 999.6, "1.0k" },  { 1234, "1.2k" },	{ 999949, "999.9k" }, { 999951, "1.0M" },
		{ 45.1e6, "45.1M" }, { 1e9, "1.0G" },	{ 2.5e12, "2.5T" },  { 1e18, "1.0E" },
	}, times[] = {
		{ 0, "0us" },	   { 850, "850us" },	{ 999.6, "1.0ms" },  { 1234, "1.2ms" },
		{ 999951, "1.0s" }, { 2.3e6, "2.3s" },
	};
	char text[TOP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(top_rate_format(rows[i].number, text), rows[i].text);
	for (size_t i = 0; i < COUNT(times); i++)
		assert_string_equal(top_time_format(times[i].number, text), times[i].text);
}

static void texts_keep_to_their_columns(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
		const wchar_t *wide;
		size_t used;
	} rows[] = {
		{ "web", 3, L"web", 3 },
		{ "web", 10, L"web", 3 },
		{ "web-front", 4, L"web~", 4 },
		{ "web", 1, L"~", 1 },
		{ "web", 0, L"", 0 },
		{ "\xc3\xa4pfel", 5, L"\u00e4pfel", 5 },
		{ "\xc3\xa4pfel", 3, L"\u00e4p~", 3 },
		{ "\xe6\xbc\xa2\xe5\xad\x97", 4, L"\u6f22\u5b57", 4 },
		{ "\xe6\xbc\xa2\xe5\xad\x97", 3, L"\u6f22~", 3 },
		{ "\xe6\xbc\xa2\xe5\xad\x97", 2, L"~", 1 },
		{ "a\x1b[31mb", 9, L"a?[31mb", 7 },
		{ "a\xff\xc3", 9, L"a??", 3 },
	};
	wchar_t wide[TOP_WIDE_MAX];

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(top_fit(rows[i].text, rows[i].columns, wide), rows[i].used);
		assert_int_equal(wcscmp(wide, rows[i].wide), 0);
	}
	setlocale(LC_CTYPE, "C");
	assert_int_equal(top_fit("\xc3\xa4pfel", 9, wide), 6);
	assert_int_equal(wcscmp(wide, L"??pfel"), 0);
}

static void a_text_without_end_is_cut(void **state)
{
	wchar_t wide[TOP_WIDE_MAX];
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(top_fit(text, sizeof(text), wide) < TOP_WIDE_MAX);
	assert_true(wcslen(wide) < TOP_WIDE_MAX);
}

static void json_has_every_view_with_null_for_what_is_not_known(void **state)
{
	struct top *top = top_new();
	struct json_object *object, *row;

	(void)state;
	take(top, ONE("up", 0, 0, null), SECOND);
	take(top, ONE("up", 500, 100, null), 3 * SECOND);
	top_refuse_containers(top, "flows is not in the config");
	object = top_json(top);
	assert_true(json_object_get_double(json_object_object_get(object, "interval_s")) == 2);
	assert_true(json_object_get_double(json_object_object_get(object, "packets_per_s")) == 250);
	assert_true(json_object_get_double(json_object_object_get(object, "bits_per_s")) == 400);
	assert_null(json_object_object_get(object, "new_flows_per_s"));
	assert_null(json_object_object_get(object, "containers"));
	assert_int_equal(json_object_array_length(json_object_object_get(object, "services")), 1);
	row = json_object_array_get_idx(json_object_object_get(object, "backends"), 0);
	assert_string_equal(json_object_get_string(json_object_object_get(row, "name")), "web/a");
	assert_true(json_object_get_double(json_object_object_get(row, "packets_per_s")) == 250);
	assert_null(json_object_object_get(row, "new_flows_per_s"));
	assert_int_equal(json_object_get_int(json_object_object_get(row, "effective_weight")), 1);
	json_object_put(object);
	top_free(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_differences),
		cmocka_unit_test(an_interruption_makes_no_mean_of_the_time_between),
		cmocka_unit_test(an_answer_that_comes_late_was_made_when_it_says),
		cmocka_unit_test(totals_are_sums_over_services),
		cmocka_unit_test(containers_of_one_name_are_two_by_their_cgroups),
		cmocka_unit_test(what_found_no_place_is_a_row_once_there_is_some),
		cmocka_unit_test(an_answer_of_another_shape_has_no_rows),
		cmocka_unit_test(rows_are_sorted_and_filtered),
		cmocka_unit_test(each_view_is_sorted_by_a_rate_at_first),
		cmocka_unit_test(each_of_many_rows_has_its_own_past),
		cmocka_unit_test(numbers_keep_to_six_columns),
		cmocka_unit_test(texts_keep_to_their_columns),
		cmocka_unit_test(a_text_without_end_is_cut),
		cmocka_unit_test(json_has_every_view_with_null_for_what_is_not_known),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
