/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb/influx*: how points are written, which of them wait, and what is told of an answer. Against a
 * real InfluxDB, and against targets that behave badly: tests/net/test_influx.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/influx_answer.h"
#include "lb/influx_buffer.h"
#include "lb/influx_line.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct timespec noon = { .tv_sec = 1700000000, .tv_nsec = 42 };
#define NOON "1700000000000000042"

/* ---- lines ----------------------------------------------------------------------------------- */

struct text {
	char *text;
	size_t size;
	FILE *to;
};

static FILE *text_begin(struct text *text)
{
	*text = (struct text){ 0 };
	text->to = open_memstream(&text->text, &text->size);
	assert_non_null(text->to);
	return text->to;
}

/* The points that it has, and their lines are expected to be these. */
static size_t text_end(struct text *text, const char *expected)
{
	size_t points;

	assert_int_equal(fclose(text->to), 0);
	points = influx_lines_finish(text->text, &text->size);
	text->text[text->size] = '\0';
	assert_string_equal(text->text, expected);
	assert_int_equal(text->size, strlen(expected));
	free(text->text);
	return points;
}

static void names_and_values_are_escaped(void **state)
{
	static const struct {
		const char *what, *measurement, *key, *value, *line;
	} rows[] = {
		{ "plain", "m", "k", "v", "m,k=v" },
		{ "a comma", "a,b", "c,d", "e,f", "a\\,b,c\\,d=e\\,f" },
		{ "a blank", "a b", "c d", "e f", "a\\ b,c\\ d=e\\ f" },
		{ "an equals sign, which a measurement may hold", "a=b", "c=d", "e=f",
		  "a=b,c\\=d=e\\=f" },
		{ "a quote is nothing special", "a\"", "\"k\"", "\"v\"", "a\",\"k\"=\"v\"" },
		{ "neither is a backslash before something else", "m", "k",
		  "system.slice/a\\x2db.scope", "m,k=system.slice/a\\x2db.scope" },
		{ "two of them", "m", "k", "a\\\\b", "m,k=a\\\\b" },
		{ "a backslash before what is escaped", "m", "k", "a\\,b\\ c\\=d",
		  "m,k=a_\\,b_\\ c_\\=d" },
		{ "a backslash at the end", "m\\", "k\\", "v\\", "m_,k_=v_" },
		{ "backslashes at the end", "m", "k", "v\\\\", "m,k=v\\_" },
		{ "line ends and what else controls", "a\nb", "c\rd", "e\n\t\x01\x1f\x7f""f",
		  "a_b,c_d=e_____f" },
		{ "a comment", "#m#", "#k", "#v", "_m#,#k=#v" },
		{ "a backslash before a quote", "a\\\"", "k", "b\\\"", "a_\",k=b_\"" },
		{ "UTF-8", "μ", "ключ", "值 ü", "μ,ключ=值\\ ü" },
		{ "a value that is empty", "m", "k", "", "m" },
		{ "no value", "m", "k", NULL, "m" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char expected[256];
		struct text text;
		FILE *to = text_begin(&text);

		print_message("%s\n", rows[i].what);
		influx_measure(to, rows[i].measurement);
		influx_tag(to, rows[i].key, rows[i].value);
		influx_count(to, "n", 1);
		influx_time(to, noon);
		snprintf(expected, sizeof(expected), "%s n=1i " NOON "\n", rows[i].line);
		assert_int_equal(text_end(&text, expected), 1);
	}
}

static void fields_are_integers_and_finite_numbers(void **state)
{
	struct text text;
	FILE *to = text_begin(&text);

	(void)state;
	influx_measure(to, "m");
	influx_number(to, "lost", NAN);
	influx_count(to, "\"none\"", 0);
	influx_count(to, "most", INT64_MAX);
	influx_count(to, "beyond", UINT64_MAX);
	influx_number(to, "half, or so", 0.5);
	influx_number(to, "lost", INFINITY);
	influx_number(to, "tenth", 0.1);
	influx_number(to, "large", -1e300);
	influx_number(to, "whole", 3);
	influx_time(to, noon);
	assert_int_equal(text_end(&text, "m _none_=0i,most=9223372036854775807i,"
					 "beyond=9223372036854775807i,half\\,\\ or\\ so=0.5,"
					 "tenth=0.10000000000000001,large=-1.0000000000000001e+300,"
					 "whole=3 " NOON "\n"), 1);
}

static void times_have_nine_digits_behind_the_second(void **state)
{
	static const struct {
		struct timespec when;
		const char *line;
	} rows[] = {
		{ { 0, 0 }, "m n=1i 0000000000\n" },
		{ { 1, 999999999 }, "m n=1i 1999999999\n" },
		{ { 4102444800, 1 }, "m n=1i 4102444800000000001\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct text text;
		FILE *to = text_begin(&text);

		influx_measure(to, "m");
		influx_count(to, "n", 1);
		influx_time(to, rows[i].when);
		assert_int_equal(text_end(&text, rows[i].line), 1);
	}
}

static void a_point_without_a_field_is_none(void **state)
{
	struct text text;
	FILE *to = text_begin(&text);

	(void)state;
	influx_measure(to, "first");
	influx_time(to, noon);
	influx_measure(to, "second");
	influx_tag(to, "k", "v");
	influx_number(to, "x", 1);
	influx_time(to, noon);
	influx_measure(to, "third");
	influx_number(to, "x", NAN);
	influx_time(to, noon);
	influx_measure(to, "fourth");
	influx_count(to, "n", 4);
	influx_time(to, noon);
	influx_measure(to, "not ended");
	influx_count(to, "n", 5);
	assert_int_equal(text_end(&text, "second,k=v x=1 " NOON "\nfourth n=4i " NOON "\n"), 2);
	text_begin(&text);
	assert_int_equal(text_end(&text, ""), 0);
}

/* ---- what waits ------------------------------------------------------------------------------ */

/* So many points in lines of 10 bytes, numbered from `first` on. */
static void add(struct influx_buffer *buffer, size_t first, size_t count)
{
	char *text = malloc(10 * count + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		sprintf(text + 10 * i, "n=%06zui\n", first + i);
	influx_buffer_add(buffer, text, 10 * count);
	free(text);
}

/* What is taken is these points, and no others. */
static void assert_taken(struct influx_buffer *buffer, size_t first, size_t count)
{
	size_t size = 0, from, last;
	char *text = influx_buffer_take(buffer, &size);

	assert_non_null(text);
	assert_int_equal(size, 10 * count);
	assert_int_equal(sscanf(text, "n=%zui", &from), 1);
	assert_int_equal(sscanf(text + size - 10, "n=%zui", &last), 1);
	assert_int_equal(from, first);
	assert_int_equal(last, first + count - 1);
	free(text);
}

static void small_batches_go_together(void **state)
{
	struct influx_buffer buffer;
	size_t size;

	(void)state;
	influx_buffer_init(&buffer, 1 << 20);
	assert_null(influx_buffer_take(&buffer, &size));
	add(&buffer, 0, 10);
	add(&buffer, 10, 4000);
	add(&buffer, 4010, 990);
	add(&buffer, 5000, 1);
	assert_taken(&buffer, 0, 5000);
	assert_int_equal(influx_buffer_done(&buffer), 5000);
	assert_int_equal(buffer.size, 10);
	assert_taken(&buffer, 5000, 1);
	assert_int_equal(influx_buffer_done(&buffer), 1);
	assert_int_equal(buffer.size, 0);
	assert_null(influx_buffer_take(&buffer, &size));
	assert_int_equal(influx_buffer_done(&buffer), 0);
}

static void a_batch_that_does_not_fit_beside_another_waits(void **state)
{
	struct influx_buffer buffer;

	(void)state;
	influx_buffer_init(&buffer, 1 << 20);
	add(&buffer, 0, 4000);
	add(&buffer, 4000, 1001);
	assert_taken(&buffer, 0, 4000);
	influx_buffer_done(&buffer);
	assert_taken(&buffer, 4000, 1001);
	influx_buffer_clear(&buffer);
}

static void a_large_batch_becomes_several_requests(void **state)
{
	struct influx_buffer buffer;

	(void)state;
	influx_buffer_init(&buffer, 1 << 20);
	add(&buffer, 0, 12000);
	assert_taken(&buffer, 0, 5000);
	influx_buffer_done(&buffer);
	assert_taken(&buffer, 5000, 5000);
	influx_buffer_done(&buffer);
	assert_taken(&buffer, 10000, 2000);
	influx_buffer_done(&buffer);
	assert_int_equal(buffer.dropped, 0);
}

/* Whole lines, of which each is far longer than a point of ours. */
static void a_request_has_a_mebibyte_at_the_most(void **state)
{
	const size_t length = 1 << 16, lines = 40;
	char *text = malloc(length * lines), *taken;
	struct influx_buffer buffer;
	size_t size, sum = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', length * lines);
	for (size_t i = 1; i <= lines; i++)
		text[i * length - 1] = '\n';
	influx_buffer_init(&buffer, 8 << 20);
	influx_buffer_add(&buffer, text, length * lines);
	free(text);
	while ((taken = influx_buffer_take(&buffer, &size))) {
		assert_in_range(size, length, INFLUX_POST_BYTES);
		assert_int_equal(size % length, 0);
		assert_int_equal(taken[size - 1], '\n');
		assert_int_equal(influx_buffer_done(&buffer), size / length);
		sum += size;
		free(taken);
	}
	assert_int_equal(sum, length * lines);
}

static void what_was_not_written_is_taken_again(void **state)
{
	struct influx_buffer buffer;

	(void)state;
	influx_buffer_init(&buffer, 1 << 20);
	add(&buffer, 0, 5);
	assert_taken(&buffer, 0, 5);
	add(&buffer, 5, 5);
	influx_buffer_keep(&buffer);
	assert_taken(&buffer, 0, 10);
	assert_int_equal(influx_buffer_done(&buffer), 10);
}

static void the_oldest_make_room(void **state)
{
	struct influx_buffer buffer;

	(void)state;
	influx_buffer_init(&buffer, 100);
	for (size_t i = 0; i < 30; i += 3)
		add(&buffer, i, 3);
	assert_int_equal(buffer.dropped, 21);
	assert_int_equal(buffer.size, 90);
	add(&buffer, 30, 1);
	assert_int_equal(buffer.dropped, 21);
	assert_int_equal(buffer.size, 100);
	add(&buffer, 31, 4);
	assert_int_equal(buffer.dropped, 27);
	assert_taken(&buffer, 27, 8);
	influx_buffer_clear(&buffer);
	assert_int_equal(buffer.size, 0);
}

static void what_a_request_carries_is_not_dropped(void **state)
{
	struct influx_buffer buffer;

	(void)state;
	influx_buffer_init(&buffer, 100);
	add(&buffer, 0, 4);
	add(&buffer, 4, 4);
	assert_taken(&buffer, 0, 8);
	add(&buffer, 8, 1);
	add(&buffer, 9, 1);
	add(&buffer, 10, 2);	/* 8 and 9 go */
	assert_int_equal(buffer.dropped, 2);
	assert_int_equal(buffer.size, 100);
	add(&buffer, 12, 3);	/* there is no room for them, nor for anybody else */
	assert_int_equal(buffer.dropped, 7);
	assert_int_equal(buffer.size, 80);
	assert_int_equal(influx_buffer_done(&buffer), 8);
	assert_int_equal(buffer.size, 0);
}

static void what_could_never_fit_is_dropped_itself(void **state)
{
	struct influx_buffer buffer;
	size_t size;

	(void)state;
	influx_buffer_init(&buffer, 100);
	add(&buffer, 0, 5);
	add(&buffer, 5, 11);
	assert_int_equal(buffer.dropped, 16);
	assert_int_equal(buffer.size, 0);
	assert_null(influx_buffer_take(&buffer, &size));
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void an_answer_is_told_in_one_line(void **state)
{
	static const struct {
		long status;
		CURLcode code;
		const char *body, *cause;
	} rows[] = {
		{ 400, CURLE_OK, "{\"error\":\"unable to parse 'x': missing fields\"}\n",
		  "status 400: unable to parse 'x': missing fields" },
		{ 401, CURLE_OK, "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}",
		  "status 401: unauthorized access" },
		{ 500, CURLE_PARTIAL_FILE, "{\"error\":\"cut", "status 500: {\"error\":\"cut" },
		{ 502, CURLE_OK, "<html>\r\n<head>", "status 502: <html>" },
		{ 503, CURLE_OK, "", "status 503: no reason given" },
		{ 404, CURLE_OK, "[\"error\"]", "status 404: [\"error\"]" },
		{ 404, CURLE_OK, "{\"error\":5}", "status 404: {\"error\":5}" },
		{ 400, CURLE_OK, "{\"error\":\"two\\nlines\\u0007\"}", "status 400: two" },
		{ 400, CURLE_OK, "bell\a and\x7f tab\t.", "status 400: bell  and  tab ." },
		{ 301, CURLE_OK, "moved", "status 301, and redirects are not followed" },
		{ 0, CURLE_OPERATION_TIMEDOUT, "", "no answer in time" },
		{ 0, CURLE_COULDNT_CONNECT, "", "cannot connect" },
		{ 0, CURLE_GOT_NOTHING, "", "it closes without an answer" },
		{ 0, CURLE_WEIRD_SERVER_REPLY, "", "its answer is not HTTP" },
		{ 0, CURLE_COULDNT_RESOLVE_HOST, "", "Couldn't resolve host name" },
	};
	struct influx_answer answer = { .easy = curl_easy_init() };
	char cause[INFLUX_CAUSE_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		answer.status = rows[i].status;
		snprintf(answer.body, sizeof(answer.body), "%s", rows[i].body);
		influx_answer_cause(&answer, rows[i].code, cause);
		assert_string_equal(cause, rows[i].cause);
	}
	curl_easy_cleanup(answer.easy);
}

static void of_a_long_reason_the_beginning_is_told(void **state)
{
	struct influx_answer answer = { .easy = curl_easy_init(), .status = 400 };
	char cause[INFLUX_CAUSE_MAX];
	size_t length;

	(void)state;
	for (size_t ascii = 158; ascii <= 160; ascii++) {
		memset(answer.body, 'x', sizeof(answer.body) - 1);
		memcpy(answer.body + ascii, "ü", 2);
		influx_answer_cause(&answer, CURLE_OK, cause);
		length = strlen(cause);
		assert_string_equal(cause + length - 3, "...");
		length -= strlen("status 400: ") + strlen("...");
		assert_int_equal(length, ascii == 158 ? 160 : ascii);
	}
	curl_easy_cleanup(answer.easy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values_are_escaped),
		cmocka_unit_test(fields_are_integers_and_finite_numbers),
		cmocka_unit_test(times_have_nine_digits_behind_the_second),
		cmocka_unit_test(a_point_without_a_field_is_none),
		cmocka_unit_test(small_batches_go_together),
		cmocka_unit_test(a_batch_that_does_not_fit_beside_another_waits),
		cmocka_unit_test(a_large_batch_becomes_several_requests),
		cmocka_unit_test(a_request_has_a_mebibyte_at_the_most),
		cmocka_unit_test(what_was_not_written_is_taken_again),
		cmocka_unit_test(the_oldest_make_room),
		cmocka_unit_test(what_a_request_carries_is_not_dropped),
		cmocka_unit_test(what_could_never_fit_is_dropped_itself),
		cmocka_unit_test(an_answer_is_told_in_one_line),
		cmocka_unit_test(of_a_long_reason_the_beginning_is_told),
	};

	return cmocka_run_group_tests_name("influx", tests, NULL, NULL);
}
