/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To the backend: rewritten as its way of forwarding says, with the MACs that its next hop asks
 * for, out by the device that the daemon found. */
#ifndef XDP_TRANSMIT_BPF_H
#define XDP_TRANSMIT_BPF_H

#include "encap.bpf.h"
#include "hop.bpf.h"
#include "leave.bpf.h"
#include "mss.bpf.h"
#include "rewrite.bpf.h"

/* Both MACs, as they stand in the backend's first two words, by two stores: a packed struct would
 * be written byte by byte. */
static __always_inline void macs_write(struct packet *pkt, __u64 first, __u64 second)
{
	*(__u64 *)pkt->eth = first;
	*(__u32 *)((void *)pkt->eth + 8) = second;
}

static __always_inline bool verdict_is_sent(int verdict)
{
	return to_backends >> verdict & 1;
}

/* A SYN's segment size, as its service's `mss` says; `l4`: where TCP stands in the frame. */
__noinline int syn_clamp(struct xdp_md *ctx, __u32 l4, __u32 service)
{
	struct lb_service_info *info = bpf_map_lookup_elem(&lb_service_info, &service);

	if (info && info->mss)
		mss_lower(ctx, l4, info->mss);
	return 0;
}

static __always_inline int encap_send(struct xdp_md *ctx, struct packet *pkt,
				      const struct lb_backend *backend)
{
	struct encapsulation *encap = encapsulation();
	int verdict;

	if (!encap)
		return LB_DROP_NO_BACKEND;
	encap_describe(encap, pkt, ETH_HLEN, l4_offset(pkt), false);
	encap->hash = pkt->hash;
	if (!encap->hash)
		encap_hash();
	verdict = encap_decide(ctx);
	if (!verdict_is_encap(verdict))
		return verdict;
	if (hop_is_tagged(&encap->hop))
		return LB_UNCOMMON;
	pkt->bytes += encap_overhead(backend);
	return verdict;
}

/* An untagged packet. A tag that it needs is put on in the uncommon walk. */
static __always_inline int backend_send(struct xdp_md *ctx, struct packet *pkt,
					const struct lb_backend *backend)
{
	struct hop hop;

	if (__builtin_expect(backend_encapsulates(backend), 0))
		return encap_send(ctx, pkt, backend);
	hop = hop_read(ctx, backend);
	if (__builtin_expect(hop_is_tagged(&hop), 0))
		return LB_UNCOMMON;
	if (!hop_is_known(&hop))
		return LB_DROP_NO_NEXT_HOP;
	if (!hop.local) {
		LB_TRY(ttl_check(pkt));
		ttl_decrement(pkt);
	}
	if (backend->forward == LB_FORWARD_NAT)
		destination_translate(pkt, backend);
	macs_write(pkt, hop.first, hop.second);
	return verdict_sent(backend, hop.back);
}

#endif
