/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The next hop to a backend, and the device that leads there. */
#ifndef XDP_HOP_BPF_H
#define XDP_HOP_BPF_H

#include "maps.bpf.h"
#include "table.bpf.h"

/* Marks the packet for `ifindex`. False where lb_devices does not know it. */
static __always_inline bool device_redirect(__u32 ifindex)
{
	return lb_private || bpf_redirect_map(&lb_devices, ifindex, XDP_DROP) == XDP_REDIRECT;
}

/* A next hop as one read of it says. */
struct hop {
	__u64 first, second;	/* the words of struct lb_next_hop */
	__u32 ifindex;
	__u16 vlan;
	bool local, back;	/* back: out by the port it came in */
};

static __always_inline struct hop hop_read(const struct xdp_md *ctx,
					   const struct lb_backend *backend)
{
	const __u64 *words = (const __u64 *)&backend->hop;
	struct hop hop = { .first = read_once(&words[0]), .second = read_once(&words[1]) };

	hop.ifindex = *(const volatile __u32 *)&backend->ifindex;
	hop.local = hop.second >> 32 & LB_HOP_LOCAL;
	hop.vlan = hop.second >> 48;
	hop.back = hop.ifindex == ctx->ingress_ifindex;
	return hop;
}

static __always_inline bool hop_is_tagged(const struct hop *hop)
{
	return hop->vlan != LB_VLAN_KEEP && hop->vlan != LB_VLAN_NONE;
}

/* Whether it leads anywhere; and the packet is marked to go there. */
static __always_inline bool hop_is_known(const struct hop *hop)
{
	return hop->ifindex && (hop->back || device_redirect(hop->ifindex));
}

/* Whether the host's routes answer what `fib` asks, by a device that XDP reaches; and the packet is
 * marked to go there. */
static __always_inline bool fib_leads(struct xdp_md *ctx, struct bpf_fib_lookup *fib)
{
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) == BPF_FIB_LKUP_RET_SUCCESS &&
	       (fib->ifindex == ctx->ingress_ifindex || device_redirect(fib->ifindex));
}

/* What a packet to it is counted as. `back`: it leaves by the port it came in. */
static __always_inline int verdict_sent(const struct lb_backend *backend, bool back)
{
	switch (backend->forward) {
	case LB_FORWARD_NAT:
		return back ? LB_TX_NAT : LB_REDIRECT_NAT;
	case LB_FORWARD_DSR:
		return back ? LB_TX_DSR : LB_REDIRECT_DSR;
	case LB_FORWARD_GUE:
		return back ? LB_TX_GUE : LB_REDIRECT_GUE;
	default:
		return back ? LB_TX_IPIP : LB_REDIRECT_IPIP;
	}
}

#endif
