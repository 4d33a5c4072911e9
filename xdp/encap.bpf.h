/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To backends of ipip and gue: the packet as it is, but for its TTL, in an IP packet of its own. A
 * step decides that it fits and by which outer packet it goes; packet_encap() writes that last,
 * when the packet has been counted. GUE is variant 1 (draft-ietf-intarea-gue, section 4): the inner
 * IP header follows UDP at once, and its version says which.
 *
 * The UDP checksum is 0, over IPv6 too (RFC 6935): a tunnel may do so where the receiver agrees,
 * and ours does. The inner packet has its own checksums; to sum all of it once more would cost as
 * much as the rest of its way together (RFC 6936, section 4, weighs what is lost). */
#ifndef XDP_ENCAP_BPF_H
#define XDP_ENCAP_BPF_H

#include "answer.bpf.h"
#include "hop.bpf.h"
#include "rewrite.bpf.h"
#include "slot.bpf.h"

#define IPV4_LEAST_MTU	68	/* RFC 791 */
#define IPV6_LEAST_MTU	1280	/* RFC 8200, section 5 */
#define GUE_PORT_FIRST	49152	/* of the ports that nobody has, 2^14 */

struct encapsulation {		/* of one packet */
	union lb_addr src, dst;	/* the flow's, */
	__u32 ports, protocol;	/* and so are these */
	__u32 hash;		/* of all four */
	__u32 backend;		/* id */
	__u32 l3, l4;		/* where the headers stand in the frame */
	__u32 bytes;		/* of the IP packet */
	__u8 ipv6;		/* its version: 0 or 1 */
	__u8 may_be_cut;	/* 1: the outer packet may be fragmented */
	__u8 silent;		/* 1: its sender is told nothing */
	__u8 mac;		/* the first byte of the destination's, as it came */
	__u8 ttl;
	struct hop hop;
	__s32 action;		/* of XDP, when the outer packet is written */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct encapsulation);
} lb_encap SEC(".maps");

static __always_inline struct encapsulation *encapsulation(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_encap, &zero);
}

static __always_inline bool backend_encapsulates(const struct lb_backend *backend)
{
	return backend->forward > LB_FORWARD_DSR;
}

/* ---- what the flow's hash chooses ----------------------------------------------------------- */

static __always_inline __be16 gue_port(__u32 hash)
{
	return bpf_htons(GUE_PORT_FIRST | (hash & 0x3fff));
}

/* The last word of the outer source; other bits of the hash than the port has. */
static __always_inline __be32 encap_source_word(const struct lb_backend *backend, __u32 hash)
{
	__u32 spread = backend->encap_spread;
	__u32 mask = spread < 32 ? (1U << spread) - 1 : ~0U;

	return backend->encap_source.word[3] | bpf_htonl((hash >> 14 | hash << 18) & mask);
}

/* ---- path MTU ------------------------------------------------------------------------------- */

static __always_inline __u32 encap_overhead(const struct lb_backend *backend)
{
	__u32 bytes = backend->flags & LB_BACKEND_IPV6 ? sizeof(struct ipv6hdr)
						       : sizeof(struct iphdr);

	return backend->forward == LB_FORWARD_GUE ? bytes + sizeof(struct udphdr) : bytes;
}

/* What the sender is told, in the ICMP header's second word (RFC 1191, RFC 4443): `mtu` for its own
 * packets. An IPv6 host takes nothing below the least MTU for an answer. */
static __always_inline struct icmp_header too_big_says(bool ipv6, __s32 mtu)
{
	struct icmp_header says = { .type = ipv6 ? 2 : 3, .code = ipv6 ? 0 : 4 };
	__s32 least = ipv6 ? IPV6_LEAST_MTU : IPV4_LEAST_MTU;

	says.rest = bpf_htonl(mtu < least ? least : mtu);
	return says;
}

/* It does not fit. What may be cut is encapsulated all the same, and the stack fragments the outer
 * packet on its way, which it does for IPv4 alone: a router does not fragment IPv6. An IPv4 sender
 * that did not set DF is told too, then: its host learns from that, although it need not.
 *
 * What the stack needs for it, on the interface it came in by: forwarding; accept_local, if the
 * outer source is an address of this host, which must be one of that very interface where rp_filter
 * is 1; rp_filter 0 (or a route back), if it is an invented one. */
static __always_inline int too_big(const struct encapsulation *encap, bool outer_ipv6, __s32 room)
{
	struct headers *h = headers_scratch();

	if (encap->may_be_cut && !outer_ipv6)
		return LB_PASS_ENCAP_FRAGMENT;
	if (encap->may_be_cut && encap->ipv6)
		return LB_DROP_TOO_BIG;
	if (!h || encap->silent || !answer_is_due(&encap->src, encap->ipv6, encap->mac) ||
	    !answer_is_affordable())
		return LB_DROP_TOO_BIG;
	h->answer = (struct answer_to){ encap->l3, encap->l4, encap->bytes, encap->ipv6 };
	h->says = too_big_says(encap->ipv6, room);
	return LB_TX_TOO_BIG;
}

/* ---- deciding ------------------------------------------------------------------------------- */

/* What may be fragmented behind its sender's back: what has no DF, and IPv6 that no answer makes
 * smaller (RFC 2473, section 7.1). Of IPv4 the first fragment alone is answered (RFC 1122, section
 * 3.2.2), and no ICMP error is. `later`: it is not the first. */
static __always_inline void encap_describe(struct encapsulation *encap, const struct packet *pkt,
					   __u32 l3, __u32 l4, bool later)
{
	encap->src = pkt->src;
	encap->dst = pkt->dst;
	encap->ports = pkt->ports;
	encap->protocol = pkt->protocol;
	encap->backend = pkt->backend;
	encap->l3 = l3;
	encap->l4 = l4;
	encap->bytes = packet_length(pkt);
	encap->ipv6 = pkt->ipv6;
	encap->may_be_cut = pkt->ipv6 ? encap->bytes <= IPV6_LEAST_MTU
				      : !(pkt->ip4->frag_off & bpf_htons(IPV4_DF));
	encap->silent = pkt->quoted || (later && !pkt->ipv6);
	encap->mac = pkt->eth->h_dest[0];
	encap->ttl = pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl;
}

/* What the outer packet's source, port and flow label are spread by. Not the hash that chose the
 * slot: with hash = "source" the flows of one client differ too, and every fragment of a datagram
 * has the same. The common walk has it already. */
__noinline int encap_hash(void)
{
	struct encapsulation *encap = encapsulation();
	struct lb_settings *set = settings();
	struct packet flow;

	if (!encap || !set)
		return 0;
	flow.src = encap->src;
	flow.dst = encap->dst;
	flow.ports = encap->ports;
	flow.protocol = encap->protocol;
	flow.ipv6 = encap->ipv6;
	encap->hash = flow_hash(set, &flow, false);
	return 0;
}

/* Returns the verdict of what encap_describe() has described. A function of its own, for the stack
 * of the walks is full. */
__noinline int encap_decide(struct xdp_md *ctx)
{
	struct encapsulation *encap = encapsulation();
	struct lb_backend *backend;
	int verdict;
	__s32 room;
	__u32 mtu;

	if (!encap)
		return LB_DROP_NO_BACKEND;
	backend = bpf_map_lookup_elem(&lb_backends, &encap->backend);
	if (!backend)
		return LB_DROP_NO_BACKEND;
	encap->hop = hop_read(ctx, backend);
	if (!hop_is_known(&encap->hop))
		return LB_DROP_NO_NEXT_HOP;
	if (!encap->hop.local && encap->ttl <= 1)
		return LB_DROP_TTL;
	mtu = *(const volatile __u16 *)&backend->mtu;
	room = (mtu ? mtu : 0xffff) - encap_overhead(backend);
	encap->action = encap->hop.back ? XDP_TX : XDP_REDIRECT;
	if ((__s32)encap->bytes <= room)
		return verdict_sent(backend, encap->hop.back);
	verdict = too_big(encap, backend->flags & LB_BACKEND_IPV6, room);
	if (verdict == LB_PASS_ENCAP_FRAGMENT)
		encap->action = XDP_PASS;
	return verdict;
}

static __always_inline bool verdict_is_encap(int verdict)
{
	return verdict == LB_REDIRECT_IPIP || verdict == LB_TX_IPIP || verdict == LB_REDIRECT_GUE ||
	       verdict == LB_TX_GUE || verdict == LB_PASS_ENCAP_FRAGMENT;
}

/* ---- who writes last ------------------------------------------------------------------------ */

static const __u64 last_verdicts = 1ULL << LB_TX_REJECT | 1ULL << LB_TX_TOO_BIG |
				   1ULL << LB_REDIRECT_IPIP | 1ULL << LB_TX_IPIP |
				   1ULL << LB_REDIRECT_GUE | 1ULL << LB_TX_GUE |
				   1ULL << LB_PASS_ENCAP_FRAGMENT;

/* Whether something is written when the packet has been counted, and by whom. */
static __always_inline bool verdict_is_last(int verdict)
{
	return last_verdicts >> verdict & 1;
}

static __always_inline int verdict_last(int verdict)
{
	return verdict_is_answer(verdict) ? LB_ANSWER : LB_ENCAP;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The link header that stood `grow` bytes before the end of this room, to its beginning; with
 * tags, if it has any, else a part of the inner header, over which IP is written. */
static __always_inline void link_move(void *data, const void *old)
{
	__u64 first = ((const __u64 *)old)[0], second = ((const __u64 *)old)[1];
	__u32 third = ((const __u32 *)old)[4];
	__u16 last = ((const __u16 *)old)[10];

	((__u64 *)data)[0] = first;
	((__u64 *)data)[1] = second;
	((__u32 *)data)[4] = third;
	((__u16 *)data)[10] = last;
}

struct outer {			/* what the inner header gives to the outer one */
	__u8 tos, ttl, protocol;
	__be16 df;
	__u32 bytes;		/* behind the IP header */
};

/* By whole words, summed before they are stored: to read what was just written byte by byte costs
 * as much as all the rest. */
static __always_inline void outer_ipv4_write(void *ip, const struct lb_backend *backend,
					     const struct outer *outer, __u32 hash)
{
	__u32 total = sizeof(struct iphdr) + outer->bytes, *word = ip;
	__u16 id = outer->df ? 0 : bpf_get_prandom_u32(); /* RFC 6864: only fragments need it */
	__u32 first = bpf_htonl(0x45000000 | (__u32)outer->tos << 16 | total);
	__u32 second = bpf_htonl((__u32)id << 16 | bpf_ntohs(outer->df));
	__u32 third = bpf_htonl((__u32)outer->ttl << 24 | (__u32)outer->protocol << 16);
	__u32 source = encap_source_word(backend, hash), destination = backend->address.word[3];
	__u64 sum = (__u64)first + second + third + source + destination;

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	word[0] = first;
	word[1] = second;
	word[2] = third;
	word[3] = source;
	word[4] = destination;
	((struct iphdr *)ip)->check = ~csum_fold(sum);
}

static __always_inline void outer_ipv6_write(struct ipv6hdr *ip, const struct lb_backend *backend,
					     const struct outer *outer, __u32 hash)
{
	const union lb_addr *source = &backend->encap_source;

	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)outer->tos << 20 | (hash & 0xfffff));
	ip->payload_len = bpf_htons(outer->bytes);
	ip->nexthdr = outer->protocol;
	ip->hop_limit = outer->ttl;
	((__u64 *)&ip->saddr)[0] = source->quad[0];
	((__u32 *)&ip->saddr)[2] = source->word[2];
	((__u32 *)&ip->saddr)[3] = encap_source_word(backend, hash);
	((__u64 *)&ip->daddr)[0] = backend->address.quad[0];
	((__u64 *)&ip->daddr)[1] = backend->address.quad[1];
}

/* DSCP and ECN are copied (RFC 6040, section 4.1, normal mode), and so is the TTL. */
static __always_inline struct outer outer_of(const void *inner, bool ipv6,
					     const struct encapsulation *encap)
{
	const struct ipv6hdr *ip6 = inner;
	const struct iphdr *ip4 = inner;
	struct outer outer = { .df = bpf_htons(IPV4_DF), .bytes = encap->bytes };

	outer.tos = ipv6 ? bpf_ntohs(*(const __be16 *)ip6) >> 4 & 0xff : ip4->tos;
	outer.ttl = ipv6 ? ip6->hop_limit : ip4->ttl;
	outer.protocol = ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	if (!ipv6 ? !(ip4->frag_off & bpf_htons(IPV4_DF)) : encap->action == XDP_PASS)
		outer.df = 0;
	return outer;
}

static __always_inline int encap_write(struct xdp_md *ctx, const struct encapsulation *encap,
				       const struct lb_backend *backend, __u32 hash, bool gue,
				       bool ipv6, bool outer_ipv6)
{
	__u32 header = outer_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 grow = gue ? header + sizeof(struct udphdr) : header, l3 = encap->l3 & 31;
	void *data, *end, *ip, *inner, *type;
	struct outer outer;
	struct udphdr *udp;

	if (bpf_xdp_adjust_head(ctx, -(int)grow))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + l3;
	inner = ip + grow;
	udp = ip + header;
	type = data + ((l3 - 2) & 31);
	/* All of it follows from the first, but not for the verifier. */
	if (inner + sizeof(struct iphdr) > end || (void *)(udp + 1) > end || type + 2 > end ||
	    data + grow + L2_MAX > end)
		return -1;
	if (l3 != ETH_HLEN || encap->action == XDP_PASS)
		link_move(data, data + grow);
	if (encap->action != XDP_PASS) {
		*(__u64 *)data = encap->hop.first;
		*(__u32 *)(data + 8) = encap->hop.second;
	}
	*(__be16 *)type = outer_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (!encap->hop.local)
		hop_take(inner, ipv6); /* RFC 2003, section 3.1 */
	outer = outer_of(inner, ipv6, encap);
	if (gue) {
		outer.protocol = IPPROTO_UDP;
		outer.bytes += sizeof(*udp);
		udp->source = gue_port(hash);
		udp->dest = bpf_htons(LB_GUE_PORT);
		udp->len = bpf_htons(outer.bytes);
		udp->check = 0;
	}
	if (outer_ipv6)
		outer_ipv6_write(ip, backend, &outer, hash);
	else
		outer_ipv4_write(ip, backend, &outer, hash);
	return 0;
}

/* Writes the outer packet that was decided on. Called last, and from the top, as packet_answer()
 * is. Returns the XDP action. */
__noinline int packet_encap(struct xdp_md *ctx)
{
	struct encapsulation *encap = encapsulation();
	struct lb_backend *backend;
	__u32 hash;
	bool gue;
	int err;

	if (!encap)
		return XDP_ABORTED;
	backend = bpf_map_lookup_elem(&lb_backends, &encap->backend);
	if (!backend)
		return XDP_ABORTED;
	hash = encap->hash;
	gue = backend->forward == LB_FORWARD_GUE;
	if (backend->flags & LB_BACKEND_IPV6)
		err = encap->ipv6 ? encap_write(ctx, encap, backend, hash, gue, true, true)
				  : encap_write(ctx, encap, backend, hash, gue, false, true);
	else
		err = encap->ipv6 ? encap_write(ctx, encap, backend, hash, gue, true, false)
				  : encap_write(ctx, encap, backend, hash, gue, false, false);
	return err ? XDP_ABORTED : encap->action;
}

#endif
