/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A router between us and a backend says that an outer packet was too big. It tells us, who sent
 * that, but only the inner packet's sender can do something about it: what the router quotes of the
 * inner packet goes on to it, in an ICMP error by the vip and with the MTU less what encapsulation
 * adds. Whoever forges such a word must know the flow, its backend, and the outer source (and, with
 * GUE, the port) that the keyed hash chose for it. */
#ifndef XDP_PMTU_BPF_H
#define XDP_PMTU_BPF_H

#include "capture.bpf.h"
#include "encap.bpf.h"
#include "frame.bpf.h"
#include "icmp.bpf.h"
#include "service.bpf.h"
#include "transmit.bpf.h"

struct router_word {
	union lb_addr src, dst;	/* of the outer packet */
	union {			/* the inner one's */
		struct iphdr ip4;
		struct ipv6hdr ip6;
	};
	__u32 inner;		/* where it begins in the frame */
	__u32 bytes;		/* of it, as its header says */
	__u32 mtu;		/* as the router says */
	__be16 port;		/* GUE: outer source port */
	__u16 gue;		/* 0 or 1 */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct router_word);
} lb_pmtu SEC(".maps");

static __always_inline bool says_too_big(const struct headers *h, bool ipv6)
{
	return ipv6 ? h->icmp.type == 2 : h->icmp.type == 3 && h->icmp.code == 4;
}

static __always_inline __u8 outer_protocol(const struct headers *h, bool ipv6)
{
	return ipv6 ? h->quoted_ip6.nexthdr : h->quoted_ip4.protocol;
}

static __always_inline bool quotes_gue(const struct headers *h, bool ipv6)
{
	return outer_protocol(h, ipv6) == IPPROTO_UDP && h->quoted_l4_bytes &&
	       h->quoted_udp.dest == bpf_htons(LB_GUE_PORT);
}

/* An error that the uncommon walk has no flow for, about something that looks like an outer packet:
 * packet_pmtu() looks closer. */
static __always_inline bool pmtu_may_be_ours(int verdict, const struct packet *pkt,
					     const struct headers *h)
{
	bool ipv6 = pkt->ipv6;
	__u8 protocol;

	if ((verdict != LB_PASS_PROTOCOL && verdict != LB_PASS_NOT_SERVICE) || !h->quoted_l3 ||
	    !says_too_big(h, ipv6))
		return false;
	protocol = outer_protocol(h, ipv6);
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || quotes_gue(h, ipv6);
}

/* ---- reading -------------------------------------------------------------------------------- */

static __always_inline void outer_read(const struct headers *h, struct router_word *word)
{
	bool ipv6 = h->icmp.type == 2;

	if (ipv6) {
		addr_set_ipv6(&word->src, &h->quoted_ip6.saddr);
		addr_set_ipv6(&word->dst, &h->quoted_ip6.daddr);
		word->mtu = bpf_ntohl(h->icmp.rest);
	} else {
		addr_set_ipv4(&word->src, h->quoted_ip4.saddr);
		addr_set_ipv4(&word->dst, h->quoted_ip4.daddr);
		word->mtu = bpf_ntohl(h->icmp.rest) & 0xffff;
	}
	word->gue = quotes_gue(h, ipv6);
	word->port = h->quoted_udp.source;
	word->inner = h->quoted_l4 + (word->gue ? sizeof(struct udphdr) : 0);
}

static __always_inline int inner_ipv4_read(void *ctx, struct packet *pkt, struct router_word *word)
{
	if (frame_load(ctx, word->inner, &word->ip4, sizeof(word->ip4)))
		return LB_PASS_PROTOCOL;
	packet_set_ipv4(pkt, &word->ip4);
	if (*(__u8 *)&word->ip4 != IPV4_PLAIN || word->ip4.frag_off & bpf_htons(IPV4_OFFSET))
		return LB_PASS_PROTOCOL;
	return LB_GO_ON;
}

static __always_inline int inner_ipv6_read(void *ctx, struct packet *pkt, struct router_word *word)
{
	if (frame_load(ctx, word->inner, &word->ip6, sizeof(word->ip6)))
		return LB_PASS_PROTOCOL;
	packet_set_ipv6(pkt, &word->ip6);
	return LB_GO_ON;
}

/* The inner packet, as far as it is quoted: to its ports at the least. It was TCP or UDP without
 * options or extensions, or what it was is not told. */
static __always_inline int inner_read(void *ctx, struct packet *pkt, struct headers *h,
				      struct router_word *word)
{
	__u32 l4;
	__u8 first;

	if (frame_load(ctx, word->inner, &first, sizeof(first)))
		return LB_PASS_PROTOCOL;
	if (first >> 4 == 6) {
		LB_TRY(inner_ipv6_read(ctx, pkt, word));
		l4 = word->inner + sizeof(word->ip6);
	} else {
		LB_TRY(inner_ipv4_read(ctx, pkt, word));
		l4 = word->inner + sizeof(word->ip4);
	}
	if (!protocol_is_balanced(pkt->protocol) ||
	    frame_load(ctx, l4, &h->quoted_udp, sizeof(h->quoted_udp)))
		return LB_PASS_PROTOCOL;
	pkt->is_tcp = pkt->protocol == IPPROTO_TCP;
	pkt->tcp = &h->quoted_tcp;
	pkt->ports = *(__u32 *)&h->quoted_udp;
	pkt->quoted = 1; /* asks the records, and changes nothing */
	word->bytes = packet_length(pkt);
	return LB_GO_ON;
}

/* ---- deciding ------------------------------------------------------------------------------- */

/* Whether we would send this packet of the flow in that outer packet. */
static __always_inline bool outer_is_ours(const struct lb_settings *set, const struct packet *pkt,
					  const struct lb_backend *backend,
					  const struct router_word *word)
{
	__u32 hash = flow_hash(set, pkt, false);

	return backend_encapsulates(backend) &&
	       (backend->forward == LB_FORWARD_GUE) == word->gue &&
	       (!word->gue || word->port == gue_port(hash)) &&
	       addr_same(&word->dst, &backend->address) &&
	       word->src.quad[0] == backend->encap_source.quad[0] &&
	       word->src.word[2] == backend->encap_source.word[2] &&
	       word->src.word[3] == encap_source_word(backend, hash);
}

/* The router that said it knows a way to the client. */
static __always_inline int pmtu_return(struct headers *h)
{
	bytes_swap(h->link, h->link + ETH_ALEN, ETH_ALEN);
	return LB_TX_PMTU;
}

/* By which way it gets to the client, and the packet is marked for it. It goes back to the router
 * where XDP knows none: of VLANs it knows no routes, and a next hop that this host never talked to
 * (answers of encapsulated backends come past it) is no neighbour yet. */
static __always_inline int pmtu_way(struct xdp_md *ctx, const struct packet *pkt,
				    struct headers *h)
{
	struct bpf_fib_lookup *fib = &h->fib;

	if (h->l3 != ETH_HLEN)
		return pmtu_return(h);
	if (lb_private)
		return LB_REDIRECT_PMTU;
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = ctx->ingress_ifindex;
	if (pkt->ipv6) {
		fib->family = 10; /* AF_INET6 */
		fib->l4_protocol = IPPROTO_ICMPV6;
		__builtin_memcpy(fib->ipv6_src, &pkt->dst, 16);
		__builtin_memcpy(fib->ipv6_dst, &pkt->src, 16);
	} else {
		fib->family = 2; /* AF_INET */
		fib->l4_protocol = IPPROTO_ICMP;
		fib->ipv4_src = pkt->dst.word[3];
		fib->ipv4_dst = pkt->src.word[3];
	}
	if (!fib_leads(ctx, fib))
		return pmtu_return(h);
	__builtin_memcpy(h->link, fib->dmac, ETH_ALEN);
	__builtin_memcpy(h->link + ETH_ALEN, fib->smac, ETH_ALEN);
	return fib->ifindex == ctx->ingress_ifindex ? LB_TX_PMTU : LB_REDIRECT_PMTU;
}

/* Of the message that came: ours will have a right checksum, and must not cover up damage. What
 * Ethernet padded is cut off, so that the sum goes to the end. */
static __always_inline int icmp_check(struct xdp_md *ctx, const struct headers *h, bool ipv6,
				      __u32 least)
{
	__u32 total = ipv6 ? sizeof(h->ip6) + bpf_ntohs(h->ip6.payload_len)
			   : bpf_ntohs(h->ip4.tot_len);
	__u32 bytes = h->l3 + total - h->l4, sum = 0;
	__s32 excess = frame_bytes(ctx) - (h->l3 + total);
	void *data, *end;

	if (excess < 0 || h->l3 + total < least)
		return LB_DROP_TRUNCATED;
	if (excess && bpf_xdp_adjust_tail(ctx, -excess))
		return LB_DROP_TRUNCATED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (ipv6)
		sum = csum_add(bpf_htons(IPPROTO_ICMPV6) + bpf_htons(bytes), &h->ip6.saddr, 32);
	sum = csum_to_end(sum, data + (h->l4 & 511), end,
			  sizeof(struct icmp_header) + QUOTE_MAX_IPV6);
	return csum_fold(sum) == 0xffff ? LB_GO_ON : LB_DROP_MALFORMED;
}

static __always_inline int pmtu_balance(struct xdp_md *ctx, struct packet *pkt, struct headers *h,
					struct router_word *word)
{
	struct lb_settings *set = settings();
	struct lb_backend *backend;
	struct lb_entry *service;
	bool ipv6 = h->icmp.type == 2;
	__s32 room;

	packet_begin(pkt, frame_bytes(ctx));
	pkt->protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	outer_read(h, word);
	LB_TRY(inner_read(ctx, pkt, h, word));
	if (!set || service_lookup(set, pkt, &service) != LB_GO_ON ||
	    backend_pick(set, pkt, service, &backend) != LB_GO_ON ||
	    !outer_is_ours(set, pkt, backend, word))
		return LB_PASS_PROTOCOL;
	room = (__s32)(word->mtu < 0xffff ? word->mtu : 0xffff) - (__s32)encap_overhead(backend);
	h->says = too_big_says(pkt->ipv6, room);
	if (room < IPV4_LEAST_MTU || word->bytes <= bpf_ntohl(h->says.rest))
		return LB_PASS_PROTOCOL; /* no MTU; or it fits, or cannot be any smaller */
	/* The ports at the least, and not in what Ethernet padded. */
	LB_TRY(icmp_check(ctx, h, ipv6, word->inner + sizeof(struct udphdr) +
				  (pkt->ipv6 ? sizeof(word->ip6) : sizeof(word->ip4))));
	if (!answer_is_affordable())
		return LB_DROP_TOO_BIG;
	return pmtu_way(ctx, pkt, h);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Leaves in the frame room for the new headers, and what is quoted behind them. */
static __always_inline int inner_quote(struct xdp_md *ctx, const struct headers *h,
				       const struct router_word *word, __u32 header)
{
	__u32 most = header == sizeof(struct ipv6hdr) ? QUOTE_MAX_IPV6 : QUOTE_MAX_IPV4;
	__u32 quote = word->bytes < most ? word->bytes : most;
	__s32 excess = frame_bytes(ctx) - (word->inner + quote);
	__s32 cut = word->inner - (h->l3 + header + sizeof(struct icmp_header));

	if (excess > 0 && bpf_xdp_adjust_tail(ctx, -excess))
		return -1;
	return cut ? bpf_xdp_adjust_head(ctx, cut) : 0;
}

static __always_inline int pmtu_write(struct xdp_md *ctx, const struct packet *pkt,
				      struct headers *h, const struct router_word *word, bool ipv6)
{
	__u32 header = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr), l3 = h->l3 & 31;
	struct icmp_header *icmp;
	void *ip, *end;

	if (inner_quote(ctx, h, word, header))
		return -1;
	*(__be16 *)(h->link + ((l3 - 2) & 31)) = ipv6 ? bpf_htons(ETH_P_IPV6)
						      : bpf_htons(ETH_P_IP);
	if (link_store(ctx, h))
		return -1;
	ip = (void *)(long)ctx->data + l3;
	end = (void *)(long)ctx->data_end;
	icmp = ip + header;
	if ((void *)(icmp + 1) > end)
		return -1;
	if (ipv6) {
		__builtin_memcpy(&((struct ipv6hdr *)ip)->saddr, &pkt->dst, 16);
		__builtin_memcpy(&((struct ipv6hdr *)ip)->daddr, &pkt->src, 16);
	} else {
		((struct iphdr *)ip)->saddr = pkt->dst.word[3];
		((struct iphdr *)ip)->daddr = pkt->src.word[3];
	}
	icmp_finish(ip, icmp, end, &h->says, ipv6);
	return 0;
}

static __always_inline bool verdict_is_pmtu(int verdict)
{
	return verdict == LB_REDIRECT_PMTU || verdict == LB_TX_PMTU;
}

/* Called from the top for what pmtu_may_be_ours(), while the scratch still has its headers. Counts
 * the packet, and returns the XDP action. */
__noinline int packet_pmtu(struct xdp_md *ctx)
{
	struct headers *h = headers_scratch();
	struct router_word *word;
	__u32 zero = 0;
	struct packet pkt;
	int verdict, action, err = 0;

	word = bpf_map_lookup_elem(&lb_pmtu, &zero);
	if (!h || !word)
		return XDP_ABORTED;
	verdict = pmtu_balance(ctx, &pkt, h, word);
	action = xdp_action(packet_leave(&pkt, verdict));
	capture_note(&pkt, verdict);
	if (verdict_is_pmtu(verdict))
		err = pkt.ipv6 ? pmtu_write(ctx, &pkt, h, word, true)
			       : pmtu_write(ctx, &pkt, h, word, false);
	return err ? XDP_ABORTED : action;
}

#endif
