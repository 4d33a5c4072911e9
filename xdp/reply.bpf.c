/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_reply: tc ingress on the host's side of a container's veth (and on the front interfaces, for
 * what XDP hands on). A NAT backend's reply gets its vip back and is sent on at once: before the
 * bridge, conntrack and masquerading see it. Not XDP: here a packet is still a whole GSO skb,
 * with a checksum that may be partial, and the container's TSO stays on. */
#include <linux/pkt_cls.h>

#include "capture.bpf.h"
#include "fragment.bpf.h"
#include "icmp.bpf.h"
#include "leave.bpf.h"
#include "parse.bpf.h"
#include "reply.bpf.h"

#define HEADERS_MAX (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

static __always_inline long frame_load(void *ctx, __u32 at, void *to, __u32 bytes)
{
	return bpf_skb_load_bytes(ctx, at, to, bytes);
}

static __always_inline long frame_store(void *ctx, __u32 at, const void *from, __u32 bytes)
{
	return bpf_skb_store_bytes(ctx, at, from, bytes, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline __u32 frame_bytes(void *ctx)
{
	return ((struct __sk_buff *)ctx)->len;
}

/* Where the headers stand; l4 0: there is none, as in later fragments. */
struct place {
	__u32 l3, l4;
};

static __always_inline long l4_translate_skb(struct __sk_buff *skb, const struct packet *pkt,
					     __u32 l4, const struct lb_backend *backend)
{
	bool tcp = pkt->protocol == IPPROTO_TCP;
	__u32 csum = l4 + (tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	__u64 flags = tcp ? 0 : BPF_F_MARK_MANGLED_0;
	__u16 diff = ~backend->csum_addr;
	long err = bpf_l4_csum_replace(skb, csum, 0, diff, flags | BPF_F_PSEUDO_HDR);

	if (!backend->port)
		return err;
	err |= bpf_l4_csum_replace(skb, csum, pkt->sport, backend->vip_port, flags | 2);
	return err | bpf_skb_store_bytes(skb, l4, &backend->vip_port, 2, 0);
}

/* Checksums first, by the kernel's helper: it knows a partial one (which holds the pseudo-header
 * only, so the port must not go into it) from a complete one. */
static __always_inline long source_translate_skb(struct __sk_buff *skb, const struct packet *pkt,
						 const struct place *place,
						 const struct lb_backend *backend)
{
	long err = place->l4 ? l4_translate_skb(skb, pkt, place->l4, backend) : 0;
	__u16 diff = ~backend->csum_addr;

	if (pkt->ipv6)
		return err | bpf_skb_store_bytes(skb, place->l3 + offsetof(struct ipv6hdr, saddr),
						 &backend->vip, 16, 0);
	err |= bpf_l3_csum_replace(skb, place->l3 + offsetof(struct iphdr, check), 0, diff, 0);
	return err | bpf_skb_store_bytes(skb, place->l3 + offsetof(struct iphdr, saddr),
					 &backend->vip.word[3], 4, 0);
}

/* Only a packet from another host has come over a hop. */
static __always_inline long ttl_decrement_skb(struct __sk_buff *skb, const struct packet *pkt,
					      __u32 l3)
{
	__u8 left = (pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl) - 1;

	if (pkt->ipv6)
		return bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, hop_limit), &left, 1,
					   0);
	return bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), 0, bpf_htons(0xfeff),
				   0) |
	       bpf_skb_store_bytes(skb, l3 + offsetof(struct iphdr, ttl), &left, 1, 0);
}

static __always_inline int route_verdict(long found)
{
	switch (found) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH: /* bpf_redirect_neigh() has it resolved */
		return LB_GO_ON;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return LB_DROP_REPLY_FORWARDING;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return LB_PASS_REPLY_TOO_BIG;
	default:
		return LB_DROP_REPLY_NO_ROUTE;
	}
}

static __always_inline int tc_action(enum lb_action action, long redirect)
{
	switch (action) {
	case LB_PASS:
		return TC_ACT_UNSPEC; /* the next filter's turn */
	case LB_REDIRECT:
		return redirect;
	default:
		return TC_ACT_SHOT;
	}
}

/* Where it leaves: out by fib->ifindex, to the gateway in ret_next or to whom it is for. */
static __always_inline void next_hop_of(const struct bpf_fib_lookup *fib,
					struct bpf_redir_neigh *ret_next)
{
	ret_next->nh_family = fib->family;
	if (fib->family == 10) /* AF_INET6, for an IPv4 route by an IPv6 gateway too */
		__builtin_memcpy(ret_next->ipv6_nh, fib->ipv6_dst, 16);
	else
		ret_next->ipv4_nh = fib->ipv4_dst;
}

/* By which way it leaves, into *fib. The kernel refuses what is too big for it. */
static __always_inline int reply_route(struct __sk_buff *skb, const struct packet *pkt,
				       const struct lb_backend *backend,
				       struct bpf_fib_lookup *fib)
{
	bool remote = !(backend->hop.flags & LB_HOP_LOCAL);

	if (remote && (pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl) <= 1)
		return LB_DROP_TTL;
	if (lb_private)
		return LB_GO_ON;
	reply_route_question(pkt, skb->ingress_ifindex, backend, fib);
	return route_verdict(bpf_fib_lookup(skb, fib, sizeof(*fib), 0));
}

/* Out by the way that was found, without the tag that it came with: the device has its own. */
static __always_inline int reply_redirect(struct __sk_buff *skb, const struct bpf_fib_lookup *fib,
					  long *ret_action)
{
	struct bpf_redir_neigh next = {};

	/* The kernel keeps the outer tag beside the frame; once it is off, the inner one. */
	for (int i = 0; i < 2; i++)
		if (skb->vlan_present && bpf_skb_vlan_pop(skb))
			return LB_DROP_TRUNCATED;
	next_hop_of(fib, &next);
	*ret_action = bpf_redirect_neigh(fib->ifindex, &next, sizeof(next), 0);
	return LB_REDIRECT_REPLY;
}

static __always_inline int reply_translate(struct __sk_buff *skb, struct packet *pkt,
					   const struct place *place,
					   const struct lb_backend *backend, long *ret_action)
{
	struct bpf_fib_lookup fib = {};

	LB_TRY(reply_route(skb, pkt, backend, &fib));
	if (!(backend->hop.flags & LB_HOP_LOCAL) && ttl_decrement_skb(skb, pkt, place->l3))
		return LB_DROP_TRUNCATED;
	if (source_translate_skb(skb, pkt, place, backend))
		return LB_DROP_TRUNCATED;
	return reply_redirect(skb, &fib, ret_action);
}

/* ---- uncommon replies ----------------------------------------------------------------------- */

/* LB_GO_ON with the backend; *ret_place says what there is to translate. */
static __always_inline int uncommon_find(struct __sk_buff *skb, const struct lb_settings *set,
					 struct packet *pkt, struct headers *h,
					 struct lb_backend **ret_backend)
{
	int verdict;

	if (h->fragment == FRAGMENT_LATER) {
		if (!fragment_follow(set, pkt, h, ret_backend))
			return reply_is_translated(set, pkt) && !fragment_is_nobodys(set, h)
				       ? LB_DROP_REPLY_FRAGMENT
				       : LB_PASS_NOT_REPLY;
		return fragment_is_reply(pkt, *ret_backend) ? LB_GO_ON : LB_PASS_NOT_REPLY;
	}
	if (!protocol_is_balanced(pkt->protocol)) {
		if (!h->l4_bytes || h->fragment != WHOLE ||
		    icmp_kind_of(pkt, h->icmp.type) != ICMP_ERROR)
			return LB_PASS_NOT_REPLY;
		if (quoted_read(skb, pkt, h) != LB_GO_ON)
			return LB_PASS_NOT_REPLY;
		quoted_as_answer(pkt, h);
	}
	verdict = reply_lookup(set, pkt, LB_PASS_NOT_REPLY, ret_backend);
	if (h->fragment == FRAGMENT_FIRST &&
	    (verdict == LB_GO_ON || reply_is_translated(set, pkt)))
		fragment_remember(set, pkt, h);
	return verdict;
}

static __always_inline int uncommon_error(struct __sk_buff *skb, struct packet *pkt,
					  struct headers *h, const struct lb_backend *backend,
					  long *ret_action)
{
	__builtin_memset(&h->fib, 0, sizeof(h->fib));
	LB_TRY(reply_route(skb, pkt, backend, &h->fib));
	if (!(backend->hop.flags & LB_HOP_LOCAL))
		ttl_decrement(pkt);
	error_translate_back(pkt, h, backend);
	if (headers_store(skb, pkt, h))
		return LB_DROP_TRUNCATED;
	return reply_redirect(skb, &h->fib, ret_action);
}

static __always_inline int uncommon_translate(struct __sk_buff *skb, struct packet *pkt,
					      struct headers *h, long *ret_action)
{
	struct lb_settings *set = settings();
	struct lb_backend *backend;
	struct place place;

	LB_TRY(headers_read(skb, pkt, h));
	if (!set || (h->problem != LB_GO_ON && h->problem != LB_DROP_IPV4_OPTIONS))
		return LB_PASS_NOT_REPLY;
	LB_TRY(uncommon_find(skb, set, pkt, h, &backend));
	LB_TRY(headers_check(pkt, h));
	if (pkt->quoted)
		return uncommon_error(skb, pkt, h, backend, ret_action);
	place.l3 = h->l3;
	place.l4 = h->fragment == FRAGMENT_LATER ? 0 : h->l4;
	return reply_translate(skb, pkt, &place, backend, ret_action);
}

/* Returns the action of tc. */
__noinline int reply_uncommon(struct __sk_buff *skb)
{
	struct headers *h = headers_scratch();
	long action = TC_ACT_SHOT;
	struct packet pkt;
	int verdict;

	if (!h)
		return TC_ACT_SHOT;
	verdict = uncommon_translate(skb, &pkt, h, &action);
	capture_note(&pkt, verdict);
	return tc_action(packet_leave(&pkt, verdict), action);
}

/* ---- the common reply ----------------------------------------------------------------------- */

static __always_inline int reply_balance(struct __sk_buff *skb, struct packet *pkt,
					 long *ret_action)
{
	struct lb_settings *set = settings();
	struct place place = { .l3 = ETH_HLEN };
	struct lb_backend *backend;

	if (skb->data_end - skb->data < HEADERS_MAX && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
	LB_TRY(packet_parse(pkt, (void *)(long)skb->data, (void *)(long)skb->data_end));
	if (!set)
		return LB_PASS_NOT_REPLY;
	LB_TRY(reply_lookup(set, pkt, LB_PASS_NOT_REPLY, &backend));
	pkt->bytes = skb->len;
	if (!skb->gso_size) /* one of those may be longer than its header can say */
		LB_TRY(packet_check(pkt));
	place.l4 = l4_offset(pkt);
	return reply_translate(skb, pkt, &place, backend, ret_action);
}

/* A function of its own, so that its stack is not under that of the uncommon reply. */
static __noinline int reply_common(struct __sk_buff *skb)
{
	long action = TC_ACT_SHOT;
	struct packet pkt;
	int verdict = reply_balance(skb, &pkt, &action);

	if (verdict == LB_UNCOMMON)
		return LB_UNCOMMON;
	capture_note(&pkt, verdict);
	return tc_action(packet_leave(&pkt, verdict), action);
}

/* Both halves of a capture, as in lb. */
__noinline int reply_came(struct __sk_buff *skb)
{
	return skb ? capture_came(skb, skb->ifindex, LB_CAPTURE_REPLY) : 0;
}

__noinline int reply_left(struct __sk_buff *skb, int action)
{
	if (skb)
		capture_left(skb);
	return action;
}

SEC("tc")
int lb_reply(struct __sk_buff *skb)
{
	bool told = capture_word(settings()) && reply_came(skb);
	int action = reply_common(skb);

	if (action == LB_UNCOMMON)
		action = reply_uncommon(skb);
	return told ? reply_left(skb, action) : action;
}

char _license[] SEC("license") = "GPL";
