/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a packet says: both ends, and who seems to have begun. Common packets are read where they
 * stand; options, extension headers, fragments and what is not in one piece are copied out.
 *
 * A packet whose ports cannot be read has port 0 of its protocol; one whose protocol cannot be
 * found (a broken IP header, a chain of extensions that is cut, too long, or routed over others
 * than its header says, in IPv4 too) is PACKET_BAD, which nobody may send or get. */
#ifndef POLICY_PARSE_BPF_H
#define POLICY_PARSE_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "maps.bpf.h"

#define IPV4_PLAIN	0x45	/* version and length of a header without options */
#define IPV4_FRAGMENT	0x3fff	/* more of them, or an offset */
#define IPV4_OFFSET	0x1fff
#define IPV6_OFFSET	0xfff8
#define IPV6_EXTENSIONS	8	/* that are walked through */

#define TCP_SYN		0x02
#define TCP_ACK		0x10

enum packet_form {
	PACKET_BEGINS,		/* as far as it says; whoever sent the first one began */
	PACKET_ANSWERS,		/* SYN-ACK, echo reply: the other end began */
	PACKET_CONTINUES,	/* TCP: nothing is said about who began */
	PACKET_LATER,		/* a fragment without ports */
	PACKET_RELATED,		/* ICMP that belongs to others, or to the link: always passes */
	PACKET_BAD,
};

struct packet {
	__u32 form;
	__u32 id;		/* of the datagram, */
	__u32 fragment;		/* not 0: of which this is the first fragment, or a later one */
};

/* Of an IPv6 extension, RFC 8200, section 4. */
struct extension {
	__u8 next, length;	/* of all but a fragment's: in 8 bytes, the first not counted */
	union {
		__be16 offset;		/* a fragment's, and whether more follow */
		struct {
			__u8 type, segments_left; /* of a routing header */
		};
	};
	__u32 id;
};

/* The first eight bytes behind the IP header. */
struct l4 {
	union {
		struct {
			__be16 source, target;
		};
		__u8 type;	/* of ICMP */
	};
	__be16 id;		/* of an ICMP query */
	__be16 unused;
};

static __always_inline bool protocol_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static __always_inline void address_mapped(__u8 *address, __be32 ipv4)
{
	((__u32 *)address)[0] = 0;
	((__u32 *)address)[1] = 0;
	((__u32 *)address)[2] = bpf_htonl(0xffff);
	((__u32 *)address)[3] = ipv4;
}

static __always_inline void address_copy(__u8 *address, const void *from)
{
	for (int i = 0; i < 4; i++)
		((__u32 *)address)[i] = ((const __u32 *)from)[i];
}

/* ---- behind the IP header -------------------------------------------------------------------- */

/* Destination unreachable, quench, redirect, time exceeded, parameter problem (RFC 792). */
#define ICMP_ERRORS (1 << 3 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12)
/* Echo reply; the replies to timestamp, information and mask. */
#define ICMP_REPLIES (1 << 0 | 1 << 14 | 1 << 16 | 1 << 18)

static __always_inline __u32 icmp_form(__u8 type)
{
	if (type > 31)
		return PACKET_BEGINS;
	if (ICMP_ERRORS >> type & 1)
		return PACKET_RELATED;
	return ICMP_REPLIES >> type & 1 ? PACKET_ANSWERS : PACKET_BEGINS;
}

/* Errors are below 128 (RFC 4443); 130-132 and 143 is MLD, 133-137 finds neighbours. */
static __always_inline __u32 icmpv6_form(__u8 type)
{
	if (type < 128 || (type >= 130 && type <= 137) || type == 143)
		return PACKET_RELATED;
	return type == 129 ? PACKET_ANSWERS : PACKET_BEGINS;
}

static __always_inline __u32 tcp_form(__u8 flags)
{
	if (!(flags & TCP_SYN))
		return PACKET_CONTINUES;
	return flags & TCP_ACK ? PACKET_ANSWERS : PACKET_BEGINS;
}

static __always_inline void ports_set(struct policy_flow_key *ends, bool outgoing, __be16 source,
				      __be16 target)
{
	ends->local_port = bpf_ntohs(outgoing ? source : target);
	ends->remote_port = bpf_ntohs(outgoing ? target : source);
}

/* 224.0.0.0/4, as where an IPv4 packet goes. */
static __always_inline bool is_multicast(const struct policy_flow_key *ends, bool outgoing)
{
	return (outgoing ? ends->remote : ends->local)[12] >> 4 == 14;
}

static __always_inline void l4_note(struct packet *pkt, struct policy_flow_key *ends, bool outgoing,
				    bool ipv6, const struct l4 *l4, __u8 tcp_flags)
{
	if (protocol_has_ports(ends->protocol)) {
		ports_set(ends, outgoing, l4->source, l4->target);
		if (ends->protocol == IPPROTO_TCP)
			pkt->form = tcp_form(tcp_flags);
	} else if (ends->protocol == (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		pkt->form = ipv6 ? icmpv6_form(l4->type) : icmp_form(l4->type);
		ends->protocol = IPPROTO_ICMP;
		ports_set(ends, outgoing, l4->id, l4->id);
	} else if (ends->protocol == IPPROTO_IGMP && !ipv6 && is_multicast(ends, outgoing)) {
		pkt->form = PACKET_RELATED; /* what MLD is to IPv6 */
	}
}

/* ---- uncommon packets ------------------------------------------------------------------------ */

static __always_inline void fragment_note(struct packet *pkt, __u32 offset, bool more, __u32 id)
{
	pkt->fragment = offset || more;
	pkt->id = id;
	if (offset)
		pkt->form = PACKET_LATER;
}

/* The flags of a TCP header that is cut before them count as a SYN's: what it begins is judged. */
static __always_inline void l4_copy(struct __sk_buff *skb, __u32 at, struct packet *pkt,
				    struct policy_flow_key *ends, bool outgoing, bool ipv6)
{
	__u8 flags = TCP_SYN;
	struct l4 l4;

	if (bpf_skb_load_bytes(skb, at, &l4, sizeof(l4))) {
		if (ipv6 && ends->protocol == IPPROTO_ICMPV6)
			ends->protocol = IPPROTO_ICMP;
		return;
	}
	if (ends->protocol == IPPROTO_TCP)
		bpf_skb_load_bytes(skb, at + 13, &flags, sizeof(flags));
	l4_note(pkt, ends, outgoing, ipv6, &l4, flags);
}

/* Options end with 0, and 1 is one byte; any other has its length behind it (RFC 791). Those two
 * that let a packet go elsewhere first are loose and strict source routes. */
#define IPV4_LSRR	131
#define IPV4_SSRR	137
#define IPV4_OPTIONS	40	/* bytes, and so options, that a header has room for */

static __always_inline bool ipv4_is_routed(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u8 option[2];

	for (int i = 0; i < IPV4_OPTIONS && at < end; i++) {
		if (bpf_skb_load_bytes(skb, at, option, sizeof(option)) || !option[0])
			return false;
		if (option[0] == IPV4_LSRR || option[0] == IPV4_SSRR)
			return true;
		at += option[0] == 1 || option[1] < 2 ? 1 : option[1];
	}
	return false;
}

static __always_inline void ipv4_copy(struct __sk_buff *skb, __u32 at, bool outgoing,
				      struct policy_flow_key *ends, struct packet *pkt)
{
	struct iphdr ip;
	__u32 offset;
	__u8 first;

	pkt->form = PACKET_BAD;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
		return;
	first = *(__u8 *)&ip;
	if (first < IPV4_PLAIN || first >> 4 != 4)
		return;
	if (first > IPV4_PLAIN &&
	    ipv4_is_routed(skb, at + sizeof(ip), at + (first & 15) * 4))
		return;
	pkt->form = PACKET_BEGINS;
	address_mapped(outgoing ? ends->local : ends->remote, ip.saddr);
	address_mapped(outgoing ? ends->remote : ends->local, ip.daddr);
	ends->protocol = ip.protocol;
	offset = bpf_ntohs(ip.frag_off);
	fragment_note(pkt, offset & IPV4_OFFSET, offset & IPV4_FRAGMENT, ip.id);
	if (pkt->form != PACKET_LATER)
		l4_copy(skb, at + (first & 15) * 4, pkt, ends, outgoing, false);
}

static __always_inline bool is_extension(__u8 kind)
{
	return kind == IPPROTO_HOPOPTS || kind == IPPROTO_ROUTING || kind == IPPROTO_FRAGMENT ||
	       kind == IPPROTO_DSTOPTS;
}

/* Returns where the chain ends, or 0 where that is not to be found. */
static __always_inline __u32 extensions_walk(struct __sk_buff *skb, __u32 at, struct packet *pkt,
					     __u8 *protocol)
{
	struct extension extension;

	for (int i = 0; i < IPV6_EXTENSIONS; i++) {
		__u8 kind = *protocol;

		if (!is_extension(kind) || pkt->form == PACKET_LATER)
			return at;
		if (bpf_skb_load_bytes(skb, at, &extension, sizeof(extension)))
			return 0;
		if (kind == IPPROTO_ROUTING && extension.segments_left)
			return 0;
		*protocol = extension.next;
		at += 8;
		if (kind == IPPROTO_FRAGMENT)
			fragment_note(pkt, bpf_ntohs(extension.offset) & IPV6_OFFSET,
				      extension.offset & bpf_htons(1), extension.id);
		else
			at += extension.length * 8;
	}
	return is_extension(*protocol) && pkt->form != PACKET_LATER ? 0 : at;
}

static __always_inline void ipv6_copy(struct __sk_buff *skb, __u32 at, bool outgoing,
				      struct policy_flow_key *ends, struct packet *pkt)
{
	struct ipv6hdr ip;
	__u8 protocol;

	pkt->form = PACKET_BAD;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
		return;
	if (ip.version != 6)
		return;
	pkt->form = PACKET_BEGINS;
	address_copy(outgoing ? ends->local : ends->remote, &ip.saddr);
	address_copy(outgoing ? ends->remote : ends->local, &ip.daddr);
	protocol = ip.nexthdr;
	at = extensions_walk(skb, at + sizeof(ip), pkt, &protocol);
	ends->protocol = protocol;
	if (!at)
		pkt->form = PACKET_BAD;
	else if (pkt->form != PACKET_LATER)
		l4_copy(skb, at, pkt, ends, outgoing, true);
	else if (protocol == IPPROTO_ICMPV6)
		ends->protocol = IPPROTO_ICMP;
}

__noinline int packet_copy(struct __sk_buff *skb, __u32 at, bool outgoing,
			   struct policy_flow_key *ends, struct packet *pkt)
{
	__u8 first;

	if (!ends || !pkt)
		return 0;
	if (bpf_skb_load_bytes(skb, at, &first, sizeof(first)))
		pkt->form = PACKET_BAD;
	else if (first >> 4 == 6)
		ipv6_copy(skb, at, outgoing, ends, pkt);
	else
		ipv4_copy(skb, at, outgoing, ends, pkt);
	return 0;
}

/* ---- common packets -------------------------------------------------------------------------- */

/* False: nothing was understood yet. */
static __always_inline bool l4_read(const void *l4, const void *end, struct packet *pkt,
				    struct policy_flow_key *ends, bool outgoing, bool ipv6)
{
	__u8 flags = 0;

	if (is_extension(ends->protocol) || l4 + sizeof(struct l4) > end)
		return false;
	if (ends->protocol == IPPROTO_TCP) {
		if (l4 + 14 > end)
			return false;
		flags = ((const __u8 *)l4)[13];
	}
	l4_note(pkt, ends, outgoing, ipv6, l4, flags);
	return true;
}

static __always_inline bool ipv4_read(const struct iphdr *ip, const void *end, bool outgoing,
				      struct policy_flow_key *ends, struct packet *pkt)
{
	if ((const void *)(ip + 1) > end || *(const __u8 *)ip != IPV4_PLAIN ||
	    ip->frag_off & bpf_htons(IPV4_FRAGMENT))
		return false;
	address_mapped(outgoing ? ends->local : ends->remote, ip->saddr);
	address_mapped(outgoing ? ends->remote : ends->local, ip->daddr);
	ends->protocol = ip->protocol;
	return l4_read(ip + 1, end, pkt, ends, outgoing, false);
}

static __always_inline bool ipv6_read(const struct ipv6hdr *ip, const void *end, bool outgoing,
				      struct policy_flow_key *ends, struct packet *pkt)
{
	if ((const void *)(ip + 1) > end || ip->version != 6)
		return false;
	address_copy(outgoing ? ends->local : ends->remote, &ip->saddr);
	address_copy(outgoing ? ends->remote : ends->local, &ip->daddr);
	ends->protocol = ip->nexthdr;
	return l4_read(ip + 1, end, pkt, ends, outgoing, true);
}

/* `at`: where the IP header stands. Fills the ends but for netns and backstop, which the caller
 * sets before: the key begins zeroed. */
static __always_inline void packet_read(struct __sk_buff *skb, __u32 at, bool ipv6, bool outgoing,
					struct policy_flow_key *ends, struct packet *pkt)
{
	const void *ip = (void *)(long)skb->data + at, *end = (void *)(long)skb->data_end;

	__builtin_memset(pkt, 0, sizeof(*pkt));
	if (!(ipv6 ? ipv6_read(ip, end, outgoing, ends, pkt)
		   : ipv4_read(ip, end, outgoing, ends, pkt)))
		packet_copy(skb, at, outgoing, ends, pkt);
}

#endif
