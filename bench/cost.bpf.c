/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drivers for measuring a program's cost: each writes the next packet and goes on, by a tail call,
 * to the program that is measured, which so runs as it is loaded elsewhere. What the drivers cost
 * themselves is found by one whose target does nothing. */
#include "vary.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, BENCH_TARGETS);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

SEC("xdp")
int drive_lb(struct xdp_md *ctx)
{
	packet_write(ctx);
	bpf_tail_call_static(ctx, &targets, BENCH_LB);
	return XDP_ABORTED;
}

SEC("xdp")
int drive_bare(struct xdp_md *ctx)
{
	packet_write(ctx);
	bpf_tail_call_static(ctx, &targets, BENCH_BARE);
	return XDP_ABORTED;
}

SEC("xdp")
int drive_empty(struct xdp_md *ctx)
{
	packet_write(ctx);
	bpf_tail_call_static(ctx, &targets, BENCH_EMPTY);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* What is left of a driver without the packet and the call: the test run itself. */
SEC("xdp")
int harness(struct xdp_md *ctx)
{
	clock_tick();
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
