/* SPDX-License-Identifier: GPL-2.0-or-later */
/* InfluxDB's line protocol: points as lines of text. Pure. A point is its measurement, its tags,
 * its fields and its time, written in this order; a text of points is finished before it goes
 * out. */
#ifndef LB_INFLUX_LINE_H
#define LB_INFLUX_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Names and values are escaped as the protocol wants it. What it has no way to say becomes "_":
 * control characters, a "\" that would escape what follows it, and a quote in a field's key. */
void influx_measure(FILE *to, const char *measurement);
void influx_tag(FILE *to, const char *key, const char *value);	/* "" or NULL: left out */
void influx_count(FILE *to, const char *key, uint64_t value);	/* an integer; INT64_MAX at most */
void influx_number(FILE *to, const char *key, double value);	/* left out if it is not finite */
void influx_time(FILE *to, struct timespec when);		/* ends the point */

/* Takes points without a field away, for they are none, and makes lines of the others, in place:
 * the text does not grow. Returns how many points there are. */
size_t influx_lines_finish(char *text, size_t *size);

#endif
