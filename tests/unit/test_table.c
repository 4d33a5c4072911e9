/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The collision-free table: whatever the keys, each is found where the data plane looks, with the
 * data plane's own functions, and no other is. Keys come as configs have them: in sequence, which
 * is hard on a hash. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lb/model/table.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- keys ----------------------------------------------------------------------------------- */

static struct lb_entry entries[LB_TABLE_KEYS + 1];

static struct lb_key key_make(const char *address, unsigned int port, unsigned int protocol)
{
	struct lb_key key = { .port = htons(port), .protocol = protocol };

	if (strchr(address, ':')) {
		assert_int_equal(inet_pton(AF_INET6, address, key.addr.byte), 1);
	} else {
		memset(key.addr.byte + 10, 0xff, 2);
		assert_int_equal(inet_pton(AF_INET, address, key.addr.byte + 12), 1);
	}
	return key;
}

/* Adds to the number that ends with that byte of the address. */
static void address_add(struct lb_key *key, int byte, uint32_t number)
{
	for (; number; byte--) {
		number += key->addr.byte[byte];
		key->addr.byte[byte] = number;
		number >>= 8;
	}
}

static void port_add(struct lb_key *key, uint32_t number)
{
	key->port = htons(ntohs(key->port) + number);
}

static struct lb_key key_random(uint32_t i)
{
	struct lb_key key = { .protocol = IPPROTO_TCP };
	uint64_t word = i;

	for (size_t at = 0; at < sizeof(key.addr); at++) {
		word = word * 6364136223846793005 + 1442695040888963407;
		key.addr.byte[at] = word >> 56;
	}
	key.port = word >> 40;
	return key;
}

static struct lb_key key_ports(uint32_t i)
{
	struct lb_key key = key_make("192.0.2.1", 1024, IPPROTO_TCP);

	port_add(&key, i);
	return key;
}

static struct lb_key key_ipv4(uint32_t i)
{
	struct lb_key key = key_make("10.0.0.1", 80, IPPROTO_TCP);

	address_add(&key, 15, i);
	return key;
}

static struct lb_key key_ipv4_networks(uint32_t i)
{
	struct lb_key key = key_make("1.0.0.1", 80, IPPROTO_TCP);

	address_add(&key, 14, i);
	return key;
}

static struct lb_key key_ipv6(uint32_t i)
{
	struct lb_key key = key_make("2001:db8::1", 443, IPPROTO_UDP);

	address_add(&key, 15, i);
	return key;
}

static struct lb_key key_ipv6_subnets(uint32_t i)
{
	struct lb_key key = key_make("2001:db8::1", 443, IPPROTO_TCP);

	address_add(&key, 7, i);
	return key;
}

/* Where address and port are put into one word, these cancel each other out. */
static struct lb_key key_ipv6_sites_and_ports(uint32_t i)
{
	struct lb_key key = key_make("2001:db8::1", 80, IPPROTO_TCP);

	address_add(&key, 5, i / 128);
	port_add(&key, i % 128);
	return key;
}

/* Where the first half's high bits stay high bits, these do. */
static struct lb_key key_ipv6_in_three_places(uint32_t i)
{
	struct lb_key key = key_make("2001:db8::1", 80, IPPROTO_TCP);

	address_add(&key, 7, i / 1024);
	address_add(&key, 11, i / 32 % 32);
	address_add(&key, 15, i % 32);
	return key;
}

/* What the daemon adds for a service: a port, any port, and "this address is a vip". */
static struct lb_key key_services(uint32_t i)
{
	static const struct {
		uint16_t port;
		uint8_t protocol;
	} kinds[] = { { 80, IPPROTO_TCP }, { 443, IPPROTO_UDP }, { 0, IPPROTO_TCP }, { 0, 0 } };
	struct lb_key key = key_make("203.0.113.0", kinds[i % 4].port, kinds[i % 4].protocol);

	address_add(&key, 15, i / 4);
	return key;
}

static const struct {
	const char *sentence;
	struct lb_key (*key)(uint32_t i);
	/* Many ports of an address differ alike for every seed, and soon need displacements. */
	bool ports;
} key_rows[] = {
	{ "keys without a rule", key_random, false },
	{ "ports of one address", key_ports, true },
	{ "IPv4 addresses in sequence", key_ipv4, false },
	{ "IPv4 networks in sequence", key_ipv4_networks, false },
	{ "IPv6 addresses in sequence", key_ipv6, false },
	{ "IPv6 subnets in sequence", key_ipv6_subnets, false },
	{ "IPv6 sites, each with ports in sequence", key_ipv6_sites_and_ports, true },
	{ "IPv6 addresses that differ in three places", key_ipv6_in_three_places, false },
	{ "services with all their keys", key_services, false },
};

static struct lb_entry entry_make(const struct lb_key *key, uint32_t i)
{
	return (struct lb_entry){
		.addr = key->addr,
		.port = key->port,
		.protocol = key->protocol,
		.id = i + 1,
		.slot_base = 1000 * i,
		.slot_count = 1021,
	};
}

static void entries_make(struct lb_key (*make)(uint32_t), uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct lb_key key = make(i);

		entries[i] = entry_make(&key, i);
	}
}

/* ---- a half --------------------------------------------------------------------------------- */

static struct table_half half_make(uint32_t count)
{
	struct table_half half;

	assert_int_equal(table_build(entries, count, &half), 0);
	return half;
}

static const struct lb_entry *half_find(const struct table_half *half, const struct lb_key *key)
{
	return table_find(half->entries, half->displacements, half->log2, half->seed, key);
}

static void assert_halves_equal(const struct table_half *a, const struct table_half *b)
{
	assert_int_equal(a->log2, b->log2);
	assert_int_equal(a->seed, b->seed);
	assert_memory_equal(a->entries, b->entries, sizeof(*a->entries) << a->log2);
	assert_memory_equal(a->displacements, b->displacements,
			    sizeof(*a->displacements) << (a->log2 - 1));
}

/* Every key has its entry, and all that is not a key's entry is zero. */
static void assert_half_is_entries(const struct table_half *half, uint32_t count)
{
	static const struct lb_entry empty;
	uint32_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct lb_key key = { .addr = entries[i].addr, .port = entries[i].port,
					    .protocol = entries[i].protocol };
		const struct lb_entry *entry = half_find(half, &key);
		struct lb_entry expected = entries[i];

		expected.used = 1;
		assert_non_null(entry);
		assert_memory_equal(entry, &expected, sizeof(expected));
	}
	for (uint32_t at = 0; at < 1U << half->log2; at++) {
		used += half->entries[at].used;
		if (!half->entries[at].used)
			assert_memory_equal(&half->entries[at], &empty, sizeof(empty));
	}
	assert_int_equal(used, count);
	for (uint32_t bucket = 0; half->flat && bucket < 1U << (half->log2 - 1); bucket++)
		assert_int_equal(half->displacements[bucket], 0);
}

static void each_key_is_found(void **state)
{
	static const uint32_t counts[] = { 1, 2, 3, 8, 9, 100, 4095, LB_TABLE_KEYS };

	(void)state;
	for (size_t r = 0; r < ROWS(key_rows); r++) {
		print_message("           %s\n", key_rows[r].sentence);
		for (size_t c = 0; c < ROWS(counts); c++) {
			struct table_half half;

			entries_make(key_rows[r].key, counts[c]);
			half = half_make(counts[c]);
			assert_half_is_entries(&half, counts[c]);
			table_half_clear(&half);
		}
	}
}

static void other_keys_are_not_found(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS(key_rows); r++) {
		const uint32_t count = 16000;
		struct table_half half;

		print_message("           %s\n", key_rows[r].sentence);
		entries_make(key_rows[r].key, count);
		half = half_make(count);
		for (uint32_t i = 0; i < LB_TABLE_KEYS; i++) {
			struct lb_key key = key_rows[r].key(i);

			if (i >= count)
				assert_null(half_find(&half, &key));
			key.protocol ^= 0x80;
			assert_null(half_find(&half, &key));
			key.protocol ^= 0x80;
			key.addr.byte[0] ^= 0x80;
			assert_null(half_find(&half, &key));
		}
		table_half_clear(&half);
	}
}

static void nothing_is_found_in_an_empty_table(void **state)
{
	static const struct lb_key zero;
	struct table_half half;

	(void)state;
	assert_int_equal(table_build(NULL, 0, &half), 0);
	assert_int_equal(half.log2, LB_TABLE_LOG2_MIN);
	assert_half_is_entries(&half, 0);
	assert_null(half_find(&half, &zero)); /* what its entries would match, were they in use */
	for (uint32_t i = 0; i < 1000; i++) {
		const struct lb_key key = key_services(i);

		assert_null(half_find(&half, &key));
	}
	table_half_clear(&half);
	assert_null(half.entries);
	assert_null(half.displacements);
}

static void half_is_the_smallest_that_is_at_most_half_full(void **state)
{
	static const struct {
		uint32_t count, log2;
	} rows[] = {
		{ 0, 4 },    { 1, 4 },	   { 8, 4 },	  { 9, 5 },	 { 16, 5 },    { 17, 6 },
		{ 1000, 11 }, { 4096, 13 }, { 16384, 15 }, { 16385, 16 }, { 32768, 16 },
	};

	(void)state;
	entries_make(key_ipv6, LB_TABLE_KEYS);
	for (size_t r = 0; r < ROWS(rows); r++) {
		struct table_half half = half_make(rows[r].count);

		assert_int_equal(half.log2, rows[r].log2);
		table_half_clear(&half);
	}
}

static void half_depends_on_the_keys_alone(void **state)
{
	(void)state;
	for (uint32_t count = 7; count <= 7 * 4096; count *= 8) {
		struct table_half first, again, reversed;

		entries_make(key_services, count);
		first = half_make(count);
		again = half_make(count);
		for (uint32_t i = 0; i < count / 2; i++) {
			const struct lb_entry entry = entries[i];

			entries[i] = entries[count - 1 - i];
			entries[count - 1 - i] = entry;
		}
		reversed = half_make(count);
		assert_halves_equal(&first, &again);
		assert_halves_equal(&first, &reversed);
		table_half_clear(&first);
		table_half_clear(&again);
		table_half_clear(&reversed);
	}
}

/* In the smallest table most sets of keys take some seeds until none has to be displaced. */
static void keys_that_one_seed_cannot_place_are_placed_with_the_next(void **state)
{
	unsigned int later_seeds = 0;

	(void)state;
	for (uint32_t set = 0; set < 1000; set++) {
		struct table_half half;

		for (uint32_t i = 0; i < 8; i++) {
			const struct lb_key key = key_random(8 * set + i);

			entries[i] = entry_make(&key, i);
		}
		half = half_make(8);
		later_seeds += half.seed > 1;
		assert_half_is_entries(&half, 8);
		table_half_clear(&half);
	}
	print_message("           %u of 1000 sets of keys needed another seed\n", later_seeds);
	assert_in_range(later_seeds, 500, 990);
}

static void few_keys_need_no_displacement(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS(key_rows); r++)
		for (uint32_t count = 0; count <= 16; count++) {
			struct table_half half;

			entries_make(key_rows[r].key, count);
			half = half_make(count);
			assert_true(half.flat || (key_rows[r].ports && count > 6));
			assert_half_is_entries(&half, count);
			table_half_clear(&half);
		}
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void assert_refused(uint32_t count, int err)
{
	struct table_half half, before;

	memset(&half, 0x5a, sizeof(half));
	before = half;
	assert_int_equal(table_build(entries, count, &half), err);
	assert_memory_equal(&half, &before, sizeof(half));
}

static void equal_keys_are_refused(void **state)
{
	(void)state;
	entries_make(key_services, LB_TABLE_KEYS);
	entries[LB_TABLE_KEYS - 1] = entries[0];
	assert_refused(LB_TABLE_KEYS, -EEXIST);

	entries_make(key_services, 4);
	entries[3] = entries[2];
	assert_refused(4, -EEXIST);

	entries_make(key_services, 2);
	entries[1] = entries[0];
	entries[1].id = 77; /* the key is the same whatever it leads to */
	entries[1].used = 1;
	assert_refused(2, -EEXIST);

	for (uint32_t i = 0; i < LB_TABLE_KEYS; i++)
		entries[i] = entries[0];
	assert_refused(LB_TABLE_KEYS, -EEXIST);
}

static void keys_that_differ_in_one_field_are_not_equal(void **state)
{
	const struct lb_key keys[] = {
		key_make("192.0.2.1", 80, IPPROTO_TCP),	 key_make("192.0.2.2", 80, IPPROTO_TCP),
		key_make("192.0.2.1", 81, IPPROTO_TCP),	 key_make("192.0.2.1", 80, IPPROTO_UDP),
		key_make("::c000:201", 80, IPPROTO_TCP), key_make("192.0.2.1", 0, IPPROTO_TCP),
		key_make("192.0.2.1", 0, 0),		 key_make("0.0.0.0", 0, 0),
		key_make("::", 0, 0),
	};
	struct table_half half;

	(void)state;
	for (uint32_t i = 0; i < ROWS(keys); i++)
		entries[i] = entry_make(&keys[i], i);
	half = half_make(ROWS(keys));
	assert_half_is_entries(&half, ROWS(keys));
	table_half_clear(&half);
}

static void too_many_keys_are_refused(void **state)
{
	(void)state;
	entries_make(key_ipv4, LB_TABLE_KEYS + 1);
	assert_refused(LB_TABLE_KEYS + 1, -E2BIG);
}

/* ---- time ----------------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* The bound is far off, for busy machines and sanitizers; the figure is what to read. */
static void full_table_is_built_in_well_under_a_second(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS(key_rows); r++) {
		struct table_half half;
		double start;

		entries_make(key_rows[r].key, LB_TABLE_KEYS);
		start = now_ms();
		half = half_make(LB_TABLE_KEYS);
		start = now_ms() - start;
		print_message("           %-44s %4.1f ms, seed %u\n", key_rows[r].sentence, start,
			      half.seed);
		assert_true(start < 1000);
		table_half_clear(&half);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_is_found),
		cmocka_unit_test(other_keys_are_not_found),
		cmocka_unit_test(nothing_is_found_in_an_empty_table),
		cmocka_unit_test(half_is_the_smallest_that_is_at_most_half_full),
		cmocka_unit_test(half_depends_on_the_keys_alone),
		cmocka_unit_test(keys_that_one_seed_cannot_place_are_placed_with_the_next),
		cmocka_unit_test(few_keys_need_no_displacement),
		cmocka_unit_test(equal_keys_are_refused),
		cmocka_unit_test(keys_that_differ_in_one_field_are_not_equal),
		cmocka_unit_test(too_many_keys_are_refused),
		cmocka_unit_test(full_table_is_built_in_well_under_a_second),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
