/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows how a point is written. What stands before a field is a blank for the
 * first one and a comma for all others; a stream does not know which one it is, so it gets a mark
 * of its own, which no name can hold, and influx_lines_finish() exchanges it. */
#include "lb/influx_line.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define FIELD_MARK '\x1f'

/* What is itself in every name. */
static bool is_plain(char c)
{
	switch (c) {
	case ',':
	case '=':
	case '"':
	case '\\':
	case '\x7f':
		return false;
	default:
		return (unsigned char)c > ' ';
	}
}

/* A "\" is itself, unless what follows is of those that it escapes, or nothing: then the target
 * would take it for an escape, and there is none for it. */
static bool is_lost(const char *at)
{
	if (*at == '\\')
		return !at[1] || strchr(",= \"", at[1]);
	return (unsigned char)*at < ' ' || *at == '\x7f';
}

/* Characters of `escaped` get their escape, and in place of those of `lost` there is "_". Thousands
 * of names stand in a batch, and the loop waits for it: what is plain goes as one piece. */
static void put_name(FILE *to, const char *name, const char *escaped, const char *lost)
{
	for (const char *at = name, *plain; ; at++) {
		for (plain = at; is_plain(*at); at++)
			;
		fwrite_unlocked(plain, 1, (size_t)(at - plain), to);
		if (!*at)
			return;
		if (strchr(escaped, *at))
			putc_unlocked('\\', to);
		putc_unlocked(is_lost(at) || strchr(lost, *at) ? '_' : *at, to);
	}
}

/* A quote would begin a string, even in a key. */
static void put_field(FILE *to, const char *key)
{
	putc_unlocked(FIELD_MARK, to);
	put_name(to, key, ",= ", "\"");
	putc_unlocked('=', to);
}

/* A line that begins with "#" would be a comment. */
void influx_measure(FILE *to, const char *measurement)
{
	bool comment = *measurement == '#';

	if (comment)
		putc_unlocked('_', to);
	put_name(to, measurement + comment, ", ", "");
}

void influx_tag(FILE *to, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	putc_unlocked(',', to);
	put_name(to, key, ",= ", "");
	putc_unlocked('=', to);
	put_name(to, value, ",= ", "");
}

void influx_count(FILE *to, const char *key, uint64_t value)
{
	put_field(to, key);
	fprintf(to, "%" PRIu64 "i", value > INT64_MAX ? (uint64_t)INT64_MAX : value);
}

void influx_number(FILE *to, const char *key, double value)
{
	if (!isfinite(value))
		return;
	put_field(to, key);
	fprintf(to, "%.17g", value);
}

void influx_time(FILE *to, struct timespec when)
{
	fprintf(to, " %lld%09ld\n", (long long)when.tv_sec, when.tv_nsec);
}

size_t influx_lines_finish(char *text, size_t *size)
{
	const char *end = text + *size;
	char *write = text;
	size_t points = 0;

	for (const char *line = text, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t length;
		char *mark;

		if (!newline) /* a point that was not ended is none */
			break;
		next = newline + 1;
		length = (size_t)(next - line);
		mark = memchr(line, FIELD_MARK, length);
		if (!mark)
			continue;
		*mark = ' ';
		while ((mark = memchr(mark, FIELD_MARK, (size_t)(next - mark))))
			*mark = ',';
		memmove(write, line, length);
		write += length;
		points++;
	}
	*size = (size_t)(write - text);
	return points;
}
