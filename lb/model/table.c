/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a half: hash, displace and compress (Belazzougui, Botelho, Dietzfelbinger, ESA 2009).
 * A key's hash names its bucket, and the bucket's displacement moves all keys of the bucket at
 * once, each by its own step, to where nobody stands yet: the fullest buckets first, as long as
 * there is much room. At one key a bucket and a table half full nearly every bucket is done with
 * its first few displacements.
 *
 * Two keys of a bucket that start at the same position with the same step go the same way for
 * ever. Displacements repeat after as many as there are entries; if none of them will do, the
 * next seed makes other buckets. Seeds are 1, 2, 3 and so on, and displacements are tried from 0,
 * so the half depends on nothing but the keys, not even on their order. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/table.h"

/* Nearly every set of keys is placed with the first seed, and at one key a bucket none comes near
 * so many; the limits are there to make an error, not an endless search, of a hash gone bad. */
#define SEEDS_MAX 1024
#define BUCKET_KEYS_MAX 64

/* Of so few keys one seed in some hundreds puts each where nobody else is, without displacement. */
#define FLAT_KEYS 24

struct builder {
	const struct lb_entry *keys;
	size_t count;
	uint64_t *hashes;	/* of the keys */
	uint32_t *order;	/* the keys by bucket */
	uint32_t *start;	/* by bucket, and behind the last: where its keys are in order[] */
	uint32_t reach;		/* displacements to be tried */
	struct table_half half;
};

static uint32_t bucket_count(uint32_t log2)
{
	return 1U << (log2 - 1);
}

static uint32_t entry_count(uint32_t log2)
{
	return 1U << log2;
}

static bool entry_has_key(const struct lb_entry *entry, const struct lb_key *key)
{
	return entry->port == key->port && entry->protocol == key->protocol &&
	       !memcmp(&entry->addr, &key->addr, sizeof(key->addr));
}

static struct lb_key key_of(const struct lb_entry *entry)
{
	return (struct lb_key){
		.addr = entry->addr,
		.port = entry->port,
		.protocol = entry->protocol,
	};
}

/* Hashes the keys and sorts them by bucket. Returns the size of the largest bucket. */
static uint32_t keys_sort(struct builder *builder)
{
	const uint32_t log2 = builder->half.log2, buckets = bucket_count(log2);
	const uint32_t mask = (1U << log2) - 1;
	uint32_t *start = builder->start, largest = 0, sum = 0;

	memset(start, 0, (buckets + 1) * sizeof(*start));
	for (size_t i = 0; i < builder->count; i++) {
		const struct lb_key key = key_of(&builder->keys[i]);

		builder->hashes[i] = lb_key_hash(&key, builder->half.seed);
		start[lb_table_bucket(builder->hashes[i], mask)]++;
	}
	/* Each start begins as the bucket's end and goes down with every key put before it. */
	for (uint32_t bucket = 0; bucket < buckets; bucket++) {
		largest = start[bucket] > largest ? start[bucket] : largest;
		sum += start[bucket];
		start[bucket] = sum;
	}
	start[buckets] = sum;
	for (size_t i = 0; i < builder->count; i++)
		builder->order[--start[lb_table_bucket(builder->hashes[i], mask)]] = i;
	return largest;
}

static bool bucket_has_equal_keys(const struct builder *builder, uint32_t bucket)
{
	const uint32_t *order = builder->order, end = builder->start[bucket + 1];

	for (uint32_t i = builder->start[bucket]; i < end; i++) {
		const struct lb_key key = key_of(&builder->keys[order[i]]);

		for (uint32_t j = i + 1; j < end; j++) {
			if (builder->hashes[order[i]] == builder->hashes[order[j]] &&
			    entry_has_key(&builder->keys[order[j]], &key))
				return true;
		}
	}
	return false;
}

/* Puts the keys of a bucket where the displacement wants them, or leaves everything as it was. */
static bool bucket_place(struct builder *builder, uint32_t bucket, uint32_t displacement)
{
	const uint32_t *order = &builder->order[builder->start[bucket]];
	const uint32_t size = builder->start[bucket + 1] - builder->start[bucket];
	struct lb_entry *entries = builder->half.entries;
	const uint32_t mask = (1U << builder->half.log2) - 1;
	uint32_t positions[BUCKET_KEYS_MAX], placed;

	for (placed = 0; placed < size; placed++) {
		const uint32_t position = lb_table_position(builder->hashes[order[placed]],
							    displacement, mask);

		if (entries[position].used)
			break;
		entries[position].used = 1;
		positions[placed] = position;
	}
	if (placed < size) {
		while (placed)
			entries[positions[--placed]].used = 0;
		return false;
	}
	for (uint32_t i = 0; i < size; i++) {
		entries[positions[i]] = builder->keys[order[i]];
		entries[positions[i]].used |= LB_ENTRY_USED;
	}
	return true;
}

static bool bucket_displace(struct builder *builder, uint32_t bucket)
{
	for (uint32_t displacement = 0; displacement < builder->reach; displacement++) {
		if (bucket_place(builder, bucket, displacement)) {
			builder->half.displacements[bucket] = displacement;
			return true;
		}
	}
	return false;
}

/* Returns -EAGAIN if the keys cannot be placed with this seed. */
static int seed_try(struct builder *builder, uint32_t seed)
{
	struct table_half *half = &builder->half;
	const uint32_t buckets = bucket_count(half->log2);
	uint32_t largest;

	half->seed = seed;
	memset(half->entries, 0, entry_count(half->log2) * sizeof(*half->entries));
	memset(half->displacements, 0, buckets * sizeof(*half->displacements));
	largest = keys_sort(builder);
	for (uint32_t bucket = 0; bucket < buckets; bucket++) {
		if (bucket_has_equal_keys(builder, bucket))
			return -EEXIST;
	}
	if (largest > BUCKET_KEYS_MAX)
		return -EAGAIN;
	for (uint32_t size = largest; size > 0; size--) {
		for (uint32_t bucket = 0; bucket < buckets; bucket++) {
			if (builder->start[bucket + 1] - builder->start[bucket] == size &&
			    !bucket_displace(builder, bucket))
				return -EAGAIN;
		}
	}
	return 0;
}

static int builder_init(struct builder *builder)
{
	const uint32_t entries = entry_count(builder->half.log2);
	const uint32_t buckets = bucket_count(builder->half.log2);

	builder->half.entries = calloc(entries, sizeof(*builder->half.entries));
	builder->half.displacements = calloc(buckets, sizeof(*builder->half.displacements));
	builder->hashes = calloc(entries / 2, sizeof(*builder->hashes));
	builder->order = calloc(entries / 2, sizeof(*builder->order));
	builder->start = calloc(buckets + 1, sizeof(*builder->start));
	return builder->half.entries && builder->half.displacements && builder->hashes &&
	       builder->order && builder->start ? 0 : -ENOMEM;
}

static int seeds_try(struct builder *builder, uint32_t reach)
{
	int err = -EAGAIN;

	builder->reach = reach;
	builder->half.flat = reach == 1;
	for (uint32_t seed = 1; err == -EAGAIN; seed++)
		err = seed <= SEEDS_MAX ? seed_try(builder, seed) : -ENOSPC;
	return err;
}

int table_build(const struct lb_entry *entries, size_t count, struct table_half *ret_half)
{
	struct builder builder = {
		.keys = entries,
		.count = count,
		.half.log2 = LB_TABLE_LOG2_MIN,
	};
	int err;

	if (count > LB_TABLE_KEYS)
		return -E2BIG;
	while (count > entry_count(builder.half.log2) / 2)
		builder.half.log2++;
	err = builder_init(&builder);
	if (!err)
		err = count <= FLAT_KEYS ? seeds_try(&builder, 1) : -ENOSPC;
	if (err == -ENOSPC)
		err = seeds_try(&builder, entry_count(builder.half.log2));
	if (err)
		table_half_clear(&builder.half);
	else
		*ret_half = builder.half;
	free(builder.hashes);
	free(builder.order);
	free(builder.start);
	return err;
}

void table_half_clear(struct table_half *half)
{
	free(half->entries);
	free(half->displacements);
	*half = (struct table_half){ 0 };
}

const struct lb_entry *table_find(const struct lb_entry *entries, const uint32_t *displacements,
				  uint32_t log2, uint32_t seed, const struct lb_key *key)
{
	const uint64_t hash = lb_key_hash(key, seed);
	const uint32_t mask = (1U << log2) - 1;
	const uint32_t displacement = displacements[lb_table_bucket(hash, mask)];
	const struct lb_entry *entry = &entries[lb_table_position(hash, displacement, mask)];

	return entry->used && entry_has_key(entry, key) ? entry : NULL;
}
