/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend a packet goes to: the keyed hash of its flow names a slot of the service's ring,
 * and the slot's word names the backend. While a slot is moving, flows that began before the
 * motion stay with the previous owner, and those that began since are known by their records; at
 * rest nothing is remembered about any flow. */
#ifndef XDP_SLOT_BPF_H
#define XDP_SLOT_BPF_H

#include "packet.bpf.h"
#include "record.bpf.h"
#include "table.bpf.h"

/* Time is what the settings say: a test lets hours pass in seconds. */
const volatile bool lb_test_clock = false;

static __always_inline __u32 motion_clock(const struct lb_settings *set)
{
	if (lb_test_clock)
		return *(const volatile __u32 *)&set->test_clock;
	return bpf_ktime_get_coarse_ns() >> LB_TICK_SHIFT;
}

/* Multilinear-HM (Lemire and Kaser, "Strongly universal string hashing is fast", 2014, section 3)
 * over the 32-bit words of a flow: whoever does not know the keys cannot aim at a slot. IPv6 has
 * ten words; IPv4 has four, since the rest of its addresses is the same in all. One more
 * multiplication spreads what sequential ports leave as a lattice. */
static __always_inline __u32 flow_hash(const struct lb_settings *set, const struct packet *pkt,
				       bool source)
{
	const __u64 *key = set->hash_key;
	__u64 sum = key[0];

	if (__builtin_expect(source, 0)) { /* hash = "source": the client alone */
		sum += (key[3] + pkt->src.word[3]) * (key[4] + pkt->src.word[2]);
		sum += (key[5] + pkt->src.word[0]) * (key[6] + pkt->src.word[1]);
		goto spread;
	}
	sum += (key[1] + pkt->ports) * (key[2] + pkt->protocol);
	sum += (key[3] + pkt->src.word[3]) * (key[4] + pkt->dst.word[3]);
	if (pkt->ipv6) {
		sum += (key[5] + pkt->src.word[0]) * (key[6] + pkt->src.word[1]);
		sum += (key[7] + pkt->dst.word[0]) * (key[8] + pkt->dst.word[1]);
		sum += (key[9] + pkt->src.word[2]) * (key[10] + pkt->dst.word[2]);
	}
spread:
	sum ^= sum >> 32;
	sum *= 0x9e3779b97f4a7c15ULL;
	return sum >> 32;
}

/* What the records are asked stands here and not on the stack, of which they need some too. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} lb_flow SEC(".maps");

static __always_inline void flow_fill(struct flow *flow, const struct lb_settings *set,
				      const struct packet *pkt, __u32 epoch)
{
	flow->hash = record_hash(set, pkt, epoch);
	flow->tcp = pkt->is_tcp;
	flow->quoted = pkt->quoted;
	flow->seq = pkt->is_tcp ? bpf_ntohl(pkt->tcp->seq) : 0;
	flow->syn = packet_is_syn(pkt);
	flow->denies = (pkt->tcp_flags & (TCP_RST | TCP_ACK)) == TCP_RST;
	flow->ends = pkt->tcp_flags & (TCP_FIN | TCP_RST);
}

/* Has the bucket's line on its way while everything else is looked up: at a million flows it is
 * the one that is in no cache. */
static __always_inline void bucket_fetch(const struct lb_settings *set, __u64 hash)
{
	__u32 index = (__u32)hash & set->record_mask;
	struct lb_bucket *bucket = bpf_map_lookup_elem(&lb_records, &index);

	if (bucket)
		read_once(&bucket->entry[0]);
}

/* The rare way: the slot is moving, or the service tracks always. */
static __always_inline __u32 motion_pick(struct lb_settings *set, const struct packet *pkt,
					 const struct lb_entry *service, __u64 word)
{
	__u32 owner = LB_SLOT_OWNER(word), previous = LB_SLOT_PREVIOUS(word), backend, zero = 0;
	struct flow *flow = bpf_map_lookup_elem(&lb_flow, &zero);
	struct lb_clock *clock = bpf_map_lookup_elem(&lb_clocks, &pkt->slot);
	struct lb_service_info *info;

	if (!flow || !clock)
		return owner;
	flow->pick = LB_PICK_UNTRACKED;
	flow->record = 0;
	if (!pkt->is_tcp && !(service->used & LB_ENTRY_TRACK))
		return owner; /* without a first packet: it follows the slot */
	flow_fill(flow, set, pkt,
		  LB_SLOT_MOVING(word) ? LB_SLOT_EPOCH(word) : clock->epoch & 0x7fff);
	bucket_fetch(set, flow->hash);
	info = bpf_map_lookup_elem(&lb_service_info, &service->id);
	if (!info)
		return owner;
	flow->now = motion_clock(set);
	flow->service = service->id;
	flow->life = info->record_life;
	flow->owner = owner;
	flow->unrecorded = owner;
	if (previous != LB_NOBODY && backend_is_usable(previous, service->id))
		flow->unrecorded = previous;
	backend = record_route(set, flow);
	if (backend != owner && LB_SLOT_MOVING(word) && !(pkt->tcp_flags & TCP_RST) &&
	    !pkt->quoted && clock->clock != flow->now && !lb_readonly)
		*(volatile __u32 *)&clock->clock = flow->now;
	return backend;
}

/* What a private copy tells. */
static __always_inline void trace_pick(__u32 slot, __u32 hash, __u64 word, bool moving)
{
	struct lb_trace *told = trace();
	__u32 zero = 0;
	struct flow *flow = bpf_map_lookup_elem(&lb_flow, &zero);

	if (!told || !flow)
		return;
	told->slot = slot;
	told->hash = hash;
	told->slot_word = word;
	told->pick = moving ? flow->pick : LB_PICK_SETTLED;
	told->record = moving ? flow->record : 0;
}

static __always_inline int backend_pick(struct lb_settings *set, struct packet *pkt,
					const struct lb_entry *service,
					struct lb_backend **ret_backend)
{
	struct lb_backend *backend;
	__u64 *slot, word;
	__u32 id, hash;
	bool moving;

	hash = flow_hash(set, pkt, service->used & LB_ENTRY_SOURCE);
	pkt->hash = service->used & LB_ENTRY_SOURCE ? 0 : hash;
	pkt->slot = service->slot_base +
		    (__u32)((__u64)hash * service->slot_count >> 32);
	slot = bpf_map_lookup_elem(&lb_slots, &pkt->slot);
	if (!slot)
		return LB_DROP_NO_BACKEND;
	word = read_once(slot);
	id = LB_SLOT_OWNER(word);
	moving = word >> 32 || (service->used & LB_ENTRY_TRACK);
	if (__builtin_expect(moving, 0))
		id = motion_pick(set, pkt, service, word);
	if (lb_private)
		trace_pick(pkt->slot, hash, word, moving);
	if (id == LB_NOBODY)
		return LB_DROP_NO_BACKEND;
	backend = bpf_map_lookup_elem(&lb_backends, &id);
	if (!backend)
		return LB_DROP_NO_BACKEND;
	pkt->backend = id;
	*ret_backend = backend;
	return LB_GO_ON;
}

#endif
