/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of units that lb.conf knows, and both ways through it. Called by value.c. */
#include "config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
	enum unit_kind kind;
	const char *name;
	uint64_t factor;
} units[] = { /* of one kind: the larger first, for unit_format() */
	{ UNIT_TIME, "h", 3600000 },
	{ UNIT_TIME, "m", 60000 },
	{ UNIT_TIME, "s", 1000 },
	{ UNIT_TIME, "ms", 1 },
	{ UNIT_SIZE, "G", 1000000000 },
	{ UNIT_SIZE, "M", 1000000 },
	{ UNIT_SIZE, "k", 1000 },
	{ UNIT_BITRATE, "gbit", 1000000000 },
	{ UNIT_BITRATE, "mbit", 1000000 },
	{ UNIT_BITRATE, "kbit", 1000 },
	{ UNIT_PACKETRATE, "pps", 1 },
	{ UNIT_SHARE, "%", 100 },
};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static const struct unit *unit_find(enum unit_kind kind, const char *name)
{
	for (size_t i = 0; i < UNIT_COUNT; i++)
		if (units[i].kind == kind && !strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

int unit_parse(enum unit_kind kind, const char *text, uint64_t *ret_value)
{
	size_t digits = strspn(text, "0123456789");
	const struct unit *unit = unit_find(kind, text + digits);
	uint64_t value = 0;

	if (!digits || !unit)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return -ERANGE;
	if (__builtin_mul_overflow(value, unit->factor, &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

const char *unit_format(enum unit_kind kind, uint64_t value, char *text)
{
	const struct unit *best = NULL;

	for (size_t i = 0; i < UNIT_COUNT && (!best || value % best->factor); i++)
		if (units[i].kind == kind)
			best = &units[i];
	if (!value && kind == UNIT_TIME)
		best = unit_find(kind, "s");
	snprintf(text, UNIT_TEXT_MAX, "%" PRIu64 "%s", value / best->factor, best->name);
	return text;
}
