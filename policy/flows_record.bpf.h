/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of flows: found free, filled, published, and what is counted where there is none. */
#ifndef POLICY_FLOWS_RECORD_BPF_H
#define POLICY_FLOWS_RECORD_BPF_H

#include "policy/flows_maps.bpf.h"

/* Whose flow it will be, and between which ends. */
struct flow_birth {
	__u64 cookie, cgroup, netns;
	union lb_addr local, remote, vip;
	__u16 local_port, remote_port, vip_port;
	__u8 protocol, direction, state;
};

static __always_inline struct flow_record *record_at(__u32 number)
{
	return bpf_map_lookup_elem(&flow_records, &number);
}

/* The record of the socket's that it was told of, unless the daemon has taken it away since. */
static __always_inline struct flow_record *record_of(const struct flow_socket *own)
{
	struct flow_record *record = record_at(read_once(&own->number));

	return record && record->flow.cookie == own->cookie ? record : NULL;
}

static __always_inline struct flow_other *other(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_other, &zero);
}

/* Per CPU, but softirqs come in between. */
static __always_inline void other_flow(void)
{
	struct flow_other *all = other();

	if (all)
		__sync_fetch_and_add(&all->flows, 1);
}

static __always_inline void other_count(bool in, __u64 packets, __u64 bytes)
{
	struct flow_other *all = other();

	if (!all)
		return;
	__sync_fetch_and_add(in ? &all->packets_in : &all->packets_out, packets);
	__sync_fetch_and_add(in ? &all->bytes_in : &all->bytes_out, bytes);
}

static __always_inline void other_without_storage(void)
{
	struct flow_other *all = other();

	if (all)
		__sync_fetch_and_add(&all->no_memory, 1);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static __always_inline void untold_count(void)
{
	__u32 zero = 0;
	struct flow_settings *settings = bpf_map_lookup_elem(&flow_settings, &zero);

	if (settings)
		__sync_fetch_and_add(&settings->untold, 1);
}

/* The path of a cgroup can only be read while it is there, so the daemon is told at once. */
static __noinline void cgroup_tell(__u64 cgroup)
{
	__u64 id = cgroup;
	__u32 any = 1;
	long err;

	if (!id || bpf_map_lookup_elem(&flow_cgroups, &id))
		return;
	err = bpf_map_update_elem(&flow_cgroups, &id, &any, BPF_NOEXIST);
	if (err == -17 /* EEXIST: another CPU has told */)
		return;
	if (err || bpf_ringbuf_output(&flow_news, &id, sizeof(id), 0))
		untold_count();
}

/* ---- a record of one's own ------------------------------------------------------------------- */

/* Where the next search begins: one behind the other, so that few pages are in use while few flows
 * live, and that a full table is gone through bit by bit. */
__u32 flow_next = 0;

#define NEIGHBOURS (FLOW_PROBES / 2)
#define FAR 0x9e3779b1U /* multiples of it are spread evenly over any power of two */

/* Neighbours first. Where they live all, as connections do that were made in one go, the search
 * goes on from somewhere else. */
static __noinline __u32 place_take(void)
{
	__u32 start = __sync_fetch_and_add(&flow_next, 1);

	for (int i = 0; i < FLOW_PROBES; i++) {
		__u32 at = start + (i < NEIGHBOURS ? i : (i - NEIGHBOURS + 1) * FAR);
		__u32 number = at & flow_mask;
		struct flow_record *record = record_at(number);

		if (!record)
			break;
		if (read_once(&record->flow.life) == FLOW_FREE &&
		    __sync_val_compare_and_swap(&record->flow.life, FLOW_FREE, FLOW_TAKEN) ==
			    FLOW_FREE) {
			if (i)
				write_once(&flow_next, at + 1);
			return number;
		}
	}
	write_once(&flow_next, start + NEIGHBOURS);
	return FLOW_NONE;
}

/* Who finds none looks again when this has changed, some milliseconds later: a search that fails is
 * a long one. */
static __always_inline __u32 tried_now(void)
{
	return (bpf_ktime_get_coarse_ns() >> 23) & 0xffffff;
}

static __always_inline void record_fill(struct flow_record *record, const struct flow_birth *birth)
{
	struct flow *flow = &record->flow;

	__builtin_memset(&flow->packets_in, 0,
			 offsetof(struct flow, life) - offsetof(struct flow, packets_in));
	flow->sampled = 0;
	__builtin_memset(&flow->start_ns, 0, sizeof(*record) - offsetof(struct flow, start_ns));
	flow->cookie = birth->cookie;
	flow->cgroup = birth->cgroup;
	flow->netns = birth->netns;
	__builtin_memcpy(flow->local, &birth->local, sizeof(flow->local));
	__builtin_memcpy(flow->remote, &birth->remote, sizeof(flow->remote));
	__builtin_memcpy(flow->vip, &birth->vip, sizeof(flow->vip));
	flow->local_port = birth->local_port;
	flow->remote_port = birth->remote_port;
	flow->vip_port = birth->vip_port;
	flow->protocol = birth->protocol;
	flow->direction = birth->direction;
	flow->state = birth->state;
	flow->outcome = FLOW_RUNS;
	flow->start_ns = bpf_ktime_get_ns();
	flow->seen_tick = (__u32)bpf_jiffies64() - 1; /* so that the first packet is seen */
}

/* Exchanges are full barriers on every machine: who sees LIVE sees all of it. */
static __always_inline void life_set(struct flow *flow, __u32 life)
{
	__sync_lock_test_and_set(&flow->life, life);
}

/* The number of a record that is filled, or FLOW_NONE. It is LIVE when everybody can find it, so
 * that of two CPUs with the same new flow the slower one drops its own unseen. */
static __always_inline __u32 record_take(const struct flow_birth *birth)
{
	__u32 number = place_take();
	struct flow_record *record = record_at(number);

	if (!record)
		return FLOW_NONE;
	record_fill(record, birth);
	return number;
}

static __always_inline struct flow_record *record_begin(__u32 number)
{
	struct flow_record *record = record_at(number);

	if (record)
		life_set(&record->flow, FLOW_LIVE);
	return record;
}

static __always_inline void record_drop(__u32 number)
{
	struct flow_record *record = record_at(number);

	if (!record)
		return;
	record->flow.cookie = 0;
	life_set(&record->flow, FLOW_FREE);
}

/* ---- sizes of messages ----------------------------------------------------------------------- */

static __always_inline __u32 size_class(__u32 bytes)
{
	__u32 class = 0;

	if (bytes >= 1 << (FLOW_SIZES - 1))
		return FLOW_SIZES - 1;
	if (bytes >= 1 << 8) {
		class += 8;
		bytes >>= 8;
	}
	if (bytes >= 1 << 4) {
		class += 4;
		bytes >>= 4;
	}
	if (bytes >= 1 << 2) {
		class += 2;
		bytes >>= 2;
	}
	return class + (bytes >> 1);
}

static __always_inline void size_count(struct flow_record *record, bool in, __u32 bytes,
				       __u32 times)
{
	__u32 *sizes = in ? record->size_in : record->size_out;
	__u32 class = size_class(bytes) & (FLOW_SIZES - 1);

	if (bytes)
		__sync_fetch_and_add(&sizes[class], times);
}

static __always_inline void size_prefetch(const struct flow_record *record, bool in)
{
	read_once(&(in ? record->size_in : record->size_out)[0]);
}

/* ---- who asked for a vip --------------------------------------------------------------------- */

static __always_inline bool addr_equal(const union lb_addr *one, const union lb_addr *other)
{
	return one->quad[0] == other->quad[0] && one->quad[1] == other->quad[1];
}

/* A socket that local.bpf.c gave a backend speaks to that; what it asked for stands beside it. */
static __always_inline void vip_find(struct flow_birth *birth, struct bpf_sock *sk)
{
	struct local_socket *state = bpf_sk_storage_get(&local_sockets, sk, 0, 0);
	struct local_peer key = { 0 };
	struct local_asked *asked;

	if (!state)
		return;
	if (state->backend_port == bpf_htons(birth->remote_port) &&
	    addr_equal(&state->backend, &birth->remote)) {
		birth->vip = state->vip;
		birth->vip_port = bpf_ntohs(state->vip_port);
		return;
	}
	if (!state->datagrams)
		return;
	key.socket = birth->cookie;
	key.backend = birth->remote;
	key.port = bpf_htons(birth->remote_port);
	asked = bpf_map_lookup_elem(&local_datagrams, &key);
	if (!asked)
		return;
	birth->vip = asked->vip;
	birth->vip_port = bpf_ntohs(asked->port);
}

#endif
