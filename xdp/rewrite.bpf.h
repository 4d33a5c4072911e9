/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes in a packet on its way to a backend or back: TTL, addresses, ports, checksums.
 * Each step checks before it writes: a packet that is dropped has not been touched. */
#ifndef XDP_REWRITE_BPF_H
#define XDP_REWRITE_BPF_H

#include "csum.bpf.h"
#include "packet.bpf.h"

/* A hop towards another host costs one (RFC 1812, section 5.3.1). */
static __always_inline int ttl_check(const struct packet *pkt)
{
	__u8 left = pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl;

	return left <= 1 ? LB_DROP_TTL : LB_GO_ON;
}

static __always_inline void hop_take(void *ip, bool ipv6)
{
	struct ipv6hdr *ip6 = ip;
	struct iphdr *ip4 = ip;

	if (ipv6) {
		ip6->hop_limit--;
		return;
	}
	ip4->ttl--;
	ip4->check = csum_update(ip4->check, bpf_htons(0xfeff)); /* ~m + (m - 0x0100) */
}

static __always_inline void ttl_decrement(struct packet *pkt)
{
	hop_take(pkt->ip4, pkt->ipv6); /* or ip6 */
}

/* `port`: the new one of the source or the destination, or 0 to keep the packet's. */
static __always_inline void l4_translate(struct packet *pkt, bool source, __be16 port, __u16 delta)
{
	if (pkt->is_tcp) {
		if (port)
			*(source ? &pkt->tcp->source : &pkt->tcp->dest) = port;
		pkt->tcp->check = csum_update(pkt->tcp->check, delta);
	} else {
		if (port)
			*(source ? &pkt->udp->source : &pkt->udp->dest) = port;
		pkt->udp->check = csum_update_udp(pkt->udp->check, delta);
	}
}

/* vip:port to the backend's address:port. */
static __always_inline void destination_translate(struct packet *pkt,
						  const struct lb_backend *backend)
{
	if (pkt->ipv6) {
		__builtin_memcpy(&pkt->ip6->daddr, &backend->address, 16);
	} else {
		pkt->ip4->daddr = backend->address.word[3];
		pkt->ip4->check = csum_update(pkt->ip4->check, backend->csum_addr);
	}
	l4_translate(pkt, false, backend->port, backend->csum_l4);
}

/* The way back: the backend's address:port to vip:port. */
static __always_inline void source_translate(struct packet *pkt, const struct lb_backend *backend)
{
	if (pkt->ipv6) {
		__builtin_memcpy(&pkt->ip6->saddr, &backend->vip, 16);
	} else {
		pkt->ip4->saddr = backend->vip.word[3];
		pkt->ip4->check = csum_update(pkt->ip4->check, ~backend->csum_addr);
	}
	l4_translate(pkt, true, backend->vip_port, ~backend->csum_l4);
}

#endif
