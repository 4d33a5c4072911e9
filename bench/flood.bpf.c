/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends of the measurement over veth: a generator, run with live frames, whose packets leave
 * by one device, and a sink that counts what arrives. */
#include "vary.bpf.h"

__u32 flood_ifindex; /* where the generator sends to */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	packet_write(ctx);
	return bpf_redirect(flood_ifindex, 0);
}

/* Every flow's SYN, and a packet behind it. */
SEC("xdp")
int generate_opening(struct xdp_md *ctx)
{
	opening_write(ctx);
	return bpf_redirect(flood_ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&arrived, &zero);

	if (count)
		++*count;
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
