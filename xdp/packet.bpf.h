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
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lb_abi.h"

/* A step returns LB_GO_ON, or the verdict with which the packet leaves. */
#define LB_GO_ON (-1)
#define LB_TRY(step)                                                                              \
	({                                                                                        \
		int _verdict = (step);                                                            \
		if (_verdict != LB_GO_ON)                                                         \
			return _verdict;                                                          \
	})

struct packet {
	void *pos, *end;	/* the cursor */
	struct ethhdr *eth;
	union {			/* by `ipv6` */
		struct iphdr *ip4;
		struct ipv6hdr *ip6;
	};
	union {			/* by `is_tcp`; set unless there is a `problem` */
		struct tcphdr *tcp;
		struct udphdr *udp;
	};
	__u64 ipv6, is_tcp;	/* 0 or 1; whole words, so that the verifier follows their values */
	__u32 bytes;		/* of the frame */
	__u32 ip_room;		/* bytes of the frame from the IP header on */
	union lb_addr src, dst;
	__be16 sport, dport;
	__u8 protocol;
	int problem;		/* the verdict it gets if its address is a vip; or LB_GO_ON */
	__u32 service, backend;	/* ids; 0: not found yet */
	__u32 slot;
};

/* The next `size` bytes, or NULL where the packet ends before. */
static __always_inline void *packet_take(struct packet *pkt, __u32 size)
{
	void *at = pkt->pos;

	if (at + size > pkt->end)
		return NULL;
	pkt->pos = at + size;
	return at;
}

static __always_inline void addr_set_ipv4(union lb_addr *addr, __be32 ipv4)
{
	addr->quad[0] = 0;
	addr->word[2] = bpf_htonl(0xffff);
	addr->word[3] = ipv4;
}

static __always_inline bool packet_is_syn(const struct packet *pkt)
{
	return pkt->is_tcp && pkt->tcp->syn && !pkt->tcp->ack;
}

#endif
