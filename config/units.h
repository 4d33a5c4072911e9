/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities of lb.conf: an integer and a unit in one string, such as "5m" or "25%". */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include <stdint.h>

enum unit_kind {
	UNIT_TIME,	/* ms s m h; in milliseconds */
	UNIT_SIZE,	/* k M G; decimal, in bytes */
	UNIT_BITRATE,	/* kbit mbit gbit; decimal, in bits a second */
	UNIT_PACKETRATE,/* pps; in packets a second */
	UNIT_SHARE,	/* %; in hundredths of a percent */
};

#define UNIT_TEXT_MAX 24

/* Digits and a unit of the kind with nothing before, between or behind. Returns 0, -EINVAL, or
 * -ERANGE for what 64 bits do not hold. */
int unit_parse(enum unit_kind kind, const char *text, uint64_t *ret_value);

/* The value with the largest unit that leaves an integer ("0s" for no time), into
 * text[UNIT_TEXT_MAX]; returns text. Value must be a whole number of the kind's smallest unit. */
const char *unit_format(enum unit_kind kind, uint64_t value, char *text);

#endif
