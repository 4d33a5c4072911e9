/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open addressing with linear probing; nothing is ever taken out of it alone. */
#include "lb/watch/addr_index.h"

#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

#define ROOM_FIRST 64

struct addr_entry {
	struct addr addr;
	unsigned int ifindex;
	bool used;
	size_t item;
};

/* Addresses of one network differ in few bits, and in the last bytes: each half is folded and
 * multiplied, so that every bit reaches the upper ones, which are taken. */
static uint64_t mix(uint64_t word)
{
	return (word ^ (word >> 32)) * 0x9e3779b97f4a7c15ULL;
}

static size_t place_of(const struct addr_index *index, unsigned int ifindex,
		       const struct addr *addr)
{
	uint64_t words[2];

	memcpy(words, addr->byte, sizeof(words));
	return (mix(mix(words[0] ^ ifindex) ^ words[1]) >> 32) & (index->room - 1);
}

/* The entry of that place, or the free one where it would stand. */
static struct addr_entry *entry_at(const struct addr_index *index, unsigned int ifindex,
				   const struct addr *addr)
{
	size_t place = place_of(index, ifindex, addr);
	struct addr_entry *entry = &index->entries[place];

	while (entry->used && (entry->ifindex != ifindex || !addr_equal(&entry->addr, addr))) {
		place = (place + 1) & (index->room - 1);
		entry = &index->entries[place];
	}
	return entry;
}

static void grow(struct addr_index *index)
{
	struct addr_index grown = { .room = index->room ? 2 * index->room : ROOM_FIRST };

	grown.entries = mem_array(grown.room, sizeof(*grown.entries));
	for (size_t i = 0; i < index->room; i++)
		if (index->entries[i].used)
			addr_index_add(&grown, index->entries[i].ifindex, &index->entries[i].addr,
				       index->entries[i].item);
	free(index->entries);
	*index = grown;
}

void addr_index_add(struct addr_index *index, unsigned int ifindex, const struct addr *addr,
		    size_t item)
{
	struct addr_entry *entry;

	if (2 * index->count >= index->room)
		grow(index);
	entry = entry_at(index, ifindex, addr);
	if (entry->used)
		return;
	*entry = (struct addr_entry){ *addr, ifindex, true, item };
	index->count++;
}

bool addr_index_find(const struct addr_index *index, unsigned int ifindex,
		     const struct addr *addr, size_t *ret_item)
{
	const struct addr_entry *entry;

	if (!index->count)
		return false;
	entry = entry_at(index, ifindex, addr);
	if (entry->used)
		*ret_item = entry->item;
	return entry->used;
}

void addr_index_clear(struct addr_index *index)
{
	free(index->entries);
	*index = (struct addr_index){ 0 };
}
