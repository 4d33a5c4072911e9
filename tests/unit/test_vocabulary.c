/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config/, without a file: the words of lb.conf. Units, sizes of rings, the schema's table, and the
 * order in which findings are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/ring_size.h"
#include "config/schema.h"
#include "config/units.h"
#include "config/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void automatic_ring_is_a_prime_of_a_hundred_slots_a_backend(void **state)
{
	(void)state;
	assert_int_equal(config_ring_slots(65537, 3), 65537);
	assert_int_equal(config_ring_slots(0, 0), 1021);
	assert_int_equal(config_ring_slots(0, 10), 1021);
	assert_int_equal(config_ring_slots(0, 11), 1103);
	assert_int_equal(config_ring_slots(0, 1000), 100003);
	assert_int_equal(config_ring_slots(0, 1u << 24), CONFIG_RING_MAX);
	assert_true(ring_size_is_prime(CONFIG_RING_MAX));
	assert_int_equal(ring_size_next_prime(CONFIG_RING_MAX + 1) > 1u << 24, true);
}

static void primes_are_told_from_the_rest(void **state)
{
	static const uint32_t primes[] = { 2, 3, 5, 1021, 65521, 65537, 4294967291u };
	static const uint32_t others[] = { 0, 1, 4, 9, 1024, 65536, 4294836225u, 4294967295u };

	(void)state;
	for (size_t i = 0; i < COUNT(primes); i++)
		assert_true(ring_size_is_prime(primes[i]));
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(ring_size_is_prime(others[i]));
}

static void units_are_read(void **state)
{
	static const struct {
		enum unit_kind kind;
		const char *text;
		uint64_t value;
	} rows[] = {
		{ UNIT_TIME, "0s", 0 },
		{ UNIT_TIME, "250ms", 250 },
		{ UNIT_TIME, "5s", 5000 },
		{ UNIT_TIME, "5m", 300000 },
		{ UNIT_TIME, "2h", 7200000 },
		{ UNIT_SIZE, "8k", 8000 },
		{ UNIT_SIZE, "50M", 50000000 },
		{ UNIT_SIZE, "3G", 3000000000 },
		{ UNIT_BITRATE, "64kbit", 64000 },
		{ UNIT_BITRATE, "200mbit", 200000000 },
		{ UNIT_BITRATE, "10gbit", 10000000000 },
		{ UNIT_PACKETRATE, "1000pps", 1000 },
		{ UNIT_SHARE, "25%", 2500 },
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(unit_parse(rows[i].kind, rows[i].text, &value), 0);
		assert_int_equal(value, rows[i].value);
	}
}

static void other_units_are_refused(void **state)
{
	static const struct {
		enum unit_kind kind;
		const char *text;
		int error;
	} rows[] = {
		{ UNIT_TIME, "", -EINVAL },	  { UNIT_TIME, "5", -EINVAL },
		{ UNIT_TIME, "s", -EINVAL },	  { UNIT_TIME, "5 s", -EINVAL },
		{ UNIT_TIME, " 5s", -EINVAL },	  { UNIT_TIME, "5s ", -EINVAL },
		{ UNIT_TIME, "-5s", -EINVAL },	  { UNIT_TIME, "1.5s", -EINVAL },
		{ UNIT_TIME, "5S", -EINVAL },	  { UNIT_TIME, "5k", -EINVAL },
		{ UNIT_SIZE, "5K", -EINVAL },	  { UNIT_SIZE, "5kbit", -EINVAL },
		{ UNIT_BITRATE, "5k", -EINVAL },  { UNIT_PACKETRATE, "5kpps", -EINVAL },
		{ UNIT_SHARE, "25", -EINVAL },
		{ UNIT_TIME, "18446744073709551616ms", -ERANGE },
		{ UNIT_TIME, "18446744073709552s", -ERANGE },
	};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(unit_parse(rows[i].kind, rows[i].text, &value), rows[i].error);
		assert_int_equal(value, 7);
	}
	assert_int_equal(unit_parse(UNIT_TIME, "18446744073709551615ms", &value), 0);
	assert_true(value == UINT64_MAX);
}

static void time_is_written_in_its_largest_unit(void **state)
{
	char text[UNIT_TEXT_MAX];

	(void)state;
	assert_string_equal(unit_format(UNIT_TIME, 0, text), "0s");
	assert_string_equal(unit_format(UNIT_TIME, 1500, text), "1500ms");
	assert_string_equal(unit_format(UNIT_TIME, 90000, text), "90s");
	assert_string_equal(unit_format(UNIT_TIME, 135 * 60000, text), "135m");
	assert_string_equal(unit_format(UNIT_TIME, 7200000, text), "2h");
	assert_string_equal(unit_format(UNIT_SHARE, 2500, text), "25%");
}

static void findings_are_in_the_order_of_their_lines(void **state)
{
	_cleanup_diag_ struct diag diag = { 0 };
	char *text;

	(void)state;
	text = diag_text(&diag);
	assert_string_equal(text, "");
	free(text);
	diag_add(&diag, "a", 9, "second of %d", 9);
	diag_add(&diag, NULL, 0, "of no file");
	diag_add(&diag, "b", 1, "of another file");
	diag_add(&diag, "a", 3, "first");
	diag_add(&diag, "a", 9, "third, with\na break and \x1b[1m");
	diag_add(&diag, "b", 0, "of no line");
	assert_int_equal(diag.count, 6);
	text = diag_text(&diag);
	assert_string_equal(text, "a:3: first\na:9: second of 9\n"
				  "a:9: third, with?a break and ?[1m\nof no file\n"
				  "b: of no line\nb:1: of another file\n");
	free(text);
	diag_clear(&diag);
	assert_int_equal(diag.count, 0);
}

static void names_are_those_of_the_file(void **state)
{
	(void)state;
	assert_string_equal(config_forward_name(CONFIG_NAT), "nat");
	assert_string_equal(config_forward_name(CONFIG_GUE), "gue");
	assert_string_equal(config_protocol_name(CONFIG_TCP), "tcp");
	assert_string_equal(config_protocol_name(CONFIG_QUIC), "quic");
	assert_string_equal(config_state_name(CONFIG_UP), "up");
	assert_string_equal(config_state_name(CONFIG_DRAIN), "drain");
	assert_string_equal(config_state_name(CONFIG_OFF), "off");
	assert_string_equal(config_mode_name(CONFIG_MODE_AUTO), "auto");
	assert_string_equal(config_mode_name(CONFIG_MODE_GENERIC), "generic");
}

static void value_of_fallback_is_what_the_file_would_say(void **state)
{
	static const struct {
		unsigned int in;
		const char *key;
		int64_t number, last;
	} rows[] = {
		{ IN_BACKEND, "weight", 100, 100 }, { IN_BACKEND, "drain", 300000, 0 },
		{ IN_SERVICE, "ring_size", 0, 0 },  { IN_CHECK, "expect", 200, 299 },
		{ IN_INTERFACE, "optional", 0, 0 }, { IN_BACKEND, "port", 0, 0 },
		{ IN_TUNING, "max_slots", CONFIG_MAX_SLOTS, CONFIG_MAX_SLOTS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct value value = value_fallback(schema_find(rows[i].in, rows[i].key));

		assert_int_equal(value.number, rows[i].number);
		assert_int_equal(value.last, rows[i].last);
	}
}

static void no_place_has_two_rows_of_one_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_key_count; i++) {
		assert_non_null(schema_keys[i].help);
		for (size_t j = 0; j < i; j++)
			if ((schema_keys[i].in & schema_keys[j].in) &&
			    !strcmp(schema_keys[i].name, schema_keys[j].name))
				fail_msg("key %s", schema_keys[i].name);
	}
}

static void every_key_is_documented(void **state)
{
	char *text = NULL, *line, *rest;
	size_t size = 0, rows = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	schema_print(to);
	fclose(to);
	assert_non_null(strstr(text, "\n| interfaces | `optional` | true or false | false |  | "));
	assert_non_null(strstr(text, "\n| services | `vips` | an array [ ] of IPv4 and IPv6 "
				     "addresses | required |  | virtual"));
	assert_non_null(strstr(text, "\n| defaults, services | `hash` | \"5tuple\" or \"source\""
				     " | 5tuple |  | what of"));
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		rows++;
	assert_int_equal(rows, schema_key_count + 2);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(automatic_ring_is_a_prime_of_a_hundred_slots_a_backend),
		cmocka_unit_test(primes_are_told_from_the_rest),
		cmocka_unit_test(units_are_read),
		cmocka_unit_test(other_units_are_refused),
		cmocka_unit_test(time_is_written_in_its_largest_unit),
		cmocka_unit_test(findings_are_in_the_order_of_their_lines),
		cmocka_unit_test(names_are_those_of_the_file),
		cmocka_unit_test(value_of_fallback_is_what_the_file_would_say),
		cmocka_unit_test(no_place_has_two_rows_of_one_key),
		cmocka_unit_test(every_key_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
