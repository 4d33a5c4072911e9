/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose reply a packet is. A backend's {address, port, protocol} names the one {vip, port} that
 * it stands behind. What it says to this host, or to a network where backends or local clients of a
 * vip stand, is a direct connection and left alone: health checks, the host itself, neighbours, and
 * who was given the backend when it connected (policy/local.bpf.c) talk to it that way. */
#ifndef XDP_REPLY_BPF_H
#define XDP_REPLY_BPF_H

#include "packet.bpf.h"
#include "table.bpf.h"

static __always_inline bool is_direct(const struct packet *pkt)
{
	struct lb_direct_key key = { .prefix_len = 128 };

	__builtin_memcpy(key.addr, &pkt->dst, sizeof(key.addr));
	return bpf_map_lookup_elem(&lb_direct, &key);
}

static __always_inline struct lb_entry *reply_find(const struct lb_settings *set,
						   const struct packet *pkt, __be16 port)
{
	struct lb_key key = { .addr = pkt->src, .port = port, .protocol = pkt->protocol };

	return table_lookup(&lb_replies, &lb_replies_disp, read_once(&set->replies), &key);
}

/* Whether some replies of this address and protocol are translated. Port 0 stands for that; it is
 * no packet's own port. */
static __always_inline bool reply_is_translated(const struct lb_settings *set,
						const struct packet *pkt)
{
	return reply_find(set, pkt, 0) && !is_direct(pkt);
}

/* LB_GO_ON with the backend whose reply this is; `miss` where it is nobody's. */
static __always_inline int reply_lookup(const struct lb_settings *set, struct packet *pkt, int miss,
					struct lb_backend **ret_backend)
{
	struct lb_entry *entry = pkt->sport ? reply_find(set, pkt, pkt->sport) : NULL;
	struct lb_backend *backend;

	if (!entry)
		return miss;
	backend = bpf_map_lookup_elem(&lb_backends, &entry->id);
	if (!backend || backend->forward != LB_FORWARD_NAT)
		return miss;
	if (is_direct(pkt))
		return LB_PASS_REPLY_DIRECT;
	pkt->service = backend->service;
	pkt->backend = entry->id;
	*ret_backend = backend;
	return LB_GO_ON;
}

/* The question "by which way does this reply leave?", asked with the vip as its source. */
static __always_inline void reply_route_question(const struct packet *pkt, __u32 ifindex,
						 const struct lb_backend *backend,
						 struct bpf_fib_lookup *fib)
{
	fib->ifindex = ifindex;
	fib->l4_protocol = pkt->protocol;
	fib->sport = backend->port ? backend->vip_port : pkt->sport;
	fib->dport = pkt->dport;
	if (pkt->ipv6) {
		fib->family = 10; /* AF_INET6 */
		fib->flowinfo = *(__be32 *)pkt->ip6 & bpf_htonl(0x0fffffff);
		__builtin_memcpy(fib->ipv6_src, &backend->vip, 16);
		__builtin_memcpy(fib->ipv6_dst, &pkt->dst, 16);
	} else {
		fib->family = 2; /* AF_INET */
		fib->tos = pkt->ip4->tos;
		fib->ipv4_src = backend->vip.word[3];
		fib->ipv4_dst = pkt->dst.word[3];
	}
}

#endif
