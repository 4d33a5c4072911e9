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
static __always_inline __u32 flow_hash(const struct lb_settings *set, const struct packet *pkt)
{
	const __u64 *key = set->hash_key;
	__u64 sum = key[0] + (key[1] + pkt->ports) * (key[2] + pkt->protocol);

	sum += (key[3] + pkt->src.word[3]) * (key[4] + pkt->dst.word[3]);
	if (pkt->ipv6) {
		sum += (key[5] + pkt->src.word[0]) * (key[6] + pkt->src.word[1]);
		sum += (key[7] + pkt->dst.word[0]) * (key[8] + pkt->dst.word[1]);
		sum += (key[9] + pkt->src.word[2]) * (key[10] + pkt->dst.word[2]);
	}
	sum ^= sum >> 32;
	sum *= 0x9e3779b97f4a7c15ULL;
	return sum >> 32;
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
	__u32 previous = LB_SLOT_PREVIOUS(word), epoch = LB_SLOT_EPOCH(word), backend;
	struct flow flow = { .owner = LB_SLOT_OWNER(word), .service = service->id,
			     .tcp = pkt->is_tcp };
	struct lb_service_info *info;
	struct lb_clock *clock;

	if (!flow.tcp && !(service->used & LB_ENTRY_TRACK))
		return flow.owner; /* without a first packet: it follows the slot */
	clock = bpf_map_lookup_elem(&lb_clocks, &pkt->slot);
	if (!clock)
		return flow.owner;
	if (!LB_SLOT_MOVING(word))
		epoch = clock->epoch & 0x7fff;
	flow.hash = record_hash(set, pkt, epoch);
	bucket_fetch(set, flow.hash);
	info = bpf_map_lookup_elem(&lb_service_info, &service->id);
	if (!info)
		return flow.owner;
	flow.now = motion_clock(set);
	flow.life = info->record_life;
	flow.unrecorded = flow.owner;
	if (previous != LB_NOBODY && backend_is_usable(previous, service->id))
		flow.unrecorded = previous;
	if (pkt->is_tcp) {
		flow.seq = bpf_ntohl(pkt->tcp->seq);
		flow.syn = pkt->tcp->syn && !pkt->tcp->ack;
		flow.denies = pkt->tcp->rst && !pkt->tcp->ack;
		flow.ends = pkt->tcp->fin || pkt->tcp->rst;
	}
	backend = record_route(set, &flow);
	if (backend != flow.owner && LB_SLOT_MOVING(word) && !(pkt->is_tcp && pkt->tcp->rst) &&
	    clock->clock != flow.now && !lb_readonly)
		*(volatile __u32 *)&clock->clock = flow.now;
	return backend;
}

static __always_inline int backend_pick(struct lb_settings *set, struct packet *pkt,
					const struct lb_entry *service,
					struct lb_backend **ret_backend)
{
	struct lb_backend *backend;
	__u64 *slot, word;
	__u32 id;

	pkt->slot = service->slot_base +
		    (__u32)((__u64)flow_hash(set, pkt) * service->slot_count >> 32);
	slot = bpf_map_lookup_elem(&lb_slots, &pkt->slot);
	if (!slot)
		return LB_DROP_NO_BACKEND;
	word = read_once(slot);
	id = LB_SLOT_OWNER(word);
	if (__builtin_expect(word >> 32 || (service->used & LB_ENTRY_TRACK), 0))
		id = motion_pick(set, pkt, service, word);
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
