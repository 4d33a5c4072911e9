/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values to numbers: equal values get one number, in the order in which they first came, from 0.
 * The compiler holds its sets, classes and answers so. A value is a run of 64-bit words. */
#ifndef POLICY_INTERN_H
#define POLICY_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_value {
	size_t at;		/* of its first word */
	size_t words;
	uint64_t hash;
};

struct intern {			/* all zero: empty */
	uint64_t *words;
	size_t word_count, word_room;
	struct intern_value *values;
	size_t count, room;
	uint32_t *slots;	/* number + 1, by hash; 0: free */
	size_t slot_count;	/* a power of two, more than twice `count` */
};

/* The number of this value, which is added where it is not there yet. */
uint32_t intern_number(struct intern *intern, const uint64_t *value, size_t words);

/* Returns false for a value that was never added. */
bool intern_find(const struct intern *intern, const uint64_t *value, size_t words,
		 uint32_t *ret_number);

/* The words of a number; good until the next value is added. */
const uint64_t *intern_words(const struct intern *intern, uint32_t number);

void intern_clear(struct intern *intern); /* frees all and leaves an empty one */

#endif
