/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One value of lb.conf, read under its row of the schema. vet.c reads to judge, build.c reads
 * again to take; both get the same answer from here. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <libconfig.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/addr.h"
#include "config/schema.h"

struct value {
	int64_t number;		/* integers, booleans, quantities; a word's index or, if it has
				 * one, number; a range's first */
	int64_t last;		/* of a range */
	const char *text;	/* strings; lives as long as the setting */
	struct addr addr;	/* of a prefix the first */
	unsigned int prefix_len; /* over the 16 bytes */
	unsigned char mac[6];
};

/* Reads a scalar, or one element of an array, as key->type. False if it is not what the key
 * wants. A word that is not built yet is read like any other. */
bool value_read(const struct schema_key *key, const config_setting_t *scalar,
		struct value *ret_value);

/* The key's fallback; all zero where it has none. */
struct value value_fallback(const struct schema_key *key);

/* An array's good elements, the caller's; *ret_count says how many. What is no array has none. */
struct value *value_read_array(const struct schema_key *key, const config_setting_t *setting,
			       size_t *ret_count);

/* "an integer from 0 to 65535": what the key wants, or what its elements are. */
void value_print_wanted(const struct schema_key *key, FILE *to);

/* `"100"`, `5`, `a list ( )`: what stands there. */
void value_print_given(const config_setting_t *setting, FILE *to);

#endif
