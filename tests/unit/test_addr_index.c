/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of addresses: it knows all that were put in, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/watch/addr_index.h"

#define ITEMS 20000

static struct addr address(unsigned int number)
{
	const uint8_t bytes[4] = { 10, number >> 16, number >> 8, number };

	return addr_from_ipv4(bytes);
}

static void thousands_of_neighbouring_addresses_are_all_found(void **state)
{
	struct addr_index index = { 0 };
	size_t item;

	(void)state;
	for (unsigned int i = 0; i < ITEMS; i++) {
		struct addr addr = address(i);

		assert_false(addr_index_find(&index, 7, &addr, &item));
		addr_index_add(&index, 7, &addr, i);
	}
	for (unsigned int i = 0; i < ITEMS; i++) {
		struct addr addr = address(i), other = address(i + ITEMS);

		assert_true(addr_index_find(&index, 7, &addr, &item));
		assert_int_equal(item, i);
		assert_false(addr_index_find(&index, 8, &addr, &item));
		assert_false(addr_index_find(&index, 7, &other, &item));
	}
	addr_index_clear(&index);
}

static void of_two_for_the_same_place_the_first_stays(void **state)
{
	struct addr_index index = { 0 };
	struct addr addr = address(1);
	size_t item = 0;

	(void)state;
	addr_index_add(&index, 3, &addr, 5);
	addr_index_add(&index, 3, &addr, 6);
	addr_index_add(&index, 4, &addr, 7);
	assert_true(addr_index_find(&index, 3, &addr, &item));
	assert_int_equal(item, 5);
	assert_true(addr_index_find(&index, 4, &addr, &item));
	assert_int_equal(item, 7);
	addr_index_clear(&index);
	assert_false(addr_index_find(&index, 3, &addr, &item));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_neighbouring_addresses_are_all_found),
		cmocka_unit_test(of_two_for_the_same_place_the_first_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
