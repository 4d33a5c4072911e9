/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring: shares, turns, and what a change costs. The turns are checked against a reference
 * that looks at every member at every step; the disruption that is asserted is also printed. */
#include "lb/model/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lb/model/siphash.h"

#define MEMBERS_MAX 10000
#define SLOTS 65537
#define NAME_MAX_SIZE 32

/* ---- members -------------------------------------------------------------------------------- */

struct members {
	size_t count;
	struct ring_member list[MEMBERS_MAX];
	char names[MEMBERS_MAX][NAME_MAX_SIZE];
};

static struct members members;

static void members_name(size_t count, unsigned int set)
{
	members.count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(members.names[i], NAME_MAX_SIZE, "set-%u/web-%zu", set, i);
		members.list[i].name = members.names[i];
	}
}

/* The weights repeat where there are more members than weights. */
static void members_make(size_t count, unsigned int set, const uint32_t *weights,
			 size_t weight_count)
{
	members_name(count, set);
	for (size_t i = 0; i < count; i++)
		members.list[i].weight = weights[i % weight_count];
}

static void members_make_equal(size_t count, unsigned int set)
{
	members_make(count, set, (const uint32_t[]){ 100 }, 1);
}

static uint32_t *ring_make(uint32_t slots)
{
	uint32_t *owners = malloc(slots * sizeof(*owners));

	assert_non_null(owners);
	assert_int_equal(ring_build(members.list, members.count, slots, owners), 0);
	return owners;
}

static void assert_rings_equal(const uint32_t *a, const uint32_t *b, uint32_t slots)
{
	for (uint32_t slot = 0; slot < slots; slot++)
		assert_int_equal(a[slot], b[slot]);
}

static void count_slots(const uint32_t *owners, uint32_t slots, uint32_t counts[MEMBERS_MAX])
{
	memset(counts, 0, members.count * sizeof(*counts));
	for (uint32_t slot = 0; slot < slots; slot++) {
		assert_in_range(owners[slot], 0, members.count - 1);
		counts[owners[slot]]++;
	}
}

/* ---- the reference -------------------------------------------------------------------------- */

/* Hands out slots one by one, each to whom the rule of ring.c names: O(slots * members). */
struct reference {
	uint32_t quota[MEMBERS_MAX], count[MEMBERS_MAX], slot[MEMBERS_MAX], skip[MEMBERS_MAX];
	bool light[MEMBERS_MAX];
};

static struct reference reference;

/* Shares of the members that are not light; false where one of them turned out to be. */
static bool reference_round_down(uint64_t slots, uint64_t weight, uint64_t *ret_given)
{
	bool found_light = false;

	*ret_given = 0;
	for (size_t i = 0; i < members.count; i++) {
		const uint64_t share_times_weight = slots * members.list[i].weight;

		if (!members.list[i].weight || reference.light[i])
			continue;
		found_light |= share_times_weight < weight;
		reference.quota[i] = share_times_weight < weight ? 1 : share_times_weight / weight;
		*ret_given += reference.quota[i];
	}
	return !found_light;
}

static void reference_quotas(uint32_t all_slots)
{
	uint64_t slots, weight, given;

	memset(&reference, 0, sizeof(reference));
	for (;;) {
		slots = all_slots;
		weight = 0;
		for (size_t i = 0; i < members.count; i++) {
			if (reference.light[i])
				slots--;
			else
				weight += members.list[i].weight;
		}
		if (reference_round_down(slots, weight, &given) || given <= slots)
			break;
		for (size_t i = 0; i < members.count; i++) {
			const uint32_t own = members.list[i].weight;

			reference.light[i] |= own && slots * own < weight;
		}
	}
	for (; given < slots; given++) {
		size_t best = members.count;
		uint64_t best_rest = 0;

		for (size_t i = 0; i < members.count; i++) {
			const struct ring_member *member = &members.list[i];
			const uint64_t exact = slots * member->weight;
			const uint64_t now = reference.quota[i] * weight;
			const struct ring_member *other = &members.list[best];

			if (reference.light[i] || now >= exact || exact - now < best_rest)
				continue;
			if (best < members.count && exact - now == best_rest &&
			    strcmp(member->name, other->name) > 0)
				continue;
			best = i;
			best_rest = exact - now;
		}
		assert_in_range(best, 0, members.count - 1);
		reference.quota[best]++;
	}
}

static bool reference_turn_is_before(size_t a, size_t b)
{
	const struct ring_member *left = &members.list[a], *right = &members.list[b];
	const uint64_t left_time = (uint64_t)reference.count[a] * right->weight;
	const uint64_t right_time = (uint64_t)reference.count[b] * left->weight;

	if (left_time != right_time)
		return left_time < right_time;
	if (left->weight != right->weight)
		return left->weight < right->weight;
	return strcmp(left->name, right->name) < 0;
}

static void reference_build(uint32_t slots, uint32_t *owners)
{
	reference_quotas(slots);
	for (size_t i = 0; i < members.count; i++) {
		const char *name = members.list[i].name;

		reference.slot[i] = siphash((const uint64_t[]){ 1, 0 }, name, strlen(name)) % slots;
		reference.skip[i] =
			siphash((const uint64_t[]){ 2, 0 }, name, strlen(name)) % (slots - 1) + 1;
	}
	memset(owners, 0xff, slots * sizeof(*owners));
	for (uint32_t turn = 0; turn < slots; turn++) {
		size_t next = members.count;
		uint64_t slot;

		for (size_t i = 0; i < members.count; i++) {
			if (reference.count[i] == reference.quota[i])
				continue;
			if (next == members.count || reference_turn_is_before(i, next))
				next = i;
		}
		assert_in_range(next, 0, members.count - 1);
		for (slot = reference.slot[next]; owners[slot] != RING_NOBODY;)
			slot = (slot + reference.skip[next]) % slots;
		owners[slot] = next;
		reference.count[next]++;
	}
}

/* ---- how many ------------------------------------------------------------------------------- */

struct weights {
	const char *sentence;
	size_t count;
	uint32_t slots;
	uint32_t weights[10]; /* the first weight_count, over and over */
	size_t weight_count;
};

/* In all of these the roundings can give every light member its slot. */
static const struct weights weight_rows[] = {
	{ "one member has everything", 1, SLOTS, { 7 }, 1 },
	{ "equal weights", 10, SLOTS, { 100 }, 1 },
	{ "equal weights in thousands of members", 1000, SLOTS, { 100 }, 1 },
	{ "two to one", 2, SLOTS, { 2, 1 }, 2 },
	{ "the sum is not a round number", 3, SLOTS, { 1, 3, 7 }, 3 },
	{ "the heaviest beside the lightest", 2, SLOTS, { 1, 65535 }, 2 },
	{ "the lightest has a fraction of a slot", 2, 1021, { 1, 65535 }, 2 },
	{ "weights with zeros between", 12, SLOTS, { 0, 5, 0, 9 }, 4 },
	{ "weights far apart", 10, SLOTS, { 1, 10, 100, 1000, 10000, 65535 }, 6 },
	{ "weights close together", 100, SLOTS, { 65535, 65534, 65533, 65531, 65521 }, 5 },
	{ "a ring hardly larger than its members", 100, 101, { 1, 2, 1, 1 }, 4 },
	{ "as many slots as members", 3, 3, { 1, 1, 1 }, 3 },
	{ "three members in seven slots", 3, 7, { 1, 2, 3 }, 3 },
	{ "two slots", 2, 2, { 1, 1 }, 2 },
	{ "one member in two slots", 2, 2, { 0, 9 }, 2 },
};

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static uint32_t *row_make(const struct weights *row)
{
	print_message("           %s\n", row->sentence);
	members_make(row->count, 1, row->weights, row->weight_count);
	return ring_make(row->slots);
}

static uint64_t weight_sum(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < members.count; i++)
		sum += members.list[i].weight;
	return sum;
}

static void counts_are_within_one_of_the_shares(void **state)
{
	static uint32_t counts[MEMBERS_MAX];

	(void)state;
	for (size_t r = 0; r < ROWS(weight_rows); r++) {
		const struct weights *row = &weight_rows[r];
		uint32_t *owners = row_make(row);
		const uint64_t sum = weight_sum();

		count_slots(owners, row->slots, counts);
		for (size_t i = 0; i < members.count; i++) {
			const uint64_t exact = (uint64_t)row->slots * members.list[i].weight;
			const uint64_t down = exact / sum, up = (exact + sum - 1) / sum;

			assert_in_range(counts[i], down ? down : up, up);
		}
		free(owners);
	}
}

static void light_members_have_their_slot_where_roundings_cannot_give_it(void **state)
{
	static uint32_t counts[MEMBERS_MAX];
	uint32_t *owners;

	(void)state;
	members_name(1003, 1);
	for (size_t i = 0; i < members.count; i++)
		members.list[i].weight = i < 3 ? 20000 : 1;
	owners = ring_make(1021);
	count_slots(owners, 1021, counts);
	for (size_t i = 0; i < members.count; i++)
		assert_int_equal(counts[i], i < 3 ? 7 : 1);
	free(owners);
}

static void nobody_has_weight_and_nobody_owns_a_slot(void **state)
{
	uint32_t owners[1021];

	(void)state;
	members_make(5, 1, (const uint32_t[]){ 0 }, 1);
	for (size_t count = 0; count <= 5; count += 5) {
		memset(owners, 0, sizeof(owners));
		assert_int_equal(ring_build(members.list, count, 1021, owners), 0);
		for (size_t slot = 0; slot < 1021; slot++)
			assert_int_equal(owners[slot], RING_NOBODY);
	}
}

static void what_cannot_be_a_ring_is_refused_and_nothing_is_written(void **state)
{
	static const struct {
		const char *sentence;
		uint32_t slots;
		uint32_t weight;
	} rows[] = {
		{ "no slots", 0, 1 },
		{ "no slots and nobody to own them", 0, 0 },
		{ "one slot: not a prime", 1, 1 },
		{ "an even number of slots", 16, 1 },
		{ "the square of a prime", 9, 1 },
		{ "more members than slots", 3, 1 },
		{ "more members than slots, by one", 5, 1 },
	};

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		uint32_t owners[16];

		print_message("           %s\n", rows[r].sentence);
		memset(owners, 0x5a, sizeof(owners));
		members_make(6, 1, &rows[r].weight, 1);
		assert_int_equal(ring_build(members.list, 6, rows[r].slots, owners), -EINVAL);
		for (size_t slot = 0; slot < 16; slot++)
			assert_int_equal(owners[slot], 0x5a5a5a5a);
	}
}

static void members_without_weight_do_not_count_against_the_slots(void **state)
{
	uint32_t *owners;

	(void)state;
	members_make(6, 1, (const uint32_t[]){ 0, 1 }, 2);
	owners = ring_make(3);
	for (size_t slot = 0; slot < 3; slot++)
		assert_int_equal(owners[slot] % 2, 1);
	free(owners);
}

/* ---- which ones ----------------------------------------------------------------------------- */

static void ring_is_that_of_the_reference(void **state)
{
	static const struct weights rows[] = {
		{ "three members in three slots", 3, 3, { 1, 50, 9 }, 3 },
		{ "three members in seven slots", 3, 7, { 1, 50, 9 }, 3 },
		{ "light members that need more than roundings", 40, 101, { 9000, 1, 1, 3, 1 }, 5 },
		{ "turns that are often due at the same time", 60, 1021, { 10, 20, 30, 60 }, 4 },
		{ "equal weights in a ring of the usual size", 25, 4099, { 100 }, 1 },
		{ "weights without a common divisor", 30, 4099, { 65535, 65521, 7, 1, 4096 }, 5 },
		{ "zeros between", 30, 4099, { 0, 5, 0, 9 }, 4 },
		{ "a thousand members", 1000, 10007, { 1, 3, 100, 99, 0, 65535, 40000 }, 7 },
	};

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		uint32_t *owners = row_make(&rows[r]);
		uint32_t *expected = malloc(rows[r].slots * sizeof(*expected));

		assert_non_null(expected);
		reference_build(rows[r].slots, expected);
		assert_rings_equal(owners, expected, rows[r].slots);
		free(expected);
		free(owners);
	}
}

static void order_of_members_does_not_matter(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS(weight_rows); r++) {
		const struct weights *row = &weight_rows[r];
		uint32_t *owners = row_make(row), *reversed;

		for (size_t i = 0; i < members.count / 2; i++) {
			struct ring_member *other = &members.list[members.count - 1 - i];
			const struct ring_member member = members.list[i];

			members.list[i] = *other;
			*other = member;
		}
		reversed = ring_make(row->slots);
		for (uint32_t slot = 0; slot < row->slots; slot++)
			assert_int_equal(reversed[slot], members.count - 1 - owners[slot]);
		free(reversed);
		free(owners);
	}
}

static void only_the_ratio_of_weights_matters(void **state)
{
	uint32_t *small, *large;

	(void)state;
	members_make(20, 1, (const uint32_t[]){ 1, 2, 3, 0, 5 }, 5);
	small = ring_make(SLOTS);
	members_make(20, 1, (const uint32_t[]){ 13107, 26214, 39321, 0, 65535 }, 5);
	large = ring_make(SLOTS);
	assert_rings_equal(small, large, SLOTS);
	free(small);
	free(large);
}

static void weight_zero_is_the_same_as_not_being_there(void **state)
{
	uint32_t *with, *without;

	(void)state;
	members_make(20, 1, (const uint32_t[]){ 30, 20 }, 2);
	members.list[19].weight = 0;
	with = ring_make(SLOTS);
	members.count = 19;
	without = ring_make(SLOTS);
	assert_rings_equal(with, without, SLOTS);
	free(with);
	free(without);
}

/* ---- what a change costs -------------------------------------------------------------------- */

struct change {
	const char *sentence;
	size_t count;
	uint32_t weights[10];
	size_t weight_count;
	unsigned int sets;	/* of names, to average over */
	unsigned int percent;	/* of its weight that the changed member keeps */
	double limit;		/* of the disruption, in percent of the ring */
};

/* Limits leave room for what the average over so few sets of names differs from that over many;
 * Maglev itself has 0.23 and 0.57 where weights are equal. */
static const struct change change_rows[] = {
	{ "remove one of 10", 10, { 100 }, 1, 20, 0, 0.26 },
	{ "remove one of 100", 100, { 100 }, 1, 5, 0, 0.60 },
	{ "remove one of 1000", 1000, { 100 }, 1, 2, 0, 0.65 },
	{ "remove one of 10, weights 1 to 5", 10, { 1, 2, 3, 4, 5 }, 5, 20, 0, 0.26 },
	{ "remove one of 100, weights 1 to 5", 100, { 1, 2, 3, 4, 5 }, 5, 5, 0, 0.60 },
	{ "remove one of 100, weights 1 to 512", 100, { 1, 512, 2, 256, 4, 128, 8, 64, 16, 32 }, 10,
	  5, 0, 0.60 },
	{ "halve one of 10", 10, { 100 }, 1, 20, 50, 0.26 },
	{ "90% of one of 10", 10, { 100 }, 1, 20, 90, 0.13 },
	{ "90% of one of 100", 100, { 100 }, 1, 5, 90, 0.40 },
	{ "90% of one of 100, weights 10 to 50", 100, { 10, 20, 30, 40, 50 }, 5, 5, 90, 0.40 },
	{ "double one of 10", 10, { 100 }, 1, 20, 200, 0.26 },
};

/* Slots that move between two members neither of which changed, in percent of the ring. */
static double disruption(const uint32_t *before, const uint32_t *after, uint32_t changed)
{
	uint32_t moved = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		moved += before[slot] != after[slot] && before[slot] != changed &&
			 after[slot] != changed;
	return 100.0 * moved / SLOTS;
}

static double change_measure(const struct change *row)
{
	const unsigned int samples = 10; /* members changed, one at a time */
	double sum = 0;

	for (unsigned int set = 0; set < row->sets; set++) {
		uint32_t *before;

		members_make(row->count, set, row->weights, row->weight_count);
		before = ring_make(SLOTS);
		for (unsigned int i = 0; i < samples; i++) {
			const uint32_t changed = (row->count / samples + 1) * i % row->count;
			const uint32_t weight = members.list[changed].weight;
			uint32_t *after;

			members.list[changed].weight = weight * row->percent / 100;
			after = ring_make(SLOTS);
			members.list[changed].weight = weight;
			sum += disruption(before, after, changed);
			free(after);
		}
		free(before);
	}
	return sum / samples / row->sets;
}

static void disruption_is_that_of_maglev(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS(change_rows); r++) {
		const double percent = change_measure(&change_rows[r]);

		print_message("           %-38s moves %.3f%% between the others (limit %.2f%%)\n",
			      change_rows[r].sentence, percent, change_rows[r].limit);
		assert_true(percent <= change_rows[r].limit);
	}
}

/* Both together: what a removal moves is what the member had, and the disruption. */
static void removed_member_gives_to_everybody_by_weight(void **state)
{
	static uint32_t before[MEMBERS_MAX], after[MEMBERS_MAX];
	uint32_t *owners;

	(void)state;
	members_make(10, 3, (const uint32_t[]){ 1, 2, 3, 4, 5 }, 5);
	owners = ring_make(SLOTS);
	count_slots(owners, SLOTS, before);
	free(owners);
	members.list[4].weight = 0;
	owners = ring_make(SLOTS);
	count_slots(owners, SLOTS, after);
	free(owners);
	assert_int_equal(after[4], 0);
	for (size_t i = 0; i < 10; i++) {
		if (i != 4)
			assert_in_range(after[i], before[i] * 30 / 25 - 2, before[i] * 30 / 25 + 2);
	}
}

/* ---- size and time -------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* The bound is far off, for busy machines and sanitizers; the figure is what to read. */
static void ring_of_many_members_is_built_in_well_under_a_second(void **state)
{
	static const struct {
		size_t count;
		uint32_t slots;
		bool equal;
	} rows[] = {
		{ 10, SLOTS, true },
		{ 1000, SLOTS, true },
		{ 10, SLOTS, false },
		{ 1000, SLOTS, false },
		{ 10000, 1000003, false },
	};
	static uint32_t counts[MEMBERS_MAX];

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		uint32_t *owners;
		double start;

		members_make_equal(rows[r].count, 1);
		for (size_t i = 0; i < members.count && !rows[r].equal; i++)
			members.list[i].weight = 1 + i * 7919 % 65535;
		start = now_ms();
		owners = ring_make(rows[r].slots);
		start = now_ms() - start;
		print_message("           %5zu members, %s weights, %7u slots: %.1f ms\n",
			      members.count, rows[r].equal ? "equal" : "different", rows[r].slots,
			      start);
		assert_true(start < 1000);
		count_slots(owners, rows[r].slots, counts);
		for (size_t i = 0; i < members.count; i++)
			assert_true(counts[i] > 0);
		free(owners);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_within_one_of_the_shares),
		cmocka_unit_test(light_members_have_their_slot_where_roundings_cannot_give_it),
		cmocka_unit_test(nobody_has_weight_and_nobody_owns_a_slot),
		cmocka_unit_test(what_cannot_be_a_ring_is_refused_and_nothing_is_written),
		cmocka_unit_test(members_without_weight_do_not_count_against_the_slots),
		cmocka_unit_test(ring_is_that_of_the_reference),
		cmocka_unit_test(order_of_members_does_not_matter),
		cmocka_unit_test(only_the_ratio_of_weights_matters),
		cmocka_unit_test(weight_zero_is_the_same_as_not_being_there),
		cmocka_unit_test(disruption_is_that_of_maglev),
		cmocka_unit_test(removed_member_gives_to_everybody_by_weight),
		cmocka_unit_test(ring_of_many_members_is_built_in_well_under_a_second),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
