/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open addressing with linear probing. What is taken out leaves no mark: those behind it that
 * would no longer be found move up. */
#include "lb/flows/hash.h"

#include <stdlib.h>
#include <sys/random.h>

#include "config/mem.h"

#define ROOM_FIRST 64

struct hash_slot {
	uint64_t code;
	void *item;		/* NULL: free */
};

static size_t next_of(const struct hash *hash, size_t place)
{
	return (place + 1) & (hash->room - 1);
}

void *hash_find(const struct hash *hash, uint64_t code, hash_match *match, const void *key)
{
	size_t place = code & (hash->room - 1);

	if (!hash->room)
		return NULL;
	for (; hash->slots[place].item; place = next_of(hash, place))
		if (hash->slots[place].code == code && match(hash->slots[place].item, key))
			return hash->slots[place].item;
	return NULL;
}

static void put(struct hash *hash, uint64_t code, void *item)
{
	size_t place = code & (hash->room - 1);

	while (hash->slots[place].item)
		place = next_of(hash, place);
	hash->slots[place] = (struct hash_slot){ code, item };
}

static void grow(struct hash *hash)
{
	struct hash grown = { .room = hash->room ? 2 * hash->room : ROOM_FIRST,
			      .count = hash->count };

	grown.slots = mem_array(grown.room, sizeof(*grown.slots));
	for (size_t i = 0; i < hash->room; i++)
		if (hash->slots[i].item)
			put(&grown, hash->slots[i].code, hash->slots[i].item);
	free(hash->slots);
	*hash = grown;
}

void hash_add(struct hash *hash, uint64_t code, void *item)
{
	if (2 * hash->count >= hash->room)
		grow(hash);
	put(hash, code, item);
	hash->count++;
}

/* Whether an item that belongs at `home` and stands at `place` would be found if it stood at
 * `free`: going round from its home one comes to `free` first. */
static bool may_move(const struct hash *hash, size_t home, size_t free, size_t place)
{
	size_t mask = hash->room - 1;

	return ((free - home) & mask) < ((place - home) & mask);
}

void hash_remove(struct hash *hash, uint64_t code, const void *item)
{
	size_t place = code & (hash->room - 1), free;

	if (!hash->room)
		return;
	while (hash->slots[place].item != item) {
		if (!hash->slots[place].item)
			return;
		place = next_of(hash, place);
	}
	for (free = place;;) {
		hash->slots[free].item = NULL;
		do {
			place = next_of(hash, place);
			if (!hash->slots[place].item) {
				hash->count--;
				return;
			}
		} while (!may_move(hash, hash->slots[place].code & (hash->room - 1), free, place));
		hash->slots[free] = hash->slots[place];
		free = place;
	}
}

void *hash_next(const struct hash *hash, size_t *at)
{
	while (*at < hash->room) {
		void *item = hash->slots[(*at)++].item;

		if (item)
			return item;
	}
	return NULL;
}

void hash_clear(struct hash *hash)
{
	free(hash->slots);
	*hash = (struct hash){ 0 };
}

void hash_key(uint64_t ret_key[2])
{
	/* So few bytes are never given in part; without any the table is still right. */
	if (getrandom(ret_key, 2 * sizeof(*ret_key), GRND_NONBLOCK) < 0)
		ret_key[0] = ret_key[1] = (uintptr_t)ret_key;
}
