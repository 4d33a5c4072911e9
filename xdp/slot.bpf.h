/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend a packet goes to: the keyed hash of its flow names a slot of the service's ring,
 * and the slot's word names the backend. Nothing is remembered about the flow. */
#ifndef XDP_SLOT_BPF_H
#define XDP_SLOT_BPF_H

#include "packet.bpf.h"
#include "table.bpf.h"

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

static __always_inline int backend_pick(const struct lb_settings *set, struct packet *pkt,
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
