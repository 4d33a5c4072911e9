/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The common packet: Ethernet without tags, IPv4 without options or IPv6 without extensions, TCP or
 * UDP in one piece. What is not IP leaves here for the stack; everything else is uncommon. */
#ifndef XDP_PARSE_BPF_H
#define XDP_PARSE_BPF_H

#include "packet.bpf.h"

#define IPV4_PLAIN 0x45 /* version 4, five words of header */

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
			return LB_UNCOMMON;
		pkt->tcp_flags = tcp_flags(pkt->tcp);
	} else {
		pkt->udp = cursor_take(cursor, sizeof(*pkt->udp));
		if (!pkt->udp)
			return LB_UNCOMMON;
	}
	pkt->ports = *(__u32 *)pkt->udp;
	return LB_GO_ON;
}

static __always_inline int parse_ipv4(struct packet *pkt, struct cursor *cursor)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip)
		return LB_DROP_TRUNCATED;
	packet_set_ipv4(pkt, ip);
	if (!protocol_is_balanced(pkt->protocol))
		return pkt->protocol == IPPROTO_ICMP ? LB_UNCOMMON : LB_PASS_PROTOCOL;
	if (*(__u8 *)ip != IPV4_PLAIN || ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET))
		return LB_UNCOMMON;
	return parse_l4(pkt, cursor);
}

static __always_inline bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

static __always_inline int parse_ipv6(struct packet *pkt, struct cursor *cursor)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip)
		return LB_DROP_TRUNCATED;
	packet_set_ipv6(pkt, ip);
	if (!protocol_is_balanced(pkt->protocol))
		return is_extension(pkt->protocol) || pkt->protocol == IPPROTO_ICMPV6
			       ? LB_UNCOMMON
			       : LB_PASS_PROTOCOL;
	return ip->version == 6 ? parse_l4(pkt, cursor) : LB_UNCOMMON;
}

static __always_inline bool is_vlan_tag(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
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
		return is_vlan_tag(eth_protocol(pkt->eth)) ? LB_UNCOMMON : LB_PASS_NOT_IP;
	}
}

/* Of TCP or UDP in a common packet's frame. */
static __always_inline __u32 l4_offset(const struct packet *pkt)
{
	return ETH_HLEN + (pkt->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/* Of the IP packet, as its header says. */
static __always_inline __u32 packet_length(const struct packet *pkt)
{
	return pkt->ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(pkt->ip6->payload_len)
			 : bpf_ntohs(pkt->ip4->tot_len);
}

/* Lengths that a receiver would refuse, so that nothing malformed is sent on in our name. A frame
 * longer than its packet is fine: Ethernet pads. `link` and `header`: bytes before IP and before
 * TCP or UDP in it. */
static __always_inline int lengths_check(const struct packet *pkt, __u32 link, __u32 header)
{
	__u32 total = packet_length(pkt);

	if (total > pkt->bytes - link)
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

/* A frame in several buffers seems to be cut short here; where headers are copied it is not. */
static __always_inline int packet_check(const struct packet *pkt)
{
	int verdict = lengths_check(pkt, ETH_HLEN, l4_offset(pkt) - ETH_HLEN);

	return verdict == LB_DROP_TRUNCATED ? LB_UNCOMMON : verdict;
}

#endif
