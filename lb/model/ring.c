/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling a ring, in two questions that are kept apart.
 *
 * How many slots has a member? Its quota, by largest remainders: slots * weight / sum rounded
 * down or up, so that all of them make the ring. A member with weight has one slot at least, also
 * where its share is a fraction of one. Only where these first slots take more than the others'
 * roundings can give do the others get less than their share rounded down: then each of the light
 * members has its one slot, and the rest share what is left by the same rule.
 *
 * Which ones? Members take turns, and a member takes the first slot of its own permutation that
 * is still free. The next turn is that of the member with the fewest slots for its weight, by
 * count / weight (the lighter where that is equal, then by name); one that has its quota is done.
 * With equal weights this is Maglev's round robin. When a member comes, goes, or gets another
 * weight, the turns of the others stay in their order, for count / weight knows nothing of
 * anybody else: that keeps the disruption among them at Maglev's (test_ring.c prints it). And
 * everybody's first turn comes before anybody's second, so that the one slot of a light member
 * is among its favourites and not what was left over. */
#include "lb/model/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/siphash.h"

struct filler {			/* a member with weight */
	const char *name;
	uint64_t time;		/* of its next turn */
	uint32_t owner;		/* its index for owners[] */
	uint32_t weight;
	uint32_t quota, count;	/* slots to own, and owned so far */
	uint32_t slot, skip;	/* its permutation: where it is, and how it goes on */
	uint32_t next;		/* in its bucket */
	bool light;		/* its share is less than a slot: it has one */
};

/* The fillers by their next turn: buckets of equal spans of time, each a circular list in the
 * order of turns that is known by its last filler. With about a turn a bucket, a turn costs O(1)
 * where a heap costs O(log members). */
struct calendar {
	uint32_t *last;		/* by bucket; EMPTY */
	uint32_t buckets;
	unsigned int shift;	/* time >> shift is the bucket */
};

#define EMPTY UINT32_MAX

struct fill {
	struct filler *fillers;	/* as compare_fillers() orders them */
	uint32_t count;
	uint32_t slots;
	uint32_t *owners;
	uint64_t *taken;	/* a bit a slot: unlike owners it fits the nearest cache */
	struct calendar calendar;
};

static bool is_prime(uint32_t number)
{
	if (number < 4)
		return number > 1;
	if (number % 2 == 0)
		return false;
	for (uint32_t divisor = 3; (uint64_t)divisor * divisor <= number; divisor += 2) {
		if (number % divisor == 0)
			return false;
	}
	return true;
}

/* The order of turns that are due at the same time. It is also the order in which these turns
 * come into the calendar (the lighter filler's last turn was longer ago), so each is appended. */
static int compare_fillers(const void *a, const void *b)
{
	const struct filler *left = a, *right = b;

	if (left->weight != right->weight)
		return left->weight < right->weight ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void fillers_init(struct fill *fill, const struct ring_member *members, size_t count)
{
	static const uint64_t slot_key[2] = { 1, 0 }, skip_key[2] = { 2, 0 };
	struct filler *filler = fill->fillers;

	for (size_t i = 0; i < count; i++) {
		const char *name = members[i].name;
		const size_t size = strlen(name);

		if (!members[i].weight)
			continue;
		*filler++ = (struct filler){
			.name = name,
			.owner = i,
			.weight = members[i].weight,
			.slot = siphash(slot_key, name, size) % fill->slots,
			.skip = siphash(skip_key, name, size) % (fill->slots - 1) + 1,
		};
	}
	qsort(fill->fillers, fill->count, sizeof(*fill->fillers), compare_fillers);
}

/* ---- how many ------------------------------------------------------------------------------- */

/* Sets every quota to the share rounded down, or to the one slot of a light filler. Shares are
 * those of *ret_slots by *ret_weight: the whole ring, unless the light ones need too much of it
 * and stand apart. Returns how many slots are left to hand out: at most one for each filler that
 * is not light and has a remainder. */
static uint32_t quotas_round_down(struct fill *fill, uint64_t *ret_slots, uint64_t *ret_weight)
{
	uint64_t slots = fill->slots, weight = 0;

	for (uint32_t i = 0; i < fill->count; i++)
		weight += fill->fillers[i].weight;
	for (;;) {
		uint64_t given = 0, light_slots = 0, light_weight = 0;

		for (uint32_t i = 0; i < fill->count; i++) {
			struct filler *filler = &fill->fillers[i];

			if (filler->light)
				continue;
			filler->quota = slots * filler->weight / weight;
			if (!filler->quota) {
				filler->light = true;
				filler->quota = 1;
				light_slots++;
				light_weight += filler->weight;
			}
			given += filler->quota;
		}
		if (given <= slots) {
			*ret_slots = slots;
			*ret_weight = weight;
			return slots - given;
		}
		slots -= light_slots;
		weight -= light_weight;
	}
}

struct remainder {
	uint64_t size;
	uint32_t filler;
};

static int compare_remainders(const void *a, const void *b)
{
	const struct remainder *left = a, *right = b;

	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return left->filler < right->filler ? -1 : 1;
}

static int quotas_set(struct fill *fill)
{
	uint64_t slots, weight;
	const uint32_t left = quotas_round_down(fill, &slots, &weight);
	struct remainder *remainders = calloc(fill->count, sizeof(*remainders));

	if (!remainders)
		return -ENOMEM;
	for (uint32_t i = 0; i < fill->count; i++) {
		const struct filler *filler = &fill->fillers[i];

		remainders[i].filler = i;
		remainders[i].size = filler->light ? 0 : slots * filler->weight % weight;
	}
	qsort(remainders, fill->count, sizeof(*remainders), compare_remainders);
	for (uint32_t i = 0; i < left; i++)
		fill->fillers[remainders[i].filler].quota++;
	free(remainders);
	return 0;
}

/* ---- which ones ----------------------------------------------------------------------------- */

/* When a filler takes its turn: at count / weight, in units of 2^-32. Two such fractions of
 * weights up to 65535 are equal or more than one unit apart, so rounding down neither makes nor
 * breaks a tie. */
static uint64_t turn_time(uint32_t count, uint32_t weight)
{
	return ((uint64_t)count << 32) / weight;
}

/* Both are in the one array, which is in the order of turns that are due at the same time. */
static bool is_before(const struct filler *a, const struct filler *b)
{
	return a->time != b->time ? a->time < b->time : a < b;
}

static void calendar_add(struct calendar *calendar, struct filler *fillers, uint32_t index)
{
	struct filler *filler = &fillers[index];
	uint32_t *last = &calendar->last[filler->time >> calendar->shift];
	uint32_t before = *last;

	if (before == EMPTY) {
		filler->next = index;
		*last = index;
		return;
	}
	if (is_before(&fillers[before], filler)) {
		*last = index;
	} else {
		while (is_before(&fillers[fillers[before].next], filler))
			before = fillers[before].next;
	}
	filler->next = fillers[before].next;
	fillers[before].next = index;
}

static uint32_t calendar_take_first(struct calendar *calendar, struct filler *fillers,
				    uint32_t bucket)
{
	uint32_t *last = &calendar->last[bucket];
	const uint32_t first = fillers[*last].next;

	if (first == *last)
		*last = EMPTY;
	else
		fillers[*last].next = fillers[first].next;
	return first;
}

static void slot_take(struct fill *fill, struct filler *filler)
{
	const uint32_t ahead = filler->skip, back = fill->slots - filler->skip;
	uint32_t slot = filler->slot;

	while (fill->taken[slot / 64] >> (slot % 64) & 1)
		slot = slot < back ? slot + ahead : slot - back;
	fill->taken[slot / 64] |= 1ULL << (slot % 64);
	fill->owners[slot] = filler->owner;
	filler->slot = slot;
	filler->count++;
}

static void slots_fill(struct fill *fill)
{
	struct calendar *calendar = &fill->calendar;
	struct filler *fillers = fill->fillers;

	for (uint32_t i = 0; i < fill->count; i++)
		calendar_add(calendar, fillers, i); /* at time 0 */
	for (uint32_t bucket = 0; bucket < calendar->buckets; bucket++) {
		while (calendar->last[bucket] != EMPTY) {
			const uint32_t index = calendar_take_first(calendar, fillers, bucket);
			struct filler *filler = &fillers[index];

			slot_take(fill, filler);
			if (filler->count == filler->quota)
				continue;
			filler->time = turn_time(filler->count, filler->weight);
			calendar_add(calendar, fillers, index);
		}
	}
}

/* As many buckets as slots, and a shift that puts the last turn into one of them. */
static int calendar_init(struct fill *fill)
{
	struct calendar *calendar = &fill->calendar;
	uint64_t end = 0;

	for (uint32_t i = 0; i < fill->count; i++) {
		const struct filler *filler = &fill->fillers[i];
		const uint64_t time = turn_time(filler->quota - 1, filler->weight);

		end = time > end ? time : end;
	}
	while (end >> calendar->shift >= fill->slots)
		calendar->shift++;
	calendar->buckets = (end >> calendar->shift) + 1;
	calendar->last = malloc(calendar->buckets * sizeof(*calendar->last));
	if (!calendar->last)
		return -ENOMEM;
	memset(calendar->last, 0xff, calendar->buckets * sizeof(*calendar->last));
	return 0;
}

static int fill_run(struct fill *fill, const struct ring_member *members, size_t count)
{
	int err;

	fill->fillers = calloc(fill->count, sizeof(*fill->fillers));
	fill->taken = calloc(fill->slots / 64 + 1, sizeof(*fill->taken));
	if (!fill->fillers || !fill->taken)
		return -ENOMEM;
	fillers_init(fill, members, count);
	err = quotas_set(fill);
	if (!err)
		err = calendar_init(fill);
	if (!err)
		slots_fill(fill);
	return err;
}

int ring_build(const struct ring_member *members, size_t count, uint32_t slots, uint32_t *owners)
{
	struct fill fill = { .slots = slots, .owners = owners };
	size_t weighted = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++)
		weighted += members[i].weight > 0;
	if (!is_prime(slots) || weighted > slots)
		return -EINVAL;
	fill.count = weighted;
	if (weighted)
		err = fill_run(&fill, members, count);
	else
		memset(owners, 0xff, slots * sizeof(*owners)); /* RING_NOBODY */
	free(fill.fillers);
	free(fill.taken);
	free(fill.calendar.last);
	return err;
}
