/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way out: one counter for each packet. Those that reached a backend are in its counters,
 * and the reader makes their verdicts from them; all others are counted by verdict here, and
 * drops by service too. A private copy (replay, tests) counts nothing and tells what it did. */
#ifndef XDP_LEAVE_BPF_H
#define XDP_LEAVE_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"

/* The actions of all verdicts stand in two constants, a bit each: a switch costs a row of
 * comparisons for every packet. */
#define LB_ACTION_LOW(name, action, text) | (__u64)((action) & 1) << LB_##name
#define LB_ACTION_HIGH(name, action, text) | (__u64)((action) >> 1) << LB_##name
static const __u64 actions_low = 0 LB_VERDICTS(LB_ACTION_LOW);
static const __u64 actions_high = 0 LB_VERDICTS(LB_ACTION_HIGH);
#undef LB_ACTION_LOW
#undef LB_ACTION_HIGH

static __always_inline enum lb_action verdict_action(int verdict)
{
	return (actions_low >> verdict & 1) | (actions_high >> verdict & 1) << 1;
}

static __always_inline int xdp_action(enum lb_action action)
{
	switch (action) {
	case LB_PASS:
		return XDP_PASS;
	case LB_DROP:
		return XDP_DROP;
	case LB_TX:
		return XDP_TX;
	case LB_REDIRECT:
		return XDP_REDIRECT;
	}
	return XDP_ABORTED;
}

/* Those that are counted with the backend. */
static const __u64 to_backends = 1ULL << LB_REDIRECT_NAT | 1ULL << LB_REDIRECT_DSR |
				 1ULL << LB_TX_NAT | 1ULL << LB_TX_DSR | 1ULL << LB_REDIRECT_IPIP |
				 1ULL << LB_TX_IPIP | 1ULL << LB_REDIRECT_GUE | 1ULL << LB_TX_GUE;

static __always_inline void trace_write(const struct packet *pkt, int verdict)
{
	struct lb_trace *told = trace();

	if (!told)
		return;
	told->verdict = verdict;
	told->service = pkt->service;
	told->backend = pkt->backend;
	told->sport = pkt->sport;
	told->dport = pkt->dport;
	told->quoted = pkt->quoted;
	if (pkt->ip4) { /* or ip6 */
		told->src = pkt->src;
		told->dst = pkt->dst;
		told->protocol = pkt->protocol;
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
	if (pkt->service && (verdict_action(verdict) == LB_DROP || verdict == LB_TX_REJECT ||
			     verdict == LB_TX_TOO_BIG))
		drop_count(pkt->service, verdict);
}

static __always_inline void backend_count(__u32 id, __u32 bytes, bool syn, bool transmitted)
{
	struct lb_counters *counters = bpf_map_lookup_elem(&lb_counters, &id);

	if (!counters)
		return;
	counters->packets++;
	counters->bytes += bytes;
	if (syn)
		counters->new_flows++;
	if (transmitted)
		counters->transmitted++;
}

static __always_inline enum lb_action packet_leave(const struct packet *pkt, int verdict)
{
	enum lb_action action = verdict_action(verdict);

	if (lb_private)
		trace_write(pkt, verdict);
	else if (to_backends >> verdict & 1)
		backend_count(pkt->backend, pkt->bytes, packet_is_syn(pkt), action == LB_TX);
	else
		verdict_count(pkt, verdict);
	return action;
}

#endif
