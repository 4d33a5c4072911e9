/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of labels: whatever a name is made of, a scrape takes it and no other line is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lb/model/label.h"

static const struct {
	const char *sentence, *value, *written;
} rows[] = {
	{ "a plain name stays", "web-1.a_b", "web-1.a_b" },
	{ "nothing is nothing", "", "" },
	{ "a quote does not end the value", "a\"} 1", "a\\\"} 1" },
	{ "a backslash escapes nothing", "dev\\x2dfoo", "dev\\\\x2dfoo" },
	{ "an end of line does not begin another", "a\nb 1", "a\\nb 1" },
	{ "other control characters may stand", "a\tb\r", "a\tb\r" },
	{ "two, three and four bytes are characters", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8b",
	  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8b" },
	{ "the last of Unicode", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	{ "beyond it", "\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80" },
	{ "bytes that begin nothing", "a\x80\xff", "a\\\\x80\\\\xff" },
	{ "a character cut short by the end", "a\xe2\x82", "a\\\\xe2\\\\x82" },
	{ "a character cut short by another", "\xc3z", "\\\\xc3z" },
	{ "a quote behind half a character is one", "\xe2\"", "\\\\xe2\\\"" },
	{ "longer than it need be: two bytes", "\xc0\xaf", "\\\\xc0\\\\xaf" },
	{ "three", "\xe0\x9f\xbf", "\\\\xe0\\\\x9f\\\\xbf" },
	{ "four", "\xf0\x8f\xbf\xbf", "\\\\xf0\\\\x8f\\\\xbf\\\\xbf" },
	{ "the shortest of three and four", "\xe0\xa0\x80\xf0\x90\x80\x80",
	  "\xe0\xa0\x80\xf0\x90\x80\x80" },
	{ "half a surrogate", "\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80" },
	{ "the last before the surrogates", "\xed\x9f\xbf", "\xed\x9f\xbf" },
};

static void values_are_written_so_that_a_scrape_takes_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = NULL;
		size_t size;
		FILE *to = open_memstream(&text, &size);

		assert_non_null(to);
		label_write(to, rows[i].value);
		fclose(to);
		print_message("%s\n", rows[i].sentence);
		assert_string_equal(text, rows[i].written);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_so_that_a_scrape_takes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
