/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who began it. TCP knows by its socket; whatever else there is, by the first packet that was
 * allowed. Only what passes is remembered: a refused flow is judged with each of its packets, so
 * that each of them is counted. Functions return whether the packet passes. */
#ifndef POLICY_FLOW_BPF_H
#define POLICY_FLOW_BPF_H

#include "tell.bpf.h"

#define FRAGMENT_TICKS		112	/* 15 s: the rest of a datagram comes at once, or never */
#define SOCKET_TICKS		64	/* 9 s: then the flow itself is looked at, and lives on */

static __always_inline __u8 direction_of(const struct packet *pkt, bool outgoing)
{
	if (pkt->form == PACKET_BEGINS)
		return outgoing ? POLICY_INITIATES : POLICY_RESPONDS;
	if (pkt->form == PACKET_ANSWERS)
		return outgoing ? POLICY_RESPONDS : POLICY_INITIATES;
	return POLICY_UNKNOWN;
}

/* ---- the one peer of a socket ---------------------------------------------------------------- */

static __always_inline bool address_same(const __u8 *a, const __u8 *b)
{
	const __u32 *left = (const __u32 *)a, *right = (const __u32 *)b;

	return !((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) |
		 (left[3] ^ right[3]));
}

static __always_inline bool peer_is(const struct policy_socket *own,
				    const struct policy_flow_key *ends)
{
	return own->protocol == ends->protocol && own->remote_port == ends->remote_port &&
	       own->local_port == ends->local_port && address_same(own->remote, ends->remote) &&
	       address_same(own->local, ends->local);
}

/* Two CPUs may send by one socket: what is read counts only if nobody wrote meanwhile, for the mix
 * of two allowed peers can be a third. The atomic read keeps the loads before it. */
static __always_inline bool peer_is_allowed(struct policy_socket *own, const struct question *q)
{
	__u32 turn = read_once(&own->turn);

	return !(turn & 1) && read_once(&own->judged) == q->current &&
	       ticks_now() - read_once(&own->seen) < SOCKET_TICKS && peer_is(own, &q->ends) &&
	       __sync_fetch_and_add(&own->turn, 0) == turn;
}

static __always_inline void peer_remember(struct policy_socket *own, const struct question *q)
{
	__u32 turn = read_once(&own->turn);

	if (own->protocol != q->ends.protocol || turn & 1 ||
	    __sync_val_compare_and_swap(&own->turn, turn, turn + 1) != turn)
		return;
	address_copy(own->local, q->ends.local);
	address_copy(own->remote, q->ends.remote);
	own->local_port = q->ends.local_port;
	own->remote_port = q->ends.remote_port;
	own->verdict = q->verdict;
	own->seen = ticks_now();
	own->judged = q->current;
	__sync_fetch_and_add(&own->turn, 1);
}

/* ---- TCP, by its socket ---------------------------------------------------------------------- */

/* A listener's storage is its children's beginning: it says RESPONDS, and that nothing was judged.
 * Both are written only where they change, for a listener has many packets on many CPUs. */
static __always_inline void listener_mark(struct policy_socket *own)
{
	if (read_once(&own->direction) != POLICY_RESPONDS)
		own->direction = POLICY_RESPONDS;
	if (read_once(&own->judged))
		own->judged = 0;
}

/* The answer to a SYN comes from where that went; whatever else meets this state is judged. */
static __always_inline int tcp_judge(struct question *q, struct policy_socket *own, __u32 state)
{
	bool asks = state == BPF_TCP_SYN_SENT, first;

	if (state == BPF_TCP_LISTEN)
		listener_mark(own);
	else if (asks)
		own->direction = POLICY_INITIATES;
	if (asks && peer_is_allowed(own, q))
		return true;
	q->direction = own->direction;
	judge(q);
	if (q->verdict == VERDICT_OWN)
		return true;
	if (!verdict_is_plain(q->verdict))
		return refusal_settle(q);
	if (state == BPF_TCP_LISTEN)
		return true; /* the child's first packet counts */
	first = !own->judged;
	if (asks)
		peer_remember(own, q);
	own->verdict = q->verdict;
	write_once(&own->judged, q->current);
	if (first)
		allowed_count(q);
	return true;
}

/* ---- flows ----------------------------------------------------------------------------------- */

static __always_inline __u32 flow_word(const struct question *q)
{
	return q->verdict | q->set << POLICY_FLOW_SET;
}

static __always_inline void flow_write(const struct question *q, const struct policy_flow_key *key,
				       struct policy_flow *flow, __u32 now)
{
	struct policy_flow fresh = { .judged = q->current, .verdict = flow_word(q), .seen = now,
				     .direction = q->direction };

	if (flow) {
		flow->verdict = flow_word(q);
		flow->seen = now;
		flow->direction = q->direction;
		write_once(&flow->judged, q->current);
	} else if (bpf_map_update_elem(&policy_flows, key, &fresh, BPF_ANY)) {
		loss_count(POLICY_LOST_FLOW);
	}
}

/* What was found of this flow, for this set, under this `current`; what was refused is asked anew.
 * Sets q->verdict. */
static __always_inline bool flow_is_judged(struct question *q, const struct policy_flow *flow)
{
	__u32 word = read_once(&flow->verdict);

	if (read_once(&flow->judged) != q->current || flow->direction != q->direction ||
	    word >> POLICY_FLOW_SET != q->set)
		return false;
	q->verdict = word & ((1U << POLICY_FLOW_SET) - 1);
	return !verdict_refuses(q->verdict);
}

/* What may no longer go on, but might begin by this very packet, begins anew; returns whether. */
static __always_inline bool flow_begins_anew(struct question *q, __u32 hint)
{
	__u32 verdict = q->verdict, direction = q->direction;

	if (!hint || hint == direction || !verdict_refuses(verdict))
		return false;
	q->direction = hint;
	judge(q);
	if (!verdict_refuses(q->verdict))
		return true;
	q->direction = direction;
	q->verdict = verdict;
	return false;
}

/* `hint`: who began it by the packet alone, which TCP's SYN knows better than any memory. */
__noinline int flow_judge(struct question *q, __u32 hint)
{
	struct policy_flow_key key;
	struct policy_flow *flow;
	__u32 now = ticks_now();
	bool known;

	if (!q)
		return false;
	key = q->ends; /* on this stack, for 6.1 */
	flow = bpf_map_lookup_elem(&policy_flows, &key);
	known = flow && now - flow->seen <= POLICY_FLOW_TICKS;
	q->direction = hint;
	if (known && !(hint && q->ends.protocol == IPPROTO_TCP))
		q->direction = flow->direction;
	if (known && flow_is_judged(q, flow)) {
		if (flow->seen != now)
			flow->seen = now;
		return verdict_is_plain(q->verdict) || refusal_settle(q);
	}
	judge(q);
	if (q->verdict == VERDICT_OWN)
		return true;
	if (flow_begins_anew(q, hint))
		known = false;
	if (!verdict_refuses(q->verdict) || audit_is_on())
		flow_write(q, &key, flow, now);
	if (!verdict_is_plain(q->verdict))
		return refusal_settle(q);
	if (!known && q->hook != POLICY_HOOK_BACKSTOP)
		allowed_count(q);
	return true;
}

/* ---- fragments ------------------------------------------------------------------------------- */

static __always_inline void fragment_key(const struct question *q, const struct packet *pkt,
					 bool outgoing, struct policy_flow_key *ret_key)
{
	*ret_key = q->ends;
	ret_key->protocol = 0; /* behind IPv6 extensions only the first one knows it */
	ret_key->local_port = pkt->id;
	ret_key->remote_port = pkt->id >> 16;
	ret_key->pad = outgoing;
}

__noinline int fragment_remember(const struct question *q, const struct packet *pkt, bool outgoing)
{
	struct policy_flow_key key;
	__u32 now = ticks_now();

	if (!q || !pkt)
		return false;
	fragment_key(q, pkt, outgoing, &key);
	if (bpf_map_update_elem(&policy_fragments, &key, &now, BPF_ANY))
		loss_count(POLICY_LOST_FLOW);
	return true;
}

/* It passes behind its first fragment; else by port 0, if either end might have begun it. */
__noinline int fragment_judge(struct question *q, const struct packet *pkt, bool outgoing)
{
	struct policy_flow_key key;
	__u32 *seen;

	if (!q || !pkt)
		return false;
	fragment_key(q, pkt, outgoing, &key);
	seen = bpf_map_lookup_elem(&policy_fragments, &key);
	if (seen && ticks_now() - *seen <= FRAGMENT_TICKS)
		return true;
	q->direction = POLICY_UNKNOWN;
	judge(q);
	return verdict_is_plain(q->verdict) || q->verdict == VERDICT_OWN || refusal_settle(q);
}

/* ---- whatever has no connection -------------------------------------------------------------- */

/* `own` may be NULL. */
static __always_inline int datagram_judge(struct question *q, struct policy_socket *own,
					  const struct packet *pkt, bool outgoing)
{
	int passes;

	if (own && !pkt->fragment && peer_is_allowed(own, q))
		return true;
	passes = flow_judge(q, direction_of(pkt, outgoing));
	if (own && passes && verdict_is_plain(q->verdict))
		peer_remember(own, q);
	return passes;
}

/* What is decided by the packet's form alone, or -1. */
static __always_inline int form_judge(struct question *q, const struct packet *pkt, bool outgoing)
{
	if (__builtin_expect(pkt->form < PACKET_LATER, 1))
		return -1;
	if (pkt->form == PACKET_RELATED)
		return true;
	if (pkt->form == PACKET_LATER)
		return fragment_judge(q, pkt, outgoing);
	q->verdict = VERDICT_BROKEN;
	return refusal_settle(q);
}

#endif
