/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk of an uncommon packet: tagged, fragmented, with IPv6 extensions, ICMP about a flow, or
 * cut short. The same steps as the common walk's, over copies of the headers; a global function, so
 * that the common packet's code has none of it inside. */
#ifndef XDP_UNCOMMON_BPF_H
#define XDP_UNCOMMON_BPF_H

#include "answer.bpf.h"
#include "capture.bpf.h"
#include "encap.bpf.h"
#include "fragment.bpf.h"
#include "frame.bpf.h"
#include "icmp.bpf.h"
#include "leave.bpf.h"
#include "pmtu.bpf.h"
#include "reply.bpf.h"
#include "service.bpf.h"
#include "slot.bpf.h"
#include "transmit.bpf.h"

/* ---- steps ---------------------------------------------------------------------------------- */

/* By which way a reply leaves, and the packet is marked for it. */
static __always_inline int reply_way(struct xdp_md *ctx, const struct packet *pkt,
				     const struct lb_backend *backend, struct bpf_fib_lookup *fib)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	if (lb_private) {
		fib->dmac[0] = fib->smac[0] = 0x02; /* 02:00:00:00:00:01: not known */
		fib->dmac[5] = fib->smac[5] = 0x01;
		return LB_GO_ON;
	}
	reply_route_question(pkt, ctx->ingress_ifindex, backend, fib);
	fib->tot_len = packet_length(pkt);
	return fib_leads(ctx, fib) ? LB_GO_ON : LB_PASS_REPLY_SLOW;
}

static __always_inline int reply_link_write(const struct xdp_md *ctx, struct packet *pkt,
					    const struct bpf_fib_lookup *fib)
{
	__builtin_memcpy(pkt->eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(pkt->eth->h_source, fib->smac, ETH_ALEN);
	return fib->ifindex == ctx->ingress_ifindex ? LB_TX_REPLY : LB_REDIRECT_REPLY;
}

/* The frame's tags are made the next hop's here; all else is packet_encap()'s. */
static __always_inline int uncommon_encap(struct xdp_md *ctx, struct packet *pkt, struct headers *h,
					  const struct lb_backend *backend)
{
	struct encapsulation *encap = encapsulation();
	int verdict;

	if (!encap)
		return LB_DROP_NO_BACKEND;
	encap_describe(encap, pkt, h->l3, h->l4, h->fragment == FRAGMENT_LATER);
	encap_hash();
	verdict = encap_decide(ctx);
	if (!verdict_is_encap(verdict))
		return verdict;
	pkt->bytes += encap_overhead(backend);
	if (verdict == LB_PASS_ENCAP_FRAGMENT)
		return verdict; /* to this host, by the tags that it came with */
	pkt->bytes -= h->l3;
	if (link_rewrite(ctx, encap->hop.vlan))
		return LB_DROP_TRUNCATED;
	pkt->bytes += h->l3;
	encap->l3 = h->l3;
	return verdict;
}

static __always_inline int uncommon_send(struct xdp_md *ctx, struct packet *pkt, struct headers *h,
					 const struct lb_backend *backend)
{
	struct hop hop;

	if (backend_encapsulates(backend))
		return uncommon_encap(ctx, pkt, h, backend);
	hop = hop_read(ctx, backend);
	if (!hop_is_known(&hop))
		return LB_DROP_NO_NEXT_HOP;
	if (!hop.local) {
		LB_TRY(ttl_check(pkt));
		ttl_decrement(pkt);
	}
	if (backend->forward == LB_FORWARD_NAT) {
		if (pkt->quoted)
			error_translate(pkt, h, backend);
		else
			destination_translate(pkt, backend);
	}
	if (headers_store(ctx, pkt, h))
		return LB_DROP_TRUNCATED;
	macs_write(pkt, hop.first, hop.second);
	pkt->bytes -= h->l3;
	if (link_rewrite(ctx, hop.vlan))
		return LB_DROP_TRUNCATED;
	pkt->bytes += h->l3; /* as sent, with the tags of the way there */
	return verdict_sent(backend, hop.back);
}

/* What is not understood matters only where it is for a vip. */
static __always_inline int problem_verdict(const struct lb_settings *set, const struct packet *pkt,
					   int problem)
{
	return service_find(set, pkt, 0, 0) ? problem : LB_PASS_NOT_SERVICE;
}

static __always_inline int echo_answer(struct xdp_md *ctx, const struct lb_settings *set,
				       struct packet *pkt, struct headers *h)
{
	struct lb_entry *vip = service_find(set, pkt, 0, 0);

	if (!vip || h->fragment != WHOLE)
		return LB_PASS_PROTOCOL; /* the rest of a fragmented one cannot be known */
	LB_TRY(headers_check(pkt, h));
	if (!(vip->used & LB_ENTRY_UP) ||
	    !answer_is_due(&pkt->src, pkt->ipv6, pkt->eth->h_dest[0]))
		return LB_DROP_ECHO;
	echo_turn(pkt, h);
	if (headers_store(ctx, pkt, h) || link_store(ctx, h))
		return LB_DROP_TRUNCATED;
	return LB_TX_ECHO;
}

/* LB_GO_ON: an error, and the packet stands for the flow that it is about. */
static __always_inline int icmp_read(struct xdp_md *ctx, const struct lb_settings *set,
				     struct packet *pkt, struct headers *h)
{
	enum icmp_kind kind = icmp_kind_of(pkt, h->icmp.type);

	if (!h->l4_bytes || h->fragment != WHOLE)
		return LB_PASS_PROTOCOL;
	if (kind == ICMP_ECHO)
		return echo_answer(ctx, set, pkt, h);
	if (kind != ICMP_ERROR)
		return LB_PASS_PROTOCOL;
	LB_TRY(quoted_read(ctx, pkt, h));
	quoted_as_answer(pkt, h);
	return LB_GO_ON;
}

/* A backend on another host answers. A tagged reply is left to tc, which knows the host's VLANs. */
static __always_inline int uncommon_reply(struct xdp_md *ctx, struct packet *pkt,
					  struct headers *h, const struct lb_backend *backend)
{
	int verdict;

	if (backend->hop.flags & LB_HOP_LOCAL)
		return LB_PASS_NOT_SERVICE;
	LB_TRY(headers_check(pkt, h));
	LB_TRY(ttl_check(pkt));
	if (!lb_private && h->l3 != ETH_HLEN)
		return LB_PASS_REPLY_SLOW;
	LB_TRY(reply_way(ctx, pkt, backend, &h->fib));
	ttl_decrement(pkt);
	if (pkt->quoted)
		error_translate_back(pkt, h, backend);
	else
		source_translate(pkt, backend);
	verdict = reply_link_write(ctx, pkt, &h->fib);
	if (headers_store(ctx, pkt, h) || link_store(ctx, h))
		return LB_DROP_TRUNCATED;
	return verdict;
}

static __always_inline int uncommon_reply_find(struct xdp_md *ctx, const struct lb_settings *set,
					       struct packet *pkt, struct headers *h)
{
	struct lb_backend *backend;

	if (!(read_once(&set->replies) & LB_TABLE_FLAG))
		return LB_PASS_NOT_SERVICE;
	LB_TRY(reply_lookup(set, pkt, LB_PASS_NOT_SERVICE, &backend));
	if (h->fragment == FRAGMENT_FIRST)
		fragment_remember(set, pkt, h);
	return uncommon_reply(ctx, pkt, h, backend);
}

/* LB_GO_ON: it follows its first fragment to *ret_backend. */
static __always_inline int later_fragment(struct xdp_md *ctx, const struct lb_settings *set,
					  struct packet *pkt, struct headers *h,
					  struct lb_backend **ret_backend)
{
	if (!protocol_is_balanced(pkt->protocol))
		return LB_PASS_PROTOCOL;
	if (!fragment_follow(set, pkt, h, ret_backend))
		return fragment_is_nobodys(set, h) ? LB_PASS_NOT_SERVICE
						   : problem_verdict(set, pkt, LB_DROP_FRAGMENT);
	if (fragment_is_reply(pkt, *ret_backend))
		return uncommon_reply(ctx, pkt, h, *ret_backend);
	return headers_check(pkt, h);
}

static __always_inline int uncommon_pick(struct xdp_md *ctx, struct lb_settings *set,
					 struct packet *pkt, struct headers *h,
					 struct lb_backend **ret_backend)
{
	struct lb_entry *service;
	int verdict;

	if (!protocol_is_balanced(pkt->protocol))
		LB_TRY(icmp_read(ctx, set, pkt, h));
	verdict = service_lookup(set, pkt, &service);
	if (verdict == LB_PASS_NOT_SERVICE) {
		if (h->fragment == FRAGMENT_FIRST && service_find(set, pkt, 0, 0))
			fragment_remember(set, pkt, h);
		return uncommon_reply_find(ctx, set, pkt, h);
	}
	LB_TRY(verdict);
	LB_TRY(headers_check(pkt, h));
	verdict = backend_pick(set, pkt, service, ret_backend);
	if (verdict == LB_DROP_NO_BACKEND && service->used & LB_ENTRY_REJECT)
		return packet_refuse(pkt, h->l3, h->l4);
	LB_TRY(verdict);
	if (h->fragment == FRAGMENT_FIRST)
		fragment_remember(set, pkt, h);
	return LB_GO_ON;
}

static __always_inline int uncommon_balance(struct xdp_md *ctx, struct packet *pkt,
					    struct headers *h)
{
	struct lb_settings *set = settings();
	struct lb_backend *backend;
	int verdict;

	LB_TRY(headers_read(ctx, pkt, h));
	h->new_l3 = h->l3;
	if (!set)
		return LB_PASS_NOT_SERVICE;
	if (h->problem != LB_GO_ON)
		return problem_verdict(set, pkt, h->problem);
	if (h->fragment == FRAGMENT_LATER)
		LB_TRY(later_fragment(ctx, set, pkt, h, &backend));
	else
		LB_TRY(uncommon_pick(ctx, set, pkt, h, &backend));
	verdict = uncommon_send(ctx, pkt, h, backend);
	if (packet_is_syn(pkt) && verdict_is_sent(verdict))
		syn_clamp(ctx, h->l4, pkt->service);
	return verdict;
}

/* Returns the XDP action, or what is to be called last. */
__noinline int packet_uncommon(struct xdp_md *ctx)
{
	struct headers *h = headers_scratch();
	struct packet pkt;
	enum lb_action action;
	int verdict;

	if (!h)
		return XDP_ABORTED;
	verdict = uncommon_balance(ctx, &pkt, h);
	if (pmtu_may_be_ours(verdict, &pkt, h))
		return LB_PMTU;
	action = packet_leave(&pkt, verdict);
	capture_note(&pkt, verdict);
	return verdict_is_last(verdict) ? verdict_last(verdict) : xdp_action(action);
}

#endif
