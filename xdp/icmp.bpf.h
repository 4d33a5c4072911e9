/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP and ICMPv6 that is about a flow: errors that quote a packet of it go where the flow goes,
 * translated outside and inside. Echo requests to a vip are answered while it is up. */
#ifndef XDP_ICMP_BPF_H
#define XDP_ICMP_BPF_H

#include "headers.bpf.h"
#include "rewrite.bpf.h"

enum icmp_kind { ICMP_OTHER, ICMP_ECHO, ICMP_ERROR };

/* RFC 792: unreachable (with "fragmentation needed"), time exceeded, parameter problem; RFC 4443:
 * unreachable, packet too big, time exceeded, parameter problem. */
static __always_inline enum icmp_kind icmp_kind_of(const struct packet *pkt, __u8 type)
{
	if (pkt->ipv6) {
		if (type == 128)
			return ICMP_ECHO;
		return type >= 1 && type <= 4 ? ICMP_ERROR : ICMP_OTHER;
	}
	if (type == 8)
		return ICMP_ECHO;
	return type == 3 || type == 11 || type == 12 ? ICMP_ERROR : ICMP_OTHER;
}

/* ---- what an error quotes ------------------------------------------------------------------- */

/* The frame may be longer than its packet: what is behind that is padding, and nobody's header. */
static __always_inline long quoted_load(void *ctx, const struct packet *pkt,
					const struct headers *h, __u32 at, void *to, __u32 bytes)
{
	return at + bytes > h->l3 + packet_length(pkt) ? -1 : frame_load(ctx, at, to, bytes);
}

static __always_inline void quoted_l4_read(void *ctx, const struct packet *pkt, struct headers *h,
					   bool tcp)
{
	__u32 at = h->quoted_l4;

	/* A router quotes 8 bytes of TCP at the least (RFC 792): its checksum is behind them. */
	h->quoted_l4_bytes = TCP_QUOTED;
	if (tcp && !quoted_load(ctx, pkt, h, at, &h->quoted_tcp, TCP_QUOTED))
		return;
	h->quoted_l4_bytes = sizeof(h->quoted_udp);
	if (quoted_load(ctx, pkt, h, at, &h->quoted_udp, sizeof(h->quoted_udp)))
		h->quoted_l4_bytes = 0;
}

/* The quoted IP header; *ret_protocol is 0 where nothing can be told from what follows it. */
static __always_inline long quoted_ip_read(void *ctx, const struct packet *pkt, struct headers *h,
					   __u8 *ret_protocol)
{
	h->quoted_l3 = h->l4 + sizeof(h->icmp);
	if (pkt->ipv6) {
		h->quoted_l4 = h->quoted_l3 + sizeof(h->quoted_ip6);
		if (frame_load(ctx, h->quoted_l3, &h->quoted_ip6, sizeof(h->quoted_ip6)))
			return -1;
		*ret_protocol = h->quoted_ip6.version == 6 ? h->quoted_ip6.nexthdr : 0;
		return 0;
	}
	h->quoted_l4 = h->quoted_l3 + sizeof(h->quoted_ip4);
	if (frame_load(ctx, h->quoted_l3, &h->quoted_ip4, sizeof(h->quoted_ip4)))
		return -1;
	*ret_protocol = *(__u8 *)&h->quoted_ip4 == IPV4_PLAIN &&
					!(h->quoted_ip4.frag_off & bpf_htons(IPV4_OFFSET))
				? h->quoted_ip4.protocol
				: 0;
	return 0;
}

/* An error goes to who sent the packet that it quotes (RFC 1122, section 3.2.2; RFC 4443, section
 * 2.2); any other is forged, or nothing that we have seen. */
static __always_inline bool quoted_is_own(const struct packet *pkt, const struct headers *h)
{
	union lb_addr src;

	if (!pkt->ipv6)
		return h->quoted_ip4.saddr == h->ip4.daddr;
	addr_set_ipv6(&src, &h->quoted_ip6.saddr);
	return addr_same(&src, &pkt->dst);
}

/* LB_GO_ON where the error quotes TCP or UDP; else the verdict of an error that is the stack's:
 * it quotes nothing that is balanced, or what its receiver has not sent. */
static __always_inline int quoted_read(void *ctx, struct packet *pkt, struct headers *h)
{
	__u8 protocol = 0;

	if (quoted_ip_read(ctx, pkt, h, &protocol))
		return LB_PASS_PROTOCOL;
	if (!protocol_is_balanced(protocol))
		return LB_PASS_PROTOCOL;
	if (!quoted_is_own(pkt, h))
		return LB_PASS_NOT_SERVICE;
	quoted_l4_read(ctx, pkt, h, protocol == IPPROTO_TCP);
	if (!h->quoted_l4_bytes)
		return LB_PASS_PROTOCOL;
	pkt->protocol = protocol;
	pkt->is_tcp = protocol == IPPROTO_TCP;
	pkt->tcp_flags = 0;
	pkt->tcp = &h->quoted_tcp;
	pkt->quoted = 1;
	return LB_GO_ON;
}

static __always_inline __u32 ports_turned(__u32 ports)
{
	return ports >> 16 | ports << 16;
}

/* The packet stands for the flow whose *answer* is quoted: from the client to the vip. */
static __always_inline void quoted_as_answer(struct packet *pkt, const struct headers *h)
{
	pkt->ports = ports_turned(*(__u32 *)&h->quoted_udp);
	if (pkt->ipv6) {
		addr_set_ipv6(&pkt->src, &h->quoted_ip6.daddr);
		addr_set_ipv6(&pkt->dst, &h->quoted_ip6.saddr);
	} else {
		addr_set_ipv4(&pkt->src, h->quoted_ip4.daddr);
		addr_set_ipv4(&pkt->dst, h->quoted_ip4.saddr);
	}
}

/* ---- translating ---------------------------------------------------------------------------- */

/* The one's complement sum of all that is copied of the quoted packet. */
static __always_inline __u32 quoted_sum(const struct packet *pkt, const struct headers *h)
{
	__u32 sum = pkt->ipv6 ? csum_add(0, &h->quoted_ip6, sizeof(h->quoted_ip6))
			      : csum_add(0, &h->quoted_ip4, sizeof(h->quoted_ip4));

	if (h->quoted_l4_bytes == TCP_QUOTED)
		return csum_add(sum, &h->quoted_tcp, TCP_QUOTED);
	return csum_add(sum, &h->quoted_udp, sizeof(h->quoted_udp));
}

/* The checksum of ICMP covers the quoted packet; `delta`: that of its pseudo-header (IPv6). */
static __always_inline void icmp_checksum_update(const struct packet *pkt, struct headers *h,
						 __u32 before, __u16 delta)
{
	__u32 change = (__u16)~csum_fold(before) + csum_fold(quoted_sum(pkt, h));

	if (pkt->ipv6)
		change += delta;
	h->icmp.checksum = csum_update(h->icmp.checksum, csum_fold(change));
}

static __always_inline void quoted_checksum_update(const struct packet *pkt, struct headers *h,
						   __u16 delta)
{
	if (h->quoted_l4_bytes == TCP_QUOTED)
		h->quoted_tcp.check = csum_update(h->quoted_tcp.check, delta);
	else if (!pkt->is_tcp)
		h->quoted_udp.check = csum_update_udp(h->quoted_udp.check, delta);
}

/* A word about the vip's answer, to the backend: the quoted source is the vip, and becomes what the
 * backend sent from. */
static __always_inline void error_translate(struct packet *pkt, struct headers *h,
					    const struct lb_backend *backend)
{
	__u32 before = quoted_sum(pkt, h);

	if (pkt->ipv6) {
		__builtin_memcpy(&h->ip6.daddr, &backend->address, 16);
		__builtin_memcpy(&h->quoted_ip6.saddr, &backend->address, 16);
	} else {
		h->ip4.daddr = backend->address.word[3];
		h->ip4.check = csum_update(h->ip4.check, backend->csum_addr);
		h->quoted_ip4.saddr = backend->address.word[3];
		h->quoted_ip4.check = csum_update(h->quoted_ip4.check, backend->csum_addr);
	}
	if (backend->port)
		h->quoted_udp.source = backend->port; /* TCP has it in the same place */
	quoted_checksum_update(pkt, h, backend->csum_l4);
	icmp_checksum_update(pkt, h, before, backend->csum_addr);
}

/* A word about the client's packet, from the backend or a router on its way: the quoted destination
 * is the backend's, and becomes the vip, which the client sent to. */
static __always_inline void error_translate_back(struct packet *pkt, struct headers *h,
						 const struct lb_backend *backend)
{
	__u32 before = quoted_sum(pkt, h);
	__u16 delta = 0;

	if (pkt->ipv6) {
		const __u64 *from = (const __u64 *)&h->ip6.saddr;

		if (from[0] == backend->address.quad[0] && from[1] == backend->address.quad[1]) {
			__builtin_memcpy(&h->ip6.saddr, &backend->vip, 16);
			delta = ~backend->csum_addr;
		}
		__builtin_memcpy(&h->quoted_ip6.daddr, &backend->vip, 16);
	} else {
		if (h->ip4.saddr == backend->address.word[3]) {
			h->ip4.saddr = backend->vip.word[3];
			h->ip4.check = csum_update(h->ip4.check, ~backend->csum_addr);
		}
		h->quoted_ip4.daddr = backend->vip.word[3];
		h->quoted_ip4.check = csum_update(h->quoted_ip4.check, ~backend->csum_addr);
	}
	if (backend->port)
		h->quoted_udp.dest = backend->vip_port;
	quoted_checksum_update(pkt, h, ~backend->csum_l4);
	icmp_checksum_update(pkt, h, before, delta);
}

/* ---- echo ----------------------------------------------------------------------------------- */

/* The same packet back, as a reply: a type in the high byte of its 16-bit word. */
static __always_inline void echo_turn(struct packet *pkt, struct headers *h)
{
	__u16 delta;

	bytes_swap(h->link, h->link + ETH_ALEN, ETH_ALEN);
	delta = pkt->ipv6 ? bpf_htons(0x0100) : bpf_htons(0xf7ff); /* ~0x0800 + 0x0000 */
	h->icmp.type = pkt->ipv6 ? 129 : 0;
	h->icmp.checksum = csum_update(h->icmp.checksum, delta);
	if (pkt->ipv6) {
		__builtin_memcpy(&h->ip6.saddr, &pkt->dst, 16);
		__builtin_memcpy(&h->ip6.daddr, &pkt->src, 16);
		h->ip6.hop_limit = 64;
		return;
	}
	h->ip4.saddr = pkt->dst.word[3];
	h->ip4.daddr = pkt->src.word[3];
	delta = csum_fold((__u16)~bpf_htons(h->ip4.ttl << 8) + bpf_htons(64 << 8));
	h->ip4.check = csum_update(h->ip4.check, delta);
	h->ip4.ttl = 64;
}

#endif
