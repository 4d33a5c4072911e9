/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Did you mean": the known word nearest to a mistyped one. Called where vet.c refuses a key or
 * a word and check_policy.c a name; a suggestion never changes what is refused. */
#include "config/nearest.h"

#include <string.h>

#include "config/schema.h"

#define TYPED_MAX 32 /* longer than any key: nothing of ours is near */

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Edits from one word to the other: a letter more, less, another, or two neighbours swapped
 * (optimal string alignment). Both are at most TYPED_MAX long. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int cost[TYPED_MAX + 1][TYPED_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	for (size_t i = 0; i <= a_len; i++)
		cost[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= b_len; j++)
		cost[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++)
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int other = a[i - 1] != b[j - 1];

			cost[i][j] = least(cost[i - 1][j - 1] + other,
					   least(cost[i - 1][j], cost[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	return cost[a_len][b_len];
}

/* Two edits, one in short words: beyond that a suggestion is noise. */
void nearest_consider(struct nearest *nearest, const char *word)
{
	size_t typed_len = strlen(nearest->typed);
	unsigned int far = typed_len < 5 ? 1 : 2;
	unsigned int edits;

	if (typed_len > TYPED_MAX || strlen(word) > TYPED_MAX)
		return;
	edits = edit_distance(word, nearest->typed);
	if (edits > far || (nearest->word && edits >= nearest->edits))
		return;
	nearest->word = word;
	nearest->edits = edits;
}

const char *schema_nearest_key(unsigned int in, const char *typed)
{
	struct nearest nearest = { .typed = typed };

	for (size_t i = 0; i < schema_key_count; i++)
		if (schema_keys[i].in & in)
			nearest_consider(&nearest, schema_keys[i].name);
	return nearest.word;
}

const char *schema_nearest_word(const struct schema_word *words, const char *typed)
{
	struct nearest nearest = { .typed = typed };

	for (; words->word; words++)
		if (!words->beyond)
			nearest_consider(&nearest, words->word);
	return nearest.word;
}
