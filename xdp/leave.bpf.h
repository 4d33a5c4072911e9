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

static __always_inline enum lb_action verdict_action(int verdict)
{
#define LB_VERDICT_CASE(name, action, text)                                                       \
	case LB_##name:                                                                           \
		return action;
	switch (verdict) {
		LB_VERDICTS(LB_VERDICT_CASE)
	}
#undef LB_VERDICT_CASE
	return LB_DROP;
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
	trace->dst = pkt->dst;
	trace->sport = pkt->sport;
	trace->dport = pkt->dport;
	trace->protocol = pkt->protocol;
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
	if (pkt->service && verdict_action(verdict) == LB_DROP)
		drop_count(pkt->service, verdict);
}

static __always_inline void backend_count(const struct packet *pkt, bool transmitted)
{
	struct lb_counters *counters = bpf_map_lookup_elem(&lb_counters, &pkt->backend);

	if (!counters)
		return;
	counters->packets++;
	counters->bytes += pkt->bytes;
	counters->new_flows += packet_is_syn(pkt);
	counters->transmitted += transmitted;
}

static __always_inline enum lb_action packet_leave(const struct packet *pkt, int verdict)
{
	if (lb_private)
		trace_write(pkt, verdict);
	else if (verdict < LB_REDIRECT_NAT || verdict > LB_TX_DSR)
		verdict_count(pkt, verdict);
	else
		backend_count(pkt, verdict == LB_TX_NAT || verdict == LB_TX_DSR);
	return verdict_action(verdict);
}

#endif
