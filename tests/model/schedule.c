/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Schedules as lists and as text. */
#include "tests/model/schedule.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
#define EVENT_WORD(name, word, text) word,
	EVENTS(EVENT_WORD)
#undef EVENT_WORD
};

void schedule_add(struct schedule *schedule, struct event event)
{
	if (schedule->count == schedule->room) {
		schedule->room = schedule->room ? 2 * schedule->room : 1024;
		schedule->events =
			realloc(schedule->events, schedule->room * sizeof(*schedule->events));
		if (!schedule->events)
			abort();
	}
	schedule->events[schedule->count++] = event;
}

void schedule_clear(struct schedule *schedule)
{
	free(schedule->events);
	*schedule = (struct schedule){ 0 };
}

void schedule_print(const struct schedule *schedule, FILE *to)
{
	fprintf(to, "setup ring %u idle %u buckets %u clock %u\n", schedule->setup.ring,
		schedule->setup.idle, schedule->setup.buckets, schedule->setup.clock);
	for (size_t i = 0; i < schedule->count; i++)
		fprintf(to, "%s %u %u %u\n", words[schedule->events[i].kind],
			schedule->events[i].subject, schedule->events[i].value,
			schedule->events[i].late);
}

static bool subject_fits(enum event_kind kind, unsigned int subject)
{
	if (kind == EVENT_OPEN || kind == EVENT_SEND || kind == EVENT_AGAIN || kind == EVENT_END ||
	    kind == EVENT_BLIND_SYN)
		return subject < CLIENTS;
	if (kind >= EVENT_WEIGHT && kind <= EVENT_ADD)
		return subject < BACKENDS;
	return subject <= UINT16_MAX;
}

static bool event_read(struct schedule *schedule, const char *line)
{
	unsigned int subject, value, late;
	char word[16];

	if (sscanf(line, "%15s %u %u %u", word, &subject, &value, &late) != 4)
		return false;
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		if (!strcmp(words[kind], word) && subject_fits(kind, subject)) {
			schedule_add(schedule, (struct event){ kind, late, subject, value });
			return true;
		}
	return false;
}

static bool setup_read(struct setup *setup, const char *line)
{
	return sscanf(line, "setup ring %u idle %u buckets %u clock %u", &setup->ring, &setup->idle,
		      &setup->buckets, &setup->clock) == 4 &&
	       setup->buckets && !(setup->buckets & (setup->buckets - 1)) &&
	       setup->buckets <= 1U << LB_BUCKETS_LOG2;
}

int schedule_read(struct schedule *schedule, FILE *from)
{
	bool has_setup = false;
	char line[128];

	for (int number = 1; fgets(line, sizeof(line), from); number++) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (has_setup ? !event_read(schedule, line)
			      : !(has_setup = setup_read(&schedule->setup, line)))
			return number;
	}
	return has_setup ? 0 : 1;
}
