/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb as it would be with an LRU map for its records: the whole program and all its rules, but for
 * the one function that finds and makes a flow's record. For the bench, which holds the buckets of
 * xdp/record.bpf.h against it: the Makefile compiles xdp/lb.bpf.c once more with this in front. */
#ifndef BENCH_LB_LRU_BPF_H
#define BENCH_LB_LRU_BPF_H

#define record_route record_route_by_buckets
#include "record.bpf.h"
#undef record_route

#include "bench/bench_abi.h"

struct lru_record {		/* of a flow's hash, all 64 bits of it */
	__u64 entry;		/* as in a bucket */
	__u32 isn;		/* while it is embryonic */
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BENCH_LRU_ENTRIES);
	__type(key, __u64);
	__type(value, struct lru_record);
} lru_records SEC(".maps");

static __always_inline bool lru_record_speaks(const struct lru_record *record, __u64 entry,
					      const struct flow *flow)
{
	if (!entry_is_alive(entry, flow) ||
	    !backend_is_usable(LB_RECORD_BACKEND(entry), flow->service))
		return false;
	if (LB_RECORD_STATE(entry) != LB_RECORD_EMBRYONIC)
		return true;
	if (flow->syn)
		return flow->seq == record->isn;
	return flow->denies || flow->seq - record->isn - 1 < LB_ISN_WINDOW;
}

static __always_inline void lru_record_touch(struct lru_record *record, __u64 entry,
					     const struct flow *flow)
{
	__u32 state = flow->ends ? LB_RECORD_CLOSING : LB_RECORD_CONFIRMED;
	__u64 now;

	if (LB_RECORD_STATE(entry) == LB_RECORD_EMBRYONIC && flow->denies)
		return;
	if (flow->syn)
		state = LB_RECORD_STATE(entry);
	now = LB_RECORD(flow_tag(flow), LB_RECORD_BACKEND(entry), state, flow->now);
	if (now != entry)
		*(volatile __u64 *)&record->entry = now;
}

__noinline __u32 record_route(struct lb_settings *set, struct flow *flow)
{
	struct lru_record made = {}, *record;
	__u64 key, entry;

	if (!set || !flow)
		return LB_NOBODY;
	key = flow->hash;
	record = bpf_map_lookup_elem(&lru_records, &key);
	entry = record ? read_once(&record->entry) : 0;
	if (entry && lru_record_speaks(record, entry, flow)) {
		lru_record_touch(record, entry, flow);
		return LB_RECORD_BACKEND(entry);
	}
	if (flow->tcp && !flow->syn)
		return flow->unrecorded;
	if (flow->owner == LB_NOBODY)
		return LB_NOBODY;
	made.entry = LB_RECORD(flow_tag(flow), flow->owner,
			       flow->tcp ? LB_RECORD_EMBRYONIC : LB_RECORD_CONFIRMED, flow->now);
	made.isn = flow->seq;
	if (bpf_map_update_elem(&lru_records, &key, &made, BPF_ANY))
		return record_lost(flow->unrecorded);
	return flow->owner;
}

#endif
