/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
 * 2002), by complements: parts are left out, large ones first, as long as the rest fails. */
#include "tests/model/shrink.h"

#include <string.h>

struct shrinker {
	struct world *world;
	unsigned int tries;	/* left */
};

static bool fails(struct shrinker *shrinker, const struct schedule *schedule)
{
	struct tally tally;

	if (!shrinker->tries)
		return false;
	shrinker->tries--;
	schedule_run(shrinker->world, schedule, &tally);
	return tally_failed(&tally, &schedule->setup);
}

/* Whether it fails without [from, from + count); then they are gone. */
static bool part_drop(struct shrinker *shrinker, struct schedule *schedule, size_t from,
		      size_t count)
{
	struct schedule rest = { .setup = schedule->setup };

	for (size_t i = 0; i < schedule->count; i++)
		if (i < from || i >= from + count)
			schedule_add(&rest, schedule->events[i]);
	if (!fails(shrinker, &rest)) {
		schedule_clear(&rest);
		return false;
	}
	schedule_clear(schedule);
	*schedule = rest;
	return true;
}

static bool parts_drop(struct shrinker *shrinker, struct schedule *schedule, size_t size)
{
	bool dropped = false;

	/* From the end: what comes behind the failure goes at once. */
	for (size_t end = schedule->count; end > 0;) {
		size_t from = end > size ? end - size : 0;

		dropped |= part_drop(shrinker, schedule, from, end - from);
		end = from;
	}
	return dropped;
}

/* Ticks with nothing between them become one. */
static void ticks_merge(struct shrinker *shrinker, struct schedule *schedule)
{
	struct schedule merged = { .setup = schedule->setup };

	for (size_t i = 0; i < schedule->count; i++) {
		struct event *event = &schedule->events[i];
		struct event *last = merged.count ? &merged.events[merged.count - 1] : NULL;

		if (event->kind == EVENT_TICK && last && last->kind == EVENT_TICK)
			last->value += event->value;
		else
			schedule_add(&merged, *event);
	}
	if (fails(shrinker, &merged)) {
		struct schedule kept = *schedule;

		*schedule = merged;
		merged = kept;
	}
	schedule_clear(&merged);
}

/* Packets that need not be late are not. */
static void lateness_drop(struct shrinker *shrinker, struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->count; i++) {
		uint8_t late = schedule->events[i].late;

		schedule->events[i].late = 0;
		if (late && !fails(shrinker, schedule))
			schedule->events[i].late = late;
	}
}

void schedule_shrink(struct world *world, struct schedule *schedule, unsigned int tries)
{
	struct shrinker shrinker = { world, tries };

	for (size_t size = (schedule->count + 1) / 2; size > 1; size /= 2)
		parts_drop(&shrinker, schedule, size);
	while (parts_drop(&shrinker, schedule, 1) && shrinker.tries)
		;
	ticks_merge(&shrinker, schedule);
	lateness_drop(&shrinker, schedule);
}
