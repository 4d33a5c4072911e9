/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet, IPv4 or IPv6, TCP or UDP. What is not ours leaves here for the stack. What may be
 * ours but is not understood gets a `problem`: service_lookup() says whether it is. */
#ifndef XDP_PARSE_BPF_H
#define XDP_PARSE_BPF_H

#include "packet.bpf.h"

#define IPV4_MORE_OR_OFFSET bpf_htons(0x3fff) /* MF and the fragment offset, RFC 791 */

static __always_inline bool protocol_is_balanced(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* Both headers begin with the ports, source first. */
static __always_inline int parse_l4(struct packet *pkt, struct cursor *cursor)
{
	if (pkt->protocol == IPPROTO_TCP) {
		pkt->is_tcp = 1;
		pkt->tcp = cursor_take(cursor, sizeof(*pkt->tcp));
		if (!pkt->tcp)
			goto truncated;
	} else {
		pkt->udp = cursor_take(cursor, sizeof(*pkt->udp));
		if (!pkt->udp)
			goto truncated;
	}
	pkt->ports = *(__u32 *)pkt->udp;
	return LB_GO_ON;
truncated:
	pkt->problem = LB_DROP_TRUNCATED;
	return LB_GO_ON;
}

static __always_inline int parse_ipv4(struct packet *pkt, struct cursor *cursor)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	__u8 protocol;

	if (!ip)
		return LB_DROP_TRUNCATED;
	protocol = ip->protocol;
	pkt->ip4 = ip;
	pkt->protocol = protocol;
	addr_set_ipv4(&pkt->src, ip->saddr);
	addr_set_ipv4(&pkt->dst, ip->daddr);
	if (!protocol_is_balanced(protocol))
		return LB_PASS_PROTOCOL;
	if (*(__u8 *)ip != 0x45) { /* version 4, five words of header */
		pkt->problem = *(__u8 *)ip < 0x45 || ip->version != 4 ? LB_DROP_MALFORMED
								      : LB_DROP_IPV4_OPTIONS;
		return LB_GO_ON;
	}
	if (ip->frag_off & IPV4_MORE_OR_OFFSET) {
		pkt->problem = LB_DROP_FRAGMENT;
		return LB_GO_ON;
	}
	return parse_l4(pkt, cursor);
}

/* RFC 8200, section 4: an extension header stands where TCP or UDP would. */
static __always_inline bool is_ipv6_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

/* What stands behind an extension is not looked for: it may be TCP or UDP. */
static __always_inline int parse_ipv6_extension(struct packet *pkt, struct cursor *cursor,
						__u8 next)
{
	__u8 *fragment;

	if (next == IPPROTO_FRAGMENT) {
		fragment = cursor_take(cursor, 8);
		if (!fragment) {
			pkt->problem = LB_DROP_TRUNCATED;
			return LB_GO_ON;
		}
		pkt->protocol = *fragment;
		pkt->problem = LB_DROP_FRAGMENT;
	} else {
		pkt->problem = LB_DROP_IPV6_EXTENSION;
	}
	return protocol_is_balanced(pkt->protocol) || is_ipv6_extension(pkt->protocol)
		       ? LB_GO_ON
		       : LB_PASS_PROTOCOL;
}

static __always_inline int parse_ipv6(struct packet *pkt, struct cursor *cursor)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));
	__u8 protocol;

	if (!ip)
		return LB_DROP_TRUNCATED;
	protocol = ip->nexthdr;
	pkt->ip6 = ip;
	pkt->ipv6 = 1;
	pkt->protocol = protocol;
	addr_set_ipv6(&pkt->src, &ip->saddr);
	addr_set_ipv6(&pkt->dst, &ip->daddr);
	if (!protocol_is_balanced(protocol))
		return parse_ipv6_extension(pkt, cursor, protocol);
	if (ip->version != 6) {
		pkt->problem = LB_DROP_MALFORMED;
		return LB_GO_ON;
	}
	return parse_l4(pkt, cursor);
}

static __always_inline int packet_parse(struct packet *pkt, void *data, void *data_end)
{
	struct cursor cursor = { data, data_end };

	packet_begin(pkt, data_end - data);
	pkt->eth = cursor_take(&cursor, sizeof(*pkt->eth));
	if (!pkt->eth)
		return LB_PASS_NOT_IP;
	switch (eth_protocol(pkt->eth)) {
	case bpf_htons(ETH_P_IP):
		return parse_ipv4(pkt, &cursor);
	case bpf_htons(ETH_P_IPV6):
		return parse_ipv6(pkt, &cursor);
	default:
		return LB_PASS_NOT_IP;
	}
}

/* Of the IP packet, as its header says. */
static __always_inline __u32 packet_length(const struct packet *pkt)
{
	return pkt->ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(pkt->ip6->payload_len)
			 : bpf_ntohs(pkt->ip4->tot_len);
}

/* Lengths that a receiver would refuse, so that nothing malformed is sent on in our name. A frame
 * longer than its packet is fine: Ethernet pads. */
static __always_inline int packet_check(const struct packet *pkt)
{
	__u32 header = pkt->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 total = packet_length(pkt);

	if (total > pkt->bytes - ETH_HLEN)
		return LB_DROP_TRUNCATED;
	if (pkt->is_tcp) {
		if (pkt->tcp->doff < 5 || header + pkt->tcp->doff * 4 > total)
			return LB_DROP_MALFORMED;
	} else {
		if (bpf_ntohs(pkt->udp->len) < sizeof(struct udphdr) ||
		    header + bpf_ntohs(pkt->udp->len) > total)
			return LB_DROP_MALFORMED;
	}
	return LB_GO_ON;
}

#endif
