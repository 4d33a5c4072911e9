/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XDP's ways into a frame (headers.bpf.h), and its link header, which is rewritten as the next hop
 * wants its tags. */
#ifndef XDP_FRAME_BPF_H
#define XDP_FRAME_BPF_H

#include "csum.bpf.h"
#include "headers.bpf.h"

static __always_inline long frame_load(void *ctx, __u32 at, void *to, __u32 bytes)
{
	return bpf_xdp_load_bytes(ctx, at, to, bytes);
}

static __always_inline long frame_store(void *ctx, __u32 at, const void *from, __u32 bytes)
{
	return bpf_xdp_store_bytes(ctx, at, (void *)from, bytes);
}

static __always_inline long frame_csum_replace(void *ctx, __u32 at, __u16 from, __u16 to)
{
	__u16 csum;

	if (frame_load(ctx, at, &csum, sizeof(csum)))
		return -1;
	csum = csum_update(csum, csum_fold((__u16)~from + to));
	return frame_store(ctx, at, &csum, sizeof(csum));
}

static __always_inline __u32 frame_bytes(void *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/* ---- tags ----------------------------------------------------------------------------------- */

/* The link header as the way to the next hop wants it, `vlan` as in struct lb_next_hop: with the
 * tags that came, with none, or with the one tag of that VLAN, of the priority that came. */
static __always_inline void link_retag(struct headers *h, __u16 vlan)
{
	__be16 protocol = link_protocol(h, (h->l3 - 2) & 31), tag = bpf_htons(vlan);

	if (vlan == LB_VLAN_KEEP || (vlan == LB_VLAN_NONE && h->l3 == ETH_HLEN))
		return;
	if (vlan == LB_VLAN_NONE) {
		*(__be16 *)(h->link + 12) = protocol;
		h->new_l3 = ETH_HLEN;
		return;
	}
	*(__be16 *)(h->link + 12) = bpf_htons(ETH_P_8021Q);
	if (h->l3 != ETH_HLEN)
		tag |= *(__be16 *)(h->link + 14) & bpf_htons(0xf000);
	*(__be16 *)(h->link + 14) = tag;
	*(__be16 *)(h->link + 16) = protocol;
	h->new_l3 = ETH_HLEN + 4;
}

/* Writes the link header before the IP header, whose place in the frame moves with its size. */
static __always_inline long link_store(struct xdp_md *ctx, struct headers *h)
{
	int shift = (int)h->l3 - (int)h->new_l3;

	if (shift && bpf_xdp_adjust_head(ctx, shift))
		return -1;
	h->l4 -= shift;
	h->l3 = h->new_l3;
	if (h->l3 == ETH_HLEN)
		return frame_store(ctx, 0, h->link, ETH_HLEN);
	if (h->l3 == ETH_HLEN + 4)
		return frame_store(ctx, 0, h->link, ETH_HLEN + 4);
	return frame_store(ctx, 0, h->link, L2_MAX);
}

/* Both, in a function of its own, for the stack of the uncommon walk is full. */
__noinline int link_rewrite(struct xdp_md *ctx, __u32 vlan)
{
	struct headers *h = headers_scratch();

	if (!h)
		return -1;
	link_retag(h, vlan);
	return link_store(ctx, h);
}

#endif
