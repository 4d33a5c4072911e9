/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table of pointers, for whoever looks things up by what they hold: names, addresses, pairs
 * of them. The things are the caller's, and so are their hashes, which must differ in every bit. */
#ifndef LB_FLOWS_HASH_H
#define LB_FLOWS_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash {			/* all zero: empty */
	struct hash_slot *slots;
	size_t room;		/* 0 or a power of two; at most half of it is in use */
	size_t count;
};

/* Whether the item is what is looked for. */
typedef bool hash_match(const void *item, const void *key);

/* NULL: there is none. */
void *hash_find(const struct hash *hash, uint64_t code, hash_match *match, const void *key);

/* Does not look whether there is one like it. Never fails: see config/mem.h. */
void hash_add(struct hash *hash, uint64_t code, void *item);
void hash_remove(struct hash *hash, uint64_t code, const void *item);

/* One after the other, from *at = 0 on; NULL: that was all. None may be added or taken out
 * meanwhile. */
void *hash_next(const struct hash *hash, size_t *at);

void hash_clear(struct hash *hash); /* not the items */

/* A key for siphash() that nobody outside knows, so that nobody can choose what collides. */
void hash_key(uint64_t ret_key[2]);

#endif
