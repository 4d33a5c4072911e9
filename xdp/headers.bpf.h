/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of an uncommon packet: VLAN tags, IPv6 extensions, fragments, the packet that an ICMP
 * error quotes. They are copied out of the frame, worked on by the same steps as a common packet's,
 * and copied back: nothing here depends on where in the frame they stood, nor on whether the frame
 * is in one piece. What may be ours but is not understood gets a `problem`, the verdict it leaves
 * with if its address is a vip's. */
#ifndef XDP_HEADERS_BPF_H
#define XDP_HEADERS_BPF_H

#include "csum.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

#define L2_MAX			22	/* Ethernet and two tags */
#define IPV6_EXTENSIONS_MAX	6	/* that are walked through */
#define IPV6_EXTENSIONS_BYTES	256	/* that they may have together */
#define TCP_QUOTED		18	/* bytes of a quoted TCP header: up to its checksum */

struct icmp_header {	/* of both families */
	__u8 type, code;
	__u16 checksum;
	__be32 rest;
};

/* Where the headers of the packet begin that is answered, from the start of the frame, and what
 * its header says of its length. */
struct answer_to {
	__u32 l3, l4;
	__u32 bytes;	/* of the IP packet */
	__u32 ipv6;	/* 0 or 1 */
};

struct extension {	/* the first eight bytes of each (RFC 8200, section 4) */
	__u8 next, length;	/* of all but a fragment's: in 8 bytes, the first not counted */
	union {
		__be16 offset;		/* a fragment's, and whether more follow */
		struct {
			__u8 type, segments_left; /* of a routing header */
		};
	};
	__u32 id;
};

enum fragment { WHOLE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct headers {
	__u8 link[L2_MAX + 2];
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
	};
	union {
		struct tcphdr tcp;
		struct udphdr udp;
		struct icmp_header icmp;
	};
	union {			/* of the quoted packet */
		struct iphdr quoted_ip4;
		struct ipv6hdr quoted_ip6;
	};
	union {
		struct tcphdr quoted_tcp;
		struct udphdr quoted_udp;
	};
	struct lb_fragment_key datagram; /* of a fragment */
	__u32 l3, l4;		/* where they stand in the frame */
	__u32 new_l3;		/* where IP will stand, once its tags are the next hop's */
	__u32 l4_bytes;		/* of TCP, UDP or ICMP that are copied here */
	__u32 quoted_l3, quoted_l4, quoted_l4_bytes; /* 0: nothing is quoted */
	__u32 fragment;		/* enum fragment */
	__u32 offset, more;	/* of a fragment: in bytes; whether another follows it */
	__s32 problem;		/* a verdict, or LB_GO_ON */
	struct lb_fragment first; /* what is remembered of a first fragment */
	struct bpf_fib_lookup fib; /* the question by which way a reply leaves */
	struct answer_to answer; /* what is answered, */
	struct icmp_header says; /* and what an ICMP error says; type 0: a reset (answer.bpf.h) */
};

/* One for each CPU: no program of ours runs inside another. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct headers);
} lb_scratch SEC(".maps");

static __always_inline struct headers *headers_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_scratch, &zero);
}

/* The two ways into a frame; each program defines its own before it includes what uses them. They
 * return 0, or an error where the frame ends before. */
static __always_inline long frame_load(void *ctx, __u32 at, void *to, __u32 bytes);
static __always_inline long frame_store(void *ctx, __u32 at, const void *from, __u32 bytes);
static __always_inline __u32 frame_bytes(void *ctx);

static __always_inline void bytes_swap(void *first, void *second, __u32 bytes)
{
	for (__u32 i = 0; i < bytes / 2; i++) {
		__u16 was = ((__u16 *)first)[i];

		((__u16 *)first)[i] = ((__u16 *)second)[i];
		((__u16 *)second)[i] = was;
	}
}

/* ---- reading -------------------------------------------------------------------------------- */

static __always_inline __be16 link_protocol(const struct headers *h, __u32 at)
{
	return *(const __be16 *)(h->link + at);
}

static __always_inline int link_read(void *ctx, struct headers *h, __be16 *ret_protocol)
{
	if (frame_load(ctx, 0, h->link, L2_MAX))
		return LB_PASS_NOT_IP;
	h->l3 = ETH_HLEN;
	*ret_protocol = link_protocol(h, 12);
	if (is_vlan_tag(*ret_protocol)) {
		h->l3 = ETH_HLEN + 4;
		*ret_protocol = link_protocol(h, 16);
	}
	if (h->l3 != ETH_HLEN && is_vlan_tag(*ret_protocol)) {
		h->l3 = ETH_HLEN + 8;
		*ret_protocol = link_protocol(h, 20);
	}
	return LB_GO_ON;
}

/* A header of TCP, UDP or ICMP. A first fragment must have it whole (RFC 1858; RFC 7112), and none
 * that follows may reach into it. */
static __always_inline void l4_read(void *ctx, struct packet *pkt, struct headers *h)
{
	bool tcp = pkt->protocol == IPPROTO_TCP;

	h->l4_bytes = tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	if (h->fragment == FRAGMENT_LATER) {
		if (h->offset < h->l4_bytes)
			h->problem = LB_DROP_FRAGMENT_TINY;
		h->l4_bytes = 0;
		return;
	}
	if (tcp ? frame_load(ctx, h->l4, &h->tcp, sizeof(h->tcp))
		: frame_load(ctx, h->l4, &h->udp, sizeof(h->udp))) {
		h->l4_bytes = 0;
		if (protocol_is_balanced(pkt->protocol) && h->problem == LB_GO_ON)
			h->problem = h->fragment && packet_length(pkt) <= pkt->bytes - h->l3
					     ? LB_DROP_FRAGMENT_TINY
					     : LB_DROP_TRUNCATED;
		return;
	}
	if (!protocol_is_balanced(pkt->protocol))
		return;
	pkt->is_tcp = tcp;
	pkt->tcp_flags = tcp ? tcp_flags(&h->tcp) : 0;
	pkt->ports = *(__u32 *)&h->udp;
}

/* `offset` in bytes. */
static __always_inline void fragment_note(struct packet *pkt, struct headers *h, __u32 offset,
					  bool more, __u32 id)
{
	if (!offset && !more)
		return; /* an "atomic fragment" (RFC 6946) */
	h->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
	h->offset = offset;
	h->more = more;
	h->datagram.src = pkt->src;
	h->datagram.dst = pkt->dst;
	h->datagram.id = id;
}

static __always_inline int ipv4_read(void *ctx, struct packet *pkt, struct headers *h)
{
	__u8 first;

	if (frame_load(ctx, h->l3, &h->ip4, sizeof(h->ip4)))
		return LB_DROP_TRUNCATED;
	first = *(__u8 *)&h->ip4;
	packet_set_ipv4(pkt, &h->ip4);
	h->l4 = h->l3 + (first & 15) * 4;
	fragment_note(pkt, h, (bpf_ntohs(h->ip4.frag_off) & IPV4_OFFSET) * 8,
		      h->ip4.frag_off & bpf_htons(IPV4_MF), h->ip4.id);
	if (first != IPV4_PLAIN)
		h->problem = first < IPV4_PLAIN || first >> 4 != 4 ? LB_DROP_MALFORMED
								   : LB_DROP_IPV4_OPTIONS;
	return LB_GO_ON;
}

/* Leaves h->l4 behind the last one that could be walked through. */
static __always_inline void extensions_walk(void *ctx, struct packet *pkt, struct headers *h)
{
	__u32 at = h->l3 + sizeof(h->ip6), last = at + IPV6_EXTENSIONS_BYTES;
	struct extension extension;

	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		__u8 kind = pkt->protocol;

		if (!is_extension(kind) || at >= last || h->fragment == FRAGMENT_LATER)
			break;
		/* Hop-by-hop options stand first or not at all (RFC 8200, section 4.1). */
		if ((kind == IPPROTO_HOPOPTS && i) || (kind == IPPROTO_FRAGMENT && h->fragment)) {
			h->problem = LB_DROP_IPV6_EXTENSION;
			break;
		}
		if (frame_load(ctx, at, &extension, sizeof(extension))) {
			h->problem = LB_DROP_TRUNCATED;
			break;
		}
		pkt->protocol = extension.next;
		at += 8;
		if (kind == IPPROTO_FRAGMENT)
			fragment_note(pkt, h, bpf_ntohs(extension.offset) & 0xfff8,
				      extension.offset & bpf_htons(1), extension.id);
		else
			at += extension.length * 8;
		if (kind == IPPROTO_ROUTING && extension.segments_left)
			h->problem = LB_DROP_IPV6_EXTENSION;
	}
	if ((is_extension(pkt->protocol) || at > last) && h->problem == LB_GO_ON)
		h->problem = LB_DROP_IPV6_EXTENSION;
	h->l4 = at;
}

static __always_inline int ipv6_read(void *ctx, struct packet *pkt, struct headers *h)
{
	if (frame_load(ctx, h->l3, &h->ip6, sizeof(h->ip6)))
		return LB_DROP_TRUNCATED;
	packet_set_ipv6(pkt, &h->ip6);
	if (h->ip6.version != 6)
		h->problem = LB_DROP_MALFORMED;
	extensions_walk(ctx, pkt, h);
	return LB_GO_ON;
}

/* Link, IP and transport headers into `h`, and what they say into `pkt`. */
static __always_inline int headers_read(void *ctx, struct packet *pkt, struct headers *h)
{
	__be16 protocol;

	/* The rest is written before it is read. */
	__builtin_memset(h, 0, offsetof(struct headers, first));
	packet_begin(pkt, frame_bytes(ctx));
	pkt->eth = (struct ethhdr *)h->link;
	pkt->udp = &h->udp;
	h->problem = LB_GO_ON;
	LB_TRY(link_read(ctx, h, &protocol));
	if (protocol == bpf_htons(ETH_P_IP))
		LB_TRY(ipv4_read(ctx, pkt, h));
	else if (protocol == bpf_htons(ETH_P_IPV6))
		LB_TRY(ipv6_read(ctx, pkt, h));
	else
		return LB_PASS_NOT_IP;
	h->datagram.protocol = pkt->protocol;
	if ((h->problem == LB_GO_ON || h->problem == LB_DROP_IPV4_OPTIONS) &&
	    (protocol_is_balanced(pkt->protocol) ||
	     pkt->protocol == (pkt->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)))
		l4_read(ctx, pkt, h);
	return LB_GO_ON;
}

/* A fragment that no receiver would take (RFC 8200, section 4.5; RFC 791): with nothing in it,
 * beyond the end of the longest packet, or, of IPv6, with a ragged end before the last. `header`:
 * bytes before what is fragmented. */
static __always_inline bool fragment_is_sound(const struct packet *pkt, const struct headers *h,
					      __u32 header, __u32 total)
{
	__u32 bytes = total - header, longest = 0xffff - (pkt->ipv6 ? 0 : header);

	if (!bytes || h->offset + bytes > longest)
		return false;
	if (h->fragment == FRAGMENT_FIRST && !pkt->is_tcp &&
	    bpf_ntohs(h->udp.len) < sizeof(struct udphdr))
		return false;
	return !(pkt->ipv6 && h->more && bytes & 7);
}

/* As packet_check(). The rest of a fragmented datagram is elsewhere, but its TCP header is here. */
static __always_inline int headers_check(const struct packet *pkt, const struct headers *h)
{
	__u32 header = h->l4 - h->l3, total = packet_length(pkt);

	if (h->fragment == WHOLE && !h->quoted_l3 && protocol_is_balanced(pkt->protocol))
		return lengths_check(pkt, h->l3, header);
	if (total > pkt->bytes - h->l3)
		return LB_DROP_TRUNCATED;
	if (header + h->l4_bytes > total)
		return h->fragment ? LB_DROP_FRAGMENT_TINY : LB_DROP_MALFORMED;
	if (h->fragment == FRAGMENT_FIRST && pkt->is_tcp &&
	    (h->tcp.doff < 5 || header + h->tcp.doff * 4 > total))
		return LB_DROP_FRAGMENT_TINY;
	if (h->fragment && !fragment_is_sound(pkt, h, header, total))
		return LB_DROP_MALFORMED;
	return LB_GO_ON;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* IP, transport and quoted headers, where they came from. */
static __always_inline int headers_store(void *ctx, const struct packet *pkt, struct headers *h)
{
	long err = pkt->ipv6 ? frame_store(ctx, h->l3, &h->ip6, sizeof(h->ip6))
			     : frame_store(ctx, h->l3, &h->ip4, sizeof(h->ip4));

	if (h->l4_bytes == sizeof(h->tcp))
		err |= frame_store(ctx, h->l4, &h->tcp, sizeof(h->tcp));
	else if (h->l4_bytes)
		err |= frame_store(ctx, h->l4, &h->udp, sizeof(h->udp));
	if (!h->quoted_l3)
		return err;
	err |= pkt->ipv6 ? frame_store(ctx, h->quoted_l3, &h->quoted_ip6, sizeof(h->quoted_ip6))
			 : frame_store(ctx, h->quoted_l3, &h->quoted_ip4, sizeof(h->quoted_ip4));
	if (h->quoted_l4_bytes == TCP_QUOTED)
		return err | frame_store(ctx, h->quoted_l4, &h->quoted_tcp, TCP_QUOTED);
	return err | frame_store(ctx, h->quoted_l4, &h->quoted_udp, sizeof(h->quoted_udp));
}

#endif
