/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that lb writes itself, in the place of the one that they answer, and sends back by the
 * port it came in: TCP resets, and ICMP errors that quote it. A step decides on the answer and
 * gives its verdict; packet_answer() writes it. */
#ifndef XDP_ANSWER_BPF_H
#define XDP_ANSWER_BPF_H

#include "csum.bpf.h"
#include "headers.bpf.h"
#include "leave.bpf.h"

#define ANSWER_TTL	64
#define ETH_FRAME_MIN	60	/* without the checksum; what came was no shorter */
#define QUOTE_MAX_IPV4	(576 - 28)	/* RFC 1812, section 4.3.2.3 */
#define QUOTE_MAX_IPV6	(1280 - 48)	/* RFC 4443, section 2.4 (c) */

/* Whether an answer may go out at all (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)): not to
 * what was sent to many, nor to what names no single host as its source. `mac`: the first byte of
 * the destination's. */
static __always_inline bool answer_is_due(const union lb_addr *src, bool ipv6, __u8 mac)
{
	__u8 first = ipv6 ? src->byte[0] : src->byte[12];

	if (mac & 1)
		return false;
	if (ipv6)
		return first != 0xff && (src->quad[0] || src->quad[1]);
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
	ip4->frag_off = bpf_htons(IPV4_DF);
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
	__u32 l3 = to->l3 & 31, l4 = to->l4 & 511, had = bpf_xdp_get_buff_len(ctx), size;
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

/* ---- ICMP errors ---------------------------------------------------------------------------- */

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
	__s64 excess = (__s64)bpf_xdp_get_buff_len(ctx) - (__s64)((to->l3 & 31) + quote);

	if (excess > 0 && bpf_xdp_adjust_tail(ctx, (int)-excess))
		return -1;
	return bpf_xdp_adjust_head(ctx, -(int)grow);
}

/* The error's own header and the sum of it all, when the addresses stand there and what is quoted
 * follows up to `end`; and the IP header. */
static __always_inline void icmp_finish(void *ip, struct icmp_header *icmp, void *end,
					const struct icmp_header *says, bool ipv6)
{
	__u32 sum;

	*icmp = *says;
	sum = ip_write(ip, ipv6, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, end - (void *)icmp);
	icmp->checksum = ~csum_fold(csum_to_end(sum, icmp, end, sizeof(*icmp) + QUOTE_MAX_IPV6));
}

static __always_inline int icmp_write(struct xdp_md *ctx, const struct answer_to *to,
				      const struct icmp_header *says, bool ipv6)
{
	__u32 header = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 l3 = to->l3 & 31, grow = header + sizeof(struct icmp_header);
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
	if (old + L2_MAX > end || quote + header > end ||
	    bpf_xdp_get_buff_len(ctx) != (__u64)(end - data))
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
	icmp_finish(ip, icmp, end, says, ipv6);
	return 0;
}

/* ---- who is answered ------------------------------------------------------------------------- */

static __always_inline bool verdict_is_answer(int verdict)
{
	return verdict == LB_TX_REJECT || verdict == LB_TX_TOO_BIG;
}

/* Writes the answer that was decided on. Called last, when the packet has been counted, and from
 * the top, where nobody else's stack is in the way. Returns the XDP action. */
__noinline int packet_answer(struct xdp_md *ctx)
{
	struct headers *h = headers_scratch();
	int err;

	if (!h)
		return XDP_ABORTED;
	if (!h->says.type)
		err = h->answer.ipv6 ? reset_write(ctx, &h->answer, true)
				     : reset_write(ctx, &h->answer, false);
	else
		err = h->answer.ipv6 ? icmp_write(ctx, &h->answer, &h->says, true)
				     : icmp_write(ctx, &h->answer, &h->says, false);
	return err ? XDP_ABORTED : XDP_TX;
}

/* Nobody serves here: a reset, or port unreachable (RFC 1122, section 4.1.3.1; RFC 4443,
 * section 3.1). Neither a reset nor an ICMP error is answered. `l3`, `l4`: offsets in the frame. */
static __always_inline int packet_refuse(const struct packet *pkt, __u32 l3, __u32 l4)
{
	struct headers *h = headers_scratch();

	if (!h || pkt->quoted || pkt->tcp_flags & TCP_RST ||
	    !answer_is_due(&pkt->src, pkt->ipv6, pkt->eth->h_dest[0]))
		return LB_DROP_NO_BACKEND;
	if (!pkt->is_tcp && !answer_is_affordable())
		return LB_DROP_NO_BACKEND;
	h->answer = (struct answer_to){ l3, l4, packet_length(pkt), pkt->ipv6 };
	h->says = (struct icmp_header){ 0 };
	if (!pkt->is_tcp) {
		h->says.type = pkt->ipv6 ? 1 : 3;
		h->says.code = pkt->ipv6 ? 4 : 3;
	}
	return LB_TX_REJECT;
}

#endif
