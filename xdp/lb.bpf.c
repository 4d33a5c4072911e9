/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb: XDP on the front interfaces. Packets for a service go to one of its backends; replies of
 * backends on other hosts, which come in here too, get their vip back. All else is the stack's.
 * A packet for a service never reaches the stack unless it was rewritten: where the vip stands on
 * lo, the kernel would answer it with a reset. */
#include "answer.bpf.h"
#include "capture.bpf.h"
#include "encap.bpf.h"
#include "leave.bpf.h"
#include "parse.bpf.h"
#include "pmtu.bpf.h"
#include "quick.bpf.h"
#include "reply.bpf.h"
#include "service.bpf.h"
#include "slot.bpf.h"
#include "transmit.bpf.h"
#include "uncommon.bpf.h"

/* A backend on another host answers, and nobody but us knows its vip. Where XDP cannot send it on
 * (no neighbour yet, a device that XDP does not reach), lb_reply in tc does. The question by which
 * way stands in the scratch, where it takes no room on the stack from the uncommon walk. */
static __always_inline int reply_send(struct xdp_md *ctx, const struct lb_settings *set,
				      struct packet *pkt)
{
	struct headers *h = headers_scratch();
	struct lb_backend *backend;

	if (!h || !(read_once(&set->replies) & LB_TABLE_FLAG))
		return LB_PASS_NOT_SERVICE;
	LB_TRY(reply_lookup(set, pkt, LB_PASS_NOT_SERVICE, &backend));
	if (backend->hop.flags & LB_HOP_LOCAL)
		return LB_PASS_NOT_SERVICE;
	LB_TRY(packet_check(pkt));
	LB_TRY(ttl_check(pkt));
	LB_TRY(reply_way(ctx, pkt, backend, &h->fib));
	ttl_decrement(pkt);
	source_translate(pkt, backend);
	return reply_link_write(ctx, pkt, &h->fib);
}

static __always_inline int packet_balance(struct xdp_md *ctx, struct lb_settings *set,
					  struct packet *pkt)
{
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
		return packet_refuse(pkt, ETH_HLEN, l4_offset(pkt));
	LB_TRY(verdict);
	verdict = backend_send(ctx, pkt, backend);
	if (__builtin_expect(packet_is_syn(pkt), 0) && service->used & LB_ENTRY_MSS &&
	    verdict_is_sent(verdict))
		syn_clamp(ctx, l4_offset(pkt), pkt->service);
	return verdict;
}

/* What is written last: when the packet has been counted, and with the stack to itself. */
static __always_inline int write_last(struct xdp_md *ctx, int action)
{
	switch (action) {
	case LB_ANSWER:
		return packet_answer(ctx);
	case LB_ENCAP:
		return packet_encap(ctx);
	case LB_PMTU:
		return packet_pmtu(ctx);
	default:
		return action;
	}
}

/* Both halves of a capture: global functions, so that their instructions, and the verifier's walk
 * through them, stay out of the packet's. */
__noinline int frame_came(struct xdp_md *ctx)
{
	return ctx ? capture_came(ctx, ctx->ingress_ifindex, LB_CAPTURE_LB) : 0;
}

__noinline int frame_left(struct xdp_md *ctx, int action)
{
	if (ctx)
		capture_left(ctx);
	return action;
}

/* What the quick walk left: replies, refusals, drops, services that track or hash by the source. A
 * function of its own, so that its stack is not under that of the uncommon walk. Returns the XDP
 * action, or what is to be called instead. */
static __noinline int packet_common(struct xdp_md *ctx)
{
	struct packet pkt;
	int verdict = packet_balance(ctx, settings(), &pkt), action;

	if (verdict == LB_UNCOMMON)
		return LB_UNCOMMON;
	action = xdp_action(packet_leave(&pkt, verdict));
	return verdict_is_last(verdict) ? verdict_last(verdict) : action;
}

/* While somebody captures, every packet takes the uncommon walk, which does all that the common one
 * does: so that one pays for no capture. */
static __always_inline int packet_captured(struct xdp_md *ctx)
{
	bool sampled = frame_came(ctx);
	int action = write_last(ctx, packet_uncommon(ctx));

	return sampled ? frame_left(ctx, action) : action;
}

/* This front is a veth: what goes back there by XDP_TX waits in its ring until something else wakes
 * the other end, unless that has an XDP program of its own. A redirect wakes it. */
const volatile bool lb_turns_by_redirect = false;

static __always_inline int packet_turn(struct xdp_md *ctx, int action)
{
	if (action == XDP_TX && lb_turns_by_redirect && device_redirect(ctx->ingress_ifindex))
		return XDP_REDIRECT;
	return action;
}

SEC("xdp.frags")
int lb(struct xdp_md *ctx)
{
	int action = packet_quick(ctx);

	if (__builtin_expect(action == LB_UNCOMMON, 0))
		action = packet_common(ctx);
	if (__builtin_expect(action >= 0, 1))
		return packet_turn(ctx, action);
	if (action == LB_CAPTURE)
		return packet_turn(ctx, packet_captured(ctx));
	action = write_last(ctx, action == LB_UNCOMMON ? packet_uncommon(ctx) : action);
	return packet_turn(ctx, action);
}

char _license[] SEC("license") = "GPL";
