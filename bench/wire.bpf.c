/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the TCP measurements: the wire, which hands each packet of a veth client on as a raw frame,
 * as a NIC's driver would have it; and the least that any program can do on the edge's front: the
 * MACs set, and redirected to the container that the client has named itself. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench_abi.h"

__u32 wire_ifindex;			/* the other end */
__u32 bare_ifindex[BENCH_BARE_MAX];	/* the container's veth, by the third byte of its address */

SEC("xdp.frags")
int wire(struct xdp_md *ctx)
{
	return bpf_redirect(wire_ifindex, 0);
}

SEC("xdp.frags")
int tcp_bare(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	__u32 address, number;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	address = bpf_ntohl(ip->daddr);
	number = address >> 8 & (BENCH_BARE_MAX - 1);
	if (address >> 16 != BENCH_BARE_NET || !bare_ifindex[number])
		return XDP_PASS;
	eth->h_dest[5] = eth->h_source[5] = number;
	__builtin_memcpy(eth->h_dest, BENCH_MAC_CONTAINER, 5);
	__builtin_memcpy(eth->h_source, BENCH_MAC_EDGE, 5);
	return bpf_redirect(bare_ifindex[number], 0);
}

char _license[] SEC("license") = "GPL";
