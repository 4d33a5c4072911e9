/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a collision-free table (lb_abi.h): one displacement, one entry, hit or miss. */
#ifndef XDP_TABLE_BPF_H
#define XDP_TABLE_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline bool entry_matches(const struct lb_entry *entry, const struct lb_key *key)
{
	const struct lb_entry options = { .used = (__u8)~LB_ENTRY_USED };
	const struct lb_entry wanted = { .port = key->port, .protocol = key->protocol,
					 .used = 0xff };

	return addr_same(&entry->addr, &key->addr) &&
	       (entry->rest | options.rest) == wanted.rest;
}

/* The entry of `key` in the half that `word` says is live, or NULL. */
static __always_inline struct lb_entry *table_lookup(void *entries, void *displacements, __u64 word,
						     const struct lb_key *key)
{
	__u32 half = LB_TABLE_HALF(word), mask = LB_TABLE_MASK(word), index;
	__u64 hash = lb_key_hash(key, LB_TABLE_SEED(word)), *displacement;
	struct lb_entry *entry;

	if (word & LB_TABLE_FLAT) {
		index = lb_table_position(hash, 0, mask);
	} else {
		index = half * LB_TABLE_DISPLACEMENTS + lb_table_bucket(hash, mask);
		displacement = bpf_map_lookup_elem(displacements, &index);
		if (!displacement)
			return NULL;
		index = lb_table_position(hash, *displacement, mask);
	}
	index += half * LB_TABLE_ENTRIES;
	entry = bpf_map_lookup_elem(entries, &index);
	return entry && entry_matches(entry, key) ? entry : NULL;
}

static __always_inline struct lb_settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_settings, &zero);
}

static __always_inline __u64 read_once(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

#endif
