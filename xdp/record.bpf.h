/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records: which backend a flow of a moving slot has. The one writer of lb_records. Two CPUs may
 * work on one bucket at once: every change is a compare-and-swap of one word from what was read,
 * and whoever loses leaves it to the winner. */
#ifndef XDP_RECORD_BPF_H
#define XDP_RECORD_BPF_H

#include "packet.bpf.h"
#include "table.bpf.h"

struct flow {			/* what a packet asks the records */
	__u64 hash;		/* of its five-tuple and the slot's epoch */
	__u32 seq;		/* TCP */
	__u32 owner, unrecorded; /* backends: of new flows; of those that began before the motion */
	__u32 service;
	__u32 life, now;	/* ticks */
	bool tcp, syn, ends;	/* SYN without ACK; FIN or RST */
	bool denies;		/* RST without ACK */
	bool quoted;		/* by an ICMP error: asks, and changes nothing */
	__u8 pick, record;	/* for the trace: enum lb_pick; enum lb_record_state, or 0 */
};

static __always_inline __u64 record_hash(const struct lb_settings *set, const struct packet *pkt,
					 __u32 epoch)
{
	const __u64 *key = set->record_key;
	__u64 sum = key[0] + ((__u64)epoch << 32 | epoch);

	sum += (key[1] + pkt->src.word[0]) * (key[2] + pkt->src.word[1]);
	sum += (key[3] + pkt->src.word[2]) * (key[4] + pkt->src.word[3]);
	sum += (key[5] + pkt->dst.word[0]) * (key[6] + pkt->dst.word[1]);
	sum += (key[7] + pkt->dst.word[2]) * (key[8] + pkt->dst.word[3]);
	sum += (key[9] + ((__u32)pkt->sport << 16 | pkt->dport)) * (key[10] + pkt->protocol);
	/* The finalizer of MurmurHash3 (Appleby): every bit of the sum reaches every other. */
	sum ^= sum >> 33;
	sum *= 0xff51afd7ed558ccdULL;
	sum ^= sum >> 33;
	sum *= 0xc4ceb9fe1a85ec53ULL;
	return sum ^ (sum >> 33);
}

static __always_inline __u32 flow_tag(const struct flow *flow)
{
	return flow->hash >> 32;
}

/* In the word beside an embryonic record; the bits that choose the bucket are turned away so that
 * they are not the same as the tag's. */
static __always_inline __u64 flow_syn_word(const struct flow *flow, __u32 seq)
{
	return (__u64)seq << 32 | (__u32)(flow->hash * 0x9e3779b97f4a7c15ULL >> 32);
}

/* A record may be so old that its backend's id has another owner by now. */
static __always_inline bool backend_is_usable(__u32 id, __u32 service)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&lb_backends, &id);

	return backend && backend->forward != LB_FORWARD_NONE && backend->service == service &&
	       !(*(const volatile __u8 *)&backend->flags & LB_BACKEND_GONE);
}

static __always_inline bool entry_swap(__u64 *place, __u64 from, __u64 to)
{
	return lb_readonly || __sync_val_compare_and_swap(place, from, to) == from;
}

static __always_inline bool entry_is_alive(__u64 entry, const struct flow *flow)
{
	__u32 life = flow->life;

	if (LB_RECORD_STATE(entry) == LB_RECORD_CLOSING && life > LB_CLOSING_TICKS)
		life = LB_CLOSING_TICKS;
	return entry && LB_RECORD_AGE(entry, flow->now) <= life;
}

/* Whether a new record may take this place, asked in three rounds: it is the flow's own handshake,
 * begun before; nobody's, or expired; the handshake of somebody else that has had its time. */
enum { TAKE_OWN, TAKE_FREE, TAKE_OLD, TAKE_ROUNDS };

static __always_inline bool entry_may_go(__u64 entry, const struct flow *flow, int round)
{
	bool embryonic = LB_RECORD_STATE(entry) == LB_RECORD_EMBRYONIC;

	if (round == TAKE_OWN)
		return embryonic && LB_RECORD_TAG(entry) == flow_tag(flow);
	if (round == TAKE_FREE)
		return !entry_is_alive(entry, flow);
	return embryonic && LB_RECORD_AGE(entry, flow->now) > LB_EMBRYONIC_TICKS;
}

/* An embryonic record speaks for its own handshake only: for the same SYN sent again, for the
 * first bytes behind it, and for a RST without ACK. That is what a client in SYN-SENT says where a
 * backend never heard the end of the last flow of these ports and answers its SYN by a challenge
 * ACK (RFC 5961, section 4); it clears the way for the SYN sent again. Whoever ends a connection
 * that it has sets ACK (RFC 9293, section 3.10.7.3). */
static __always_inline bool embryo_speaks(const struct lb_bucket *bucket, __u32 place,
					  const struct flow *flow)
{
	__u64 word = place == LB_BUCKET_CONFIRMED ? read_once(&bucket->syn[0])
						  : read_once(&bucket->syn[1]);
	__u32 isn = word >> 32;

	if (word != flow_syn_word(flow, isn))
		return false;
	if (flow->syn)
		return flow->seq == isn;
	return flow->denies || flow->quoted || flow->seq - isn - 1 < LB_ISN_WINDOW;
}

/* A packet of the flow has come: the record is confirmed, or closing after FIN or RST. */
static __always_inline void record_touch(struct lb_bucket *bucket, __u64 *place, __u64 entry,
					 const struct flow *flow)
{
	bool embryonic = LB_RECORD_STATE(entry) == LB_RECORD_EMBRYONIC;
	__u32 state = flow->ends ? LB_RECORD_CLOSING : LB_RECORD_CONFIRMED;
	__u64 now;

	if (flow->quoted || (embryonic && flow->denies))
		return; /* after a denial the SYN comes again */
	if (flow->syn) /* the same SYN again, or a port used again: neither confirms */
		state = LB_RECORD_STATE(entry);
	now = LB_RECORD(flow_tag(flow), LB_RECORD_BACKEND(entry), state, flow->now);
	if (now == entry)
		return; /* at most one store a tick and flow */
	if (embryonic && !flow->syn)
		for (int i = 0; i < LB_BUCKET_CONFIRMED; i++) {
			__u64 old = read_once(&bucket->entry[i]);

			if (entry_is_alive(old, flow) || !entry_swap(&bucket->entry[i], old, now))
				continue;
			entry_swap(place, entry, 0); /* the SYNs have their place back */
			return;
		}
	entry_swap(place, entry, now);
}

/* A new record in the best place of [from, to). */
static __always_inline bool record_insert(struct lb_bucket *bucket, const struct flow *flow,
					  int from, int to, __u32 state)
{
	__u64 now = LB_RECORD(flow_tag(flow), flow->owner, state, flow->now);

	for (int round = 0; round < TAKE_ROUNDS; round++)
		for (int i = from; i < to; i++) {
			__u64 old = read_once(&bucket->entry[i]);

			if (!entry_may_go(old, flow, round) ||
			    !entry_swap(&bucket->entry[i], old, now))
				continue;
			if (i >= LB_BUCKET_CONFIRMED && !lb_readonly)
				*(volatile __u64 *)&bucket->syn[i - LB_BUCKET_CONFIRMED] =
					flow_syn_word(flow, flow->seq);
			return true;
		}
	return false;
}

static __always_inline __u32 record_lost(__u32 backend)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&lb_records_lost, &zero);

	if (lost && !lb_readonly)
		++*lost;
	return backend;
}

/* The backend that a live record of the flow names, or LB_NOBODY. The first places are looked at
 * twice: while another CPU confirms the record it goes from a place that is still before us to one
 * that is behind us. */
static __always_inline __u32 record_find(struct lb_bucket *bucket, struct flow *flow)
{
	for (int look = 0; look < LB_BUCKET_PLACES + LB_BUCKET_CONFIRMED; look++) {
		int i = look < LB_BUCKET_PLACES ? look : look - LB_BUCKET_PLACES;
		__u64 entry = read_once(&bucket->entry[i]);

		if (LB_RECORD_TAG(entry) != flow_tag(flow) || !entry)
			continue;
		if (!entry_is_alive(entry, flow) || 
		    !backend_is_usable(LB_RECORD_BACKEND(entry), flow->service)) {
			entry_swap(&bucket->entry[i], entry, 0);
			continue;
		}
		if (LB_RECORD_STATE(entry) == LB_RECORD_EMBRYONIC &&
		    !embryo_speaks(bucket, i, flow))
			continue;
		record_touch(bucket, &bucket->entry[i], entry, flow);
		flow->record = LB_RECORD_STATE(entry);
		return LB_RECORD_BACKEND(entry);
	}
	return LB_NOBODY;
}

/* Where a packet of a moving slot (or of a service that tracks always) goes. A function of its
 * own, so that the common packet's code stays short; a global one, so that the verifier walks it
 * once and not for every way that leads here (23,228 instructions instead of 467,850). */
__noinline __u32 record_route(struct lb_settings *set, struct flow *flow)
{
	struct lb_bucket *bucket;
	__u32 index, found;

	if (!set || !flow)
		return LB_NOBODY;
	index = (__u32)flow->hash & set->record_mask;
	bucket = bpf_map_lookup_elem(&lb_records, &index);
	if (!bucket)
		return flow->unrecorded;
	flow->pick = LB_PICK_RECORD;
	found = record_find(bucket, flow);
	if (found != LB_NOBODY)
		return found;
	flow->pick = LB_PICK_BEFORE;
	if (flow->quoted || (flow->tcp && !flow->syn))
		return flow->unrecorded; /* it began before: a forged ACK leaves nothing behind */
	flow->pick = LB_PICK_NEW;
	if (flow->owner == LB_NOBODY)
		return LB_NOBODY;
	if (flow->tcp ? record_insert(bucket, flow, LB_BUCKET_CONFIRMED, LB_BUCKET_PLACES,
				      LB_RECORD_EMBRYONIC)
		      : record_insert(bucket, flow, 0, LB_BUCKET_CONFIRMED, LB_RECORD_CONFIRMED))
		return flow->owner;
	flow->pick = LB_PICK_NO_ROOM;
	return record_lost(flow->unrecorded);
}

#endif
