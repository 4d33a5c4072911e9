/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table with open addressing over an arena of words. Nothing is ever taken out, so a probe
 * may end at the first free slot. */
#include "policy/intern.h"

#include "config/mem.h"

#define SLOTS_FIRST 64

/* Values come from the administrator's file, not from the net: mixing is enough, no key. */
static uint64_t words_hash(const uint64_t *value, size_t words)
{
	uint64_t hash = words;

	for (size_t i = 0; i < words; i++) {
		hash = (hash ^ value[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash ^ hash >> 32;
}

/* The slot of this value, or the free one where it belongs. */
static size_t slot_of(const struct intern *intern, uint64_t hash, const uint64_t *value,
		      size_t words)
{
	size_t slot = hash & (intern->slot_count - 1);

	for (; intern->slots[slot]; slot = (slot + 1) & (intern->slot_count - 1)) {
		const struct intern_value *there = &intern->values[intern->slots[slot] - 1];

		if (there->hash == hash && there->words == words &&
		    !memcmp(intern->words + there->at, value, words * sizeof(*value)))
			break;
	}
	return slot;
}

static void slots_grow(struct intern *intern)
{
	size_t mask;

	intern->slot_count = intern->slot_count ? 2 * intern->slot_count : SLOTS_FIRST;
	free(intern->slots);
	intern->slots = mem_array(intern->slot_count, sizeof(*intern->slots));
	mask = intern->slot_count - 1;
	for (size_t i = 0; i < intern->count; i++) {
		size_t slot = intern->values[i].hash & mask;

		while (intern->slots[slot])
			slot = (slot + 1) & mask;
		intern->slots[slot] = (uint32_t)i + 1;
	}
}

static void value_append(struct intern *intern, uint64_t hash, const uint64_t *value,
			 size_t words)
{
	if (intern->count == intern->room) {
		intern->room = 2 * intern->room + 16;
		intern->values = mem_must(reallocarray(intern->values, intern->room,
						       sizeof(*intern->values)));
	}
	if (intern->word_room - intern->word_count < words || !intern->words) {
		intern->word_room = 2 * intern->word_room + words + 64;
		intern->words = mem_must(reallocarray(intern->words, intern->word_room,
						      sizeof(*intern->words)));
	}
	memcpy(intern->words + intern->word_count, value, words * sizeof(*value));
	intern->values[intern->count++] =
		(struct intern_value){ .at = intern->word_count, .words = words, .hash = hash };
	intern->word_count += words;
}

uint32_t intern_number(struct intern *intern, const uint64_t *value, size_t words)
{
	uint64_t hash = words_hash(value, words);
	size_t slot;

	if (intern->slot_count <= 2 * (intern->count + 1))
		slots_grow(intern);
	slot = slot_of(intern, hash, value, words);
	if (!intern->slots[slot]) {
		value_append(intern, hash, value, words);
		intern->slots[slot] = (uint32_t)intern->count;
	}
	return intern->slots[slot] - 1;
}

bool intern_find(const struct intern *intern, const uint64_t *value, size_t words,
		 uint32_t *ret_number)
{
	uint32_t number;

	if (!intern->slot_count)
		return false;
	number = intern->slots[slot_of(intern, words_hash(value, words), value, words)];
	if (!number)
		return false;
	*ret_number = number - 1;
	return true;
}

const uint64_t *intern_words(const struct intern *intern, uint32_t number)
{
	return intern->words + intern->values[number].at;
}

void intern_clear(struct intern *intern)
{
	free(intern->words);
	free(intern->values);
	free(intern->slots);
	*intern = (struct intern){ 0 };
}
