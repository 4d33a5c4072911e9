/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that lb writes itself, in the place of the one that they answer, and sends back by the
 * port it came in: TCP resets, and ICMP errors that quote it. Both are global functions, which the
 * verifier walks once, each for itself, and which the common packet's code does not have inside.
 * They return 0, or -1 where the frame cannot be made, and leave no pointer into it valid. */
#ifndef XDP_ANSWER_BPF_H
#define XDP_ANSWER_BPF_H

#include "csum.bpf.h"
#include "leave.bpf.h"
#include "parse.bpf.h"

#define ANSWER_TTL	64
#define L2_MAX		22	/* Ethernet and two tags */
#define ETH_FRAME_MIN	60	/* without the checksum; what came was no shorter */
#define QUOTE_MAX_IPV4	(576 - 28)	/* RFC 1812, section 4.3.2.3 */
#define QUOTE_MAX_IPV6	(1280 - 48)	/* RFC 4443, section 2.4 (c) */

/* Where the headers of the packet begin that is answered, from the start of the frame, and what
 * its header says of its length. */
struct answer_to {
	__u32 l3, l4;
	__u32 bytes;	/* of the IP packet */
	__u32 ipv6;	/* 0 or 1 */
};

/* Whether an answer may go out at all (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)): not to
 * what was sent to many, nor to what names no single host as its source. */
static __always_inline bool answer_is_due(const struct packet *pkt)
{
	__u8 first = pkt->ipv6 ? pkt->src.byte[0] : pkt->src.byte[12];

	if (pkt->eth->h_dest[0] & 1)
		return false;
	if (pkt->ipv6)
		return first != 0xff && (pkt->src.quad[0] || pkt->src.quad[1]);
	return first && first != 127 && first < 224;
}

/* ICMP errors are rationed, as the kernel's own are (icmp_msgs_per_sec): each CPU saves up one a
 * millisecond, and LB_ANSWER_BURST at most. */
static __always_inline bool answer_is_affordable(void)
{
	__u64 now_ms = bpf_ktime_get_coarse_ns() / 1000000, saved;
	__u32 zero = 0;
	struct lb_ration *ration = bpf_map_lookup_elem(&lb_rations, &zero);

	if (lb_private || !ration)
		return true;
	saved = ration->tokens + (now_ms - ration->at_ms);
	if (saved > LB_ANSWER_BURST)
		saved = LB_ANSWER_BURST;
	ration->at_ms = now_ms;
	ration->tokens = saved ? saved - 1 : 0;
	return saved;
}

static __always_inline void bytes_swap(void *first, void *second, __u32 bytes)
{
	for (__u32 i = 0; i < bytes / 2; i++) {
		__u16 was = ((__u16 *)first)[i];

		((__u16 *)first)[i] = ((__u16 *)second)[i];
		((__u16 *)second)[i] = was;
	}
}

/* The IP header of an answer whose addresses stand there already, before `bytes` of TCP or ICMP.
 * Returns the sum of the pseudo-header; ICMP of IPv4 has none. */
static __always_inline __u32 ip_write(void *header, bool ipv6, __u8 protocol, __u16 bytes)
{
	__u32 sum = bpf_htons(protocol) + bpf_htons(bytes);
	struct ipv6hdr *ip6 = header;
	struct iphdr *ip4 = header;

	if (ipv6) {
		*(__be32 *)ip6 = bpf_htonl(6U << 28);
		ip6->payload_len = bpf_htons(bytes);
		ip6->nexthdr = protocol;
		ip6->hop_limit = ANSWER_TTL;
		return csum_add(sum, &ip6->saddr, 32);
	}
	*(__be16 *)ip4 = bpf_htons(0x4500);
	ip4->tot_len = bpf_htons(sizeof(*ip4) + bytes);
	ip4->id = 0;
	ip4->frag_off = bpf_htons(0x4000); /* DF */
	ip4->ttl = ANSWER_TTL;
	ip4->protocol = protocol;
	ip4->check = 0;
	ip4->check = ~csum_fold(csum_add(0, ip4, sizeof(*ip4)));
	return protocol == IPPROTO_ICMP ? 0 : csum_add(sum, &ip4->saddr, 8);
}

/* ---- resets --------------------------------------------------------------------------------- */

/* What an endpoint without this connection says (RFC 9293, section 3.10.7.1). `bytes`: of the
 * segment, with its header. */
static __always_inline struct tcphdr reset_of(const struct tcphdr *segment, __u32 bytes)
{
	struct tcphdr reset = { .source = segment->dest, .dest = segment->source, .doff = 5,
				.rst = 1 };

	if (segment->ack) {
		reset.seq = segment->ack_seq;
	} else {
		bytes += segment->syn + segment->fin - segment->doff * 4;
		reset.ack = 1;
		reset.ack_seq = bpf_htonl(bpf_ntohl(segment->seq) + bytes);
	}
	return reset;
}

static __always_inline int reset_write(struct xdp_md *ctx, const struct answer_to *to, bool ipv6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 header = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 l3 = to->l3 & 31, l4 = to->l4 & 127, had = end - data, size;
	struct tcphdr *segment = data + l4, *reset = data + l3 + header;
	struct iphdr *ip4 = data + l3;
	struct ipv6hdr *ip6 = data + l3;
	struct tcphdr now;

	if (data + ETH_HLEN > end || (void *)(segment + 1) > end || (void *)(reset + 1) > end)
		return -1;
	now = reset_of(segment, to->l3 + to->bytes - to->l4);
	bytes_swap(data, data + ETH_ALEN, ETH_ALEN);
	if (ipv6)
		bytes_swap(&ip6->saddr, &ip6->daddr, 16);
	else
		bytes_swap(&ip4->saddr, &ip4->daddr, 4);
	*reset = now;
	reset->check = ~csum_fold(csum_add(ip_write(data + l3, ipv6, IPPROTO_TCP, sizeof(now)),
					   reset, sizeof(now)));
	size = l3 + header + sizeof(now);
	if (size < ETH_FRAME_MIN)
		size = had < ETH_FRAME_MIN ? had : ETH_FRAME_MIN;
	return bpf_xdp_adjust_tail(ctx, (int)size - (int)had);
}

__noinline int reset_answer(struct xdp_md *ctx, const struct answer_to *to)
{
	if (!to)
		return -1;
	return to->ipv6 ? reset_write(ctx, to, true) : reset_write(ctx, to, false);
}

/* ---- ICMP errors ---------------------------------------------------------------------------- */

struct icmp_header {	/* of both families */
	__u8 type, code;
	__u16 checksum;
	__be32 rest;
};

/* Everything from `pos` to the packet's end. */
static __always_inline __u32 csum_to_end(__u32 sum, void *pos, void *end, __u32 bytes_max)
{
	__u64 wide = sum;

	for (__u32 i = 0; i < bytes_max / 4; i++) {
		if (pos + 4 > end)
			break;
		wide += *(__u32 *)pos;
		pos += 4;
	}
	if (pos + 2 <= end) {
		wide += *(__u16 *)pos;
		pos += 2;
	}
	if (pos + 1 <= end)
		wide += bpf_htons(*(__u8 *)pos << 8);
	wide = (wide & 0xffffffff) + (wide >> 32);
	return (wide & 0xffff) + (wide >> 16);
}

/* The frame with room for the new headers before the packet that is quoted, cut to what fits. */
static __always_inline int quote_make(struct xdp_md *ctx, const struct answer_to *to, bool ipv6,
				      __u32 grow)
{
	__u32 most = ipv6 ? QUOTE_MAX_IPV6 : QUOTE_MAX_IPV4;
	__u32 quote = to->bytes < most ? to->bytes : most;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__s64 excess = (end - data) - (__s64)((to->l3 & 31) + quote);

	if (excess > 0 && bpf_xdp_adjust_tail(ctx, (int)-excess))
		return -1;
	return bpf_xdp_adjust_head(ctx, -(int)grow);
}

static __always_inline int icmp_write(struct xdp_md *ctx, const struct answer_to *to,
				      const struct icmp_header *says, bool ipv6)
{
	__u32 header = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 l3 = to->l3 & 31, grow = header + sizeof(struct icmp_header), sum;
	void *data, *end, *old, *ip, *quote;
	struct icmp_header *icmp;

	if (quote_make(ctx, to, ipv6, grow))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	old = data + grow;
	ip = data + l3;
	icmp = ip + header;
	quote = ip + grow;
	/* In this order: the second follows from the first, but not for the verifier. */
	if (old + L2_MAX > end || quote + header > end)
		return -1;
	__builtin_memcpy(data, old + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(data + ETH_ALEN, old, ETH_ALEN);
	/* EtherType, and tags if there are any; else the IP header is written over them. */
	*(__u64 *)(data + 2 * ETH_ALEN) = *(__u64 *)(old + 2 * ETH_ALEN);
	*(__u16 *)(data + 20) = *(__u16 *)(old + 20);
	if (ipv6) {
		__builtin_memcpy(&((struct ipv6hdr *)ip)->saddr,
				 &((struct ipv6hdr *)quote)->daddr, 16);
		__builtin_memcpy(&((struct ipv6hdr *)ip)->daddr,
				 &((struct ipv6hdr *)quote)->saddr, 16);
	} else {
		((struct iphdr *)ip)->saddr = ((struct iphdr *)quote)->daddr;
		((struct iphdr *)ip)->daddr = ((struct iphdr *)quote)->saddr;
	}
	*icmp = *says;
	sum = ip_write(ip, ipv6, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, end - (void *)icmp);
	icmp->checksum = ~csum_fold(csum_to_end(sum, icmp, end, sizeof(*icmp) + QUOTE_MAX_IPV6));
	return 0;
}

__noinline int icmp_answer(struct xdp_md *ctx, const struct answer_to *to,
			   const struct icmp_header *says)
{
	if (!to || !says)
		return -1;
	return to->ipv6 ? icmp_write(ctx, to, says, true) : icmp_write(ctx, to, says, false);
}

/* ---- who is refused ------------------------------------------------------------------------- */

/* Nobody serves here: a reset, or port unreachable (RFC 1122, section 4.1.3.1; RFC 4443,
 * section 3.1). A reset is not answered. */
static __always_inline int packet_refuse(struct xdp_md *ctx, const struct packet *pkt)
{
	struct answer_to to = { .l3 = ETH_HLEN, .bytes = packet_length(pkt), .ipv6 = pkt->ipv6 };
	struct icmp_header says = { .type = pkt->ipv6 ? 1 : 3, .code = pkt->ipv6 ? 4 : 3 };

	if (!answer_is_due(pkt))
		return LB_DROP_NO_BACKEND;
	to.l4 = to.l3 + (pkt->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (pkt->is_tcp) {
		if (pkt->tcp->rst)
			return LB_DROP_NO_BACKEND;
		return reset_answer(ctx, &to) ? LB_DROP_TRUNCATED : LB_TX_REJECT;
	}
	if (!answer_is_affordable())
		return LB_DROP_NO_BACKEND;
	return icmp_answer(ctx, &to, &says) ? LB_DROP_TRUNCATED : LB_TX_REJECT;
}

#endif
