/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config/addr.c: texts to addresses and prefixes, and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "config/addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct addr parsed(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static struct prefix parsed_prefix(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		fail_msg("%s is no prefix", text);
	return prefix;
}

static void address_is_read_and_written_in_its_customary_form(void **state)
{
	static const struct {
		const char *text, *customary;
	} rows[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "203.0.113.10", "203.0.113.10" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:203.0.113.10", "203.0.113.10" },
		{ "::ffff:cb00:710a", "203.0.113.10" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0db8:0000:0000:0000:0000:0000:0010", "2001:db8::10" },
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct addr addr = parsed(rows[i].text);

		assert_string_equal(addr_format(&addr, text), rows[i].customary);
	}
}

static void what_is_no_literal_is_refused_and_leaves_the_output_alone(void **state)
{
	static const char *const texts[] = {
		"", " ", "10.1.0", "10.1.0.256", "10.1.0.2 ", " 10.1.0.2", "10.1.0.2/32",
		"0x0a010002", "localhost", "[::1]", "::1%lo", "1:2:3:4:5:6:7", "::1::",
		"12345::", ":::",
	};
	struct addr addr, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < COUNT(texts); i++) {
		addr = before;
		assert_int_equal(addr_parse(texts[i], &addr), -EINVAL);
		assert_true(addr_equal(&addr, &before));
	}
}

static void ipv4_stands_mapped_in_the_last_four_bytes(void **state)
{
	static const unsigned char mapped[16] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 2,
	};
	struct addr addr = parsed("10.1.0.2");
	struct addr raw4 = addr_from_ipv4(mapped + 12);
	struct addr raw16 = addr_from_ipv6(mapped);

	(void)state;
	assert_memory_equal(addr.byte, mapped, sizeof(mapped));
	assert_true(addr_equal(&addr, &raw4));
	assert_true(addr_equal(&addr, &raw16));
	assert_true(addr_is_ipv4(&addr));
	addr = parsed("::10.1.0.2"); /* the old "compatible" form is IPv6 */
	assert_false(addr_is_ipv4(&addr));
	assert_false(addr_equal(&addr, &raw4));
}

static void addresses_are_ordered_by_their_bytes(void **state)
{
	struct addr low = parsed("10.1.0.2"), high = parsed("10.1.0.3"), six = parsed("fd00::2");

	(void)state;
	assert_true(addr_compare(&low, &high) < 0);
	assert_true(addr_compare(&six, &high) > 0);
	assert_int_equal(addr_compare(&low, &low), 0);
}

static void prefix_length_counts_from_the_text_s_own_first_bit(void **state)
{
	static const struct {
		const char *text;
		unsigned int len;
	} rows[] = {
		{ "10.1.0.2", 128 },
		{ "10.1.0.0/24", 120 },
		{ "0.0.0.0/0", 96 },
		{ "10.1.0.2/32", 128 },
		{ "::ffff:10.1.0.0/120", 120 },
		{ "fd00::2", 128 },
		{ "2001:db8::/32", 32 },
		{ "2001:db8::/29", 29 },
		{ "::/0", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(parsed_prefix(rows[i].text).len, rows[i].len);
}

static void bad_prefix_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "/", "/24", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/-1", "10.1.0.0/+8",
		"10.1.0.0/ 8", "10.1.0.0/8x", "10.1.0.0/024x", "10.1.0.0/0024", "10.1.0.1/24",
		"10.1.128.0/16", "2001:db8::/129", "2001:db8::1/64", "2001:db8::/28",
		"10.1.0.0/24/24", "::ffff:10.1.0.1/120", "nobody/8",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/64",
	};
	struct prefix prefix;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (prefix_parse(texts[i], &prefix) != -EINVAL)
			fail_msg("%s was taken", texts[i]);
}

static void prefix_contains_what_shares_its_bits(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool inside;
	} rows[] = {
		{ "10.1.0.0/24", "10.1.0.0", true },
		{ "10.1.0.0/24", "10.1.0.255", true },
		{ "10.1.0.0/24", "10.1.1.0", false },
		{ "10.1.0.128/25", "10.1.0.127", false },
		{ "10.1.0.128/25", "10.1.0.129", true },
		{ "10.1.0.2", "10.1.0.2", true },
		{ "10.1.0.2", "10.1.0.3", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/29", "2001:dbf:ffff::1", true },
		{ "2001:db8::/29", "2001:dc0::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "10.1.0.2", true }, /* IPv4 stands inside IPv6 */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct prefix prefix = parsed_prefix(rows[i].prefix);
		struct addr addr = parsed(rows[i].addr);

		if (prefix_contains(&prefix, &addr) != rows[i].inside)
			fail_msg("%s in %s", rows[i].addr, rows[i].prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_read_and_written_in_its_customary_form),
		cmocka_unit_test(what_is_no_literal_is_refused_and_leaves_the_output_alone),
		cmocka_unit_test(ipv4_stands_mapped_in_the_last_four_bytes),
		cmocka_unit_test(addresses_are_ordered_by_their_bytes),
		cmocka_unit_test(prefix_length_counts_from_the_text_s_own_first_bit),
		cmocka_unit_test(bad_prefix_is_refused),
		cmocka_unit_test(prefix_contains_what_shares_its_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
