/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To the backend: rewritten as its way of forwarding says, with the MACs that its next hop asks
 * for, out by the device that the daemon found. */
#ifndef XDP_TRANSMIT_BPF_H
#define XDP_TRANSMIT_BPF_H

#include "leave.bpf.h"
#include "rewrite.bpf.h"

/* Marks the packet for `ifindex`. False where lb_devices does not know it. */
static __always_inline bool device_redirect(__u32 ifindex)
{
	return lb_private || bpf_redirect_map(&lb_devices, ifindex, XDP_DROP) == XDP_REDIRECT;
}

/* Both MACs, as they stand in the backend's first two words, by two stores: a packed struct would
 * be written byte by byte. */
static __always_inline void macs_write(struct packet *pkt, __u64 first, __u64 second)
{
	*(__u64 *)pkt->eth = first;
	*(__u32 *)((void *)pkt->eth + 8) = second;
}

static __always_inline int backend_send(const struct xdp_md *ctx, struct packet *pkt,
					const struct lb_backend *backend)
{
	const __u64 *hop = (const __u64 *)&backend->hop;
	__u64 first = read_once(&hop[0]), second = read_once(&hop[1]);
	__u32 ifindex = *(const volatile __u32 *)&backend->ifindex;
	bool back = ifindex == ctx->ingress_ifindex;
	bool nat = backend->forward == LB_FORWARD_NAT;

	if (!ifindex || (!back && !device_redirect(ifindex)))
		return LB_DROP_NO_NEXT_HOP;
	if (!(second >> 32 & LB_HOP_LOCAL)) {
		LB_TRY(ttl_check(pkt));
		ttl_decrement(pkt);
	}
	if (nat)
		destination_translate(pkt, backend);
	macs_write(pkt, first, second);
	if (back)
		return nat ? LB_TX_NAT : LB_TX_DSR;
	return nat ? LB_REDIRECT_NAT : LB_REDIRECT_DSR;
}

#endif
