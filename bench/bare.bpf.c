/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bare limit that lb is held against: finds that the headers are there, sets the MACs,
 * redirects by a devmap. No program that forwards can do less. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bare_devices SEC(".maps");

/* Destination and source MAC as a frame has them, then two unused bytes. */
__u64 bare_macs[2];

SEC("xdp.frags")
int bare(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u32 headers;

	if (data + sizeof(*eth) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		headers = sizeof(*eth) + sizeof(struct iphdr) + sizeof(struct tcphdr);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		headers = sizeof(*eth) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr);
	else
		return XDP_PASS;
	if (data + headers > end)
		return XDP_PASS;
	*(__u64 *)data = bare_macs[0];
	*(__u32 *)(data + 8) = bare_macs[1];
	return bpf_redirect_map(&bare_devices, 0, XDP_DROP);
}

char _license[] SEC("license") = "GPL";
