/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet on its way through a program: where its headers are, and what the steps found out.
 * The cursor is the one place that checks bounds. */
#ifndef XDP_PACKET_BPF_H
#define XDP_PACKET_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lb_abi.h"

#define IPV4_DF	    0x4000 /* of the word that the fragment offset is in, RFC 791 */
#define IPV4_MF	    0x2000
#define IPV4_OFFSET 0x1fff

/* A step returns LB_GO_ON, or the verdict with which the packet leaves; in the common packet's walk
 * also LB_UNCOMMON: nothing was written, and the uncommon packets' walk begins anew with it. */
#define LB_GO_ON (-1)
#define LB_UNCOMMON (-2)
/* In the place of an action: what is to be called last, packet_answer(), packet_encap() or
 * packet_pmtu(). */
#define LB_ANSWER (-3)
#define LB_ENCAP (-4)
#define LB_PMTU (-5)
#define LB_CAPTURE (-6) /* somebody captures */
#define LB_TRY(step)                                                                              \
	({                                                                                        \
		int _verdict = (step);                                                            \
		if (_verdict != LB_GO_ON)                                                         \
			return _verdict;                                                          \
	})

/* Not a part of struct packet, so that it stays in registers. */
struct cursor {
	void *pos, *end;
};

/* The headers stand in the frame, or, for uncommon packets, in copies of them (headers.bpf.h). */
struct packet {
	struct ethhdr *eth;
	union {			/* by `ipv6` */
		struct iphdr *ip4;
		struct ipv6hdr *ip6;
	};
	union {			/* by `is_tcp` */
		struct tcphdr *tcp;
		struct udphdr *udp;
	};
	/* Whole words, so that the verifier follows their values. */
	__u64 ipv6, is_tcp;	/* 0 or 1 */
	union lb_addr src, dst;	/* set with ip4 or ip6 */
	union {			/* 0 where they are not known */
		struct {
			__be16 sport, dport;
		};
		__u32 ports;	/* both, as they stand in the frame */
	};
	__u32 service, backend;	/* ids; 0: not found yet */
	__u32 slot;
	__u32 hash;		/* that chose the slot, of the whole flow; 0 with hash = "source" */
	__u32 bytes;		/* of the frame */
	__u8 protocol;		/* set with ip4 or ip6 */
	__u8 tcp_flags;		/* 0 where it is not TCP */
	__u8 quoted;		/* 1: addresses and ports are those of the flow whose packet an
				 * ICMP error quotes */
};

/* Nothing is known yet but its length. What is not set here has no value until it is found. */
static __always_inline void packet_begin(struct packet *pkt, __u32 bytes)
{
	pkt->ip4 = NULL;
	pkt->ipv6 = 0;
	pkt->is_tcp = 0;
	pkt->ports = 0;
	pkt->service = 0;
	pkt->backend = 0;
	pkt->slot = ~0U;
	pkt->hash = 0;
	pkt->bytes = bytes;
	pkt->tcp_flags = 0;
	pkt->quoted = 0;
}

/* The next `size` bytes, or NULL where the packet ends before. */
static __always_inline void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *at = cursor->pos;

	if (at + size > cursor->end)
		return NULL;
	cursor->pos = at + size;
	return at;
}

/* By one load: the kernel's struct is packed, so that h_proto would be read byte by byte. */
static __always_inline __be16 eth_protocol(const struct ethhdr *eth)
{
	return *(const __be16 *)((const void *)eth + offsetof(struct ethhdr, h_proto));
}

/* Two words as they stand one after the other in memory. */
static __always_inline __u64 quad_of(__u32 first, __u32 second)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? first | (__u64)second << 32
							 : (__u64)first << 32 | second;
}

/* By whole quads, as an address is compared: a load that spans two stores has to wait until both
 * have reached the cache (12 ns a packet, measured). */
static __always_inline void addr_set_ipv4(union lb_addr *addr, __be32 ipv4)
{
	addr->quad[0] = 0;
	addr->quad[1] = quad_of(bpf_htonl(0xffff), ipv4);
}

static __always_inline void addr_set_ipv6(union lb_addr *addr, const struct in6_addr *ipv6)
{
	addr->quad[0] = ((const __u64 *)ipv6)[0];
	addr->quad[1] = ((const __u64 *)ipv6)[1];
}

/* What an IP header says of the packet; `ip` stands where pkt->ip4 or ip6 is to point. */
static __always_inline void packet_set_ipv4(struct packet *pkt, struct iphdr *ip)
{
	pkt->ip4 = ip;
	pkt->protocol = ip->protocol;
	addr_set_ipv4(&pkt->src, ip->saddr);
	addr_set_ipv4(&pkt->dst, ip->daddr);
}

static __always_inline void packet_set_ipv6(struct packet *pkt, struct ipv6hdr *ip)
{
	pkt->ip6 = ip;
	pkt->ipv6 = 1;
	pkt->protocol = ip->nexthdr;
	addr_set_ipv6(&pkt->src, &ip->saddr);
	addr_set_ipv6(&pkt->dst, &ip->daddr);
}

static __always_inline bool addr_same(const union lb_addr *a, const union lb_addr *b)
{
	return a->quad[0] == b->quad[0] && a->quad[1] == b->quad[1];
}

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

static __always_inline __u8 tcp_flags(const struct tcphdr *tcp)
{
	return ((const __u8 *)tcp)[13];
}

static __always_inline bool packet_is_syn(const struct packet *pkt)
{
	return (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

#endif
