/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way out: one counter for each packet. Those that reached a backend are in its counters,
 * and the reader makes their verdicts from them; all others are counted by verdict here, and
 * drops by service too. A private copy (replay, tests) counts nothing and tells what it did. */
#ifndef XDP_LEAVE_BPF_H
#define XDP_LEAVE_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"

/* This is a private copy: no counters, no routes, no device; the verdict is in lb_trace. */
const volatile bool lb_private = false;

/* The actions of all verdicts stand in one constant, two bits each: a switch costs a row of
 * comparisons for every packet. */
#define LB_VERDICT_BITS(name, action, text) | (__u64)(action) << 2 * LB_##name
static const __u64 verdict_actions = 0 LB_VERDICTS(LB_VERDICT_BITS);
#undef LB_VERDICT_BITS
_Static_assert(LB_VERDICT_COUNT <= 32, "every verdict has its two bits");

static __always_inline enum lb_action verdict_action(int verdict)
{
	return verdict_actions >> 2 * verdict & 3;
}

static __always_inline void trace_write(const struct packet *pkt, int verdict)
{
	__u32 zero = 0;
	struct lb_trace *trace = bpf_map_lookup_elem(&lb_trace, &zero);

	if (!trace)
		return;
	trace->verdict = verdict;
	trace->service = pkt->service;
	trace->backend = pkt->backend;
	trace->slot = pkt->slot;
	trace->sport = pkt->sport;
	trace->dport = pkt->dport;
	if (pkt->ip4) { /* or ip6 */
		trace->dst = pkt->dst;
		trace->protocol = pkt->protocol;
	}
}

static __always_inline void drop_count(__u32 service, int verdict)
{
	struct lb_drop_key key = { .service = service, .verdict = verdict };
	__u64 *count = bpf_map_lookup_elem(&lb_drops, &key), one = 1;

	if (count)
		(*count)++;
	else
		bpf_map_update_elem(&lb_drops, &key, &one, BPF_NOEXIST);
}

static __always_inline void verdict_count(const struct packet *pkt, __u32 verdict)
{
	__u64 *count = bpf_map_lookup_elem(&lb_verdicts, &verdict);

	if (count)
		(*count)++;
	if (pkt->service && (verdict_action(verdict) == LB_DROP || verdict == LB_TX_REJECT))
		drop_count(pkt->service, verdict);
}

static __always_inline void backend_count(const struct packet *pkt, bool transmitted)
{
	struct lb_counters *counters = bpf_map_lookup_elem(&lb_counters, &pkt->backend);

	if (!counters)
		return;
	counters->packets++;
	counters->bytes += pkt->bytes;
	if (packet_is_syn(pkt))
		counters->new_flows++;
	if (transmitted)
		counters->transmitted++;
}

static __always_inline enum lb_action packet_leave(const struct packet *pkt, int verdict)
{
	enum lb_action action = verdict_action(verdict);

	if (lb_private)
		trace_write(pkt, verdict);
	else if (verdict < LB_REDIRECT_NAT || verdict > LB_TX_DSR)
		verdict_count(pkt, verdict);
	else
		backend_count(pkt, action == LB_TX);
	return action;
}

#endif
