/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb: XDP on the front interfaces. Packets for a service go to one of its backends; replies of
 * backends on other hosts, which come in here too, get their vip back. All else is the stack's.
 * A packet for a service never reaches the stack unless it was rewritten: where the vip stands on
 * lo, the kernel would answer it with a reset. */
#include "answer.bpf.h"
#include "leave.bpf.h"
#include "parse.bpf.h"
#include "reply.bpf.h"
#include "service.bpf.h"
#include "slot.bpf.h"
#include "transmit.bpf.h"

/* Rare: a backend on another host answers, and nobody but us knows its vip. Where XDP cannot send
 * it on (no neighbour yet, a device that XDP does not reach), lb_reply in tc does. */
static __always_inline int reply_send(struct xdp_md *ctx, const struct lb_settings *set,
				      struct packet *pkt)
{
	struct lb_backend *backend;
	struct bpf_fib_lookup fib = {};

	if (!(read_once(&set->replies) & LB_TABLE_FLAG) || pkt->problem != LB_GO_ON)
		return LB_PASS_NOT_SERVICE;
	LB_TRY(reply_lookup(set, pkt, LB_PASS_NOT_SERVICE, &backend));
	if (backend->hop.flags & LB_HOP_LOCAL)
		return LB_PASS_NOT_SERVICE;
	LB_TRY(packet_check(pkt));
	LB_TRY(ttl_check(pkt));
	if (!lb_private) {
		reply_route_question(pkt, ctx->ingress_ifindex, backend, &fib);
		fib.tot_len = packet_length(pkt);
		if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
			return LB_PASS_REPLY_SLOW;
		if (fib.ifindex != ctx->ingress_ifindex && !device_redirect(fib.ifindex))
			return LB_PASS_REPLY_SLOW;
	}
	ttl_decrement(pkt);
	source_translate(pkt, backend);
	__builtin_memcpy(pkt->eth->h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(pkt->eth->h_source, fib.smac, ETH_ALEN);
	return fib.ifindex == ctx->ingress_ifindex ? LB_TX_REPLY : LB_REDIRECT_REPLY;
}

static __always_inline int packet_balance(struct xdp_md *ctx, struct packet *pkt)
{
	struct lb_settings *set = settings();
	struct lb_backend *backend;
	struct lb_entry *service;
	int verdict;

	LB_TRY(packet_parse(pkt, (void *)(long)ctx->data, (void *)(long)ctx->data_end));
	if (!set)
		return LB_PASS_NOT_SERVICE;
	verdict = service_lookup(set, pkt, &service);
	if (verdict == LB_PASS_NOT_SERVICE)
		return reply_send(ctx, set, pkt);
	LB_TRY(verdict);
	LB_TRY(packet_check(pkt));
	verdict = backend_pick(set, pkt, service, &backend);
	if (verdict == LB_DROP_NO_BACKEND && service->used & LB_ENTRY_REJECT)
		return packet_refuse(ctx, pkt);
	LB_TRY(verdict);
	return backend_send(ctx, pkt, backend);
}

SEC("xdp")
int lb(struct xdp_md *ctx)
{
	struct packet pkt;

	switch (packet_leave(&pkt, packet_balance(ctx, &pkt))) {
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

char _license[] SEC("license") = "GPL";
