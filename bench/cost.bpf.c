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

/* A test run gives a program the frame as the last repetition left it: what that one put before it
 * is taken off again. */
static __always_inline void wrapped_write(struct xdp_md *ctx)
{
	if (run.sequence != run.first)
		bpf_xdp_adjust_head(ctx, run.wrap);
	packet_write(ctx);
}

#define DRIVER(name, write, target)                                                               \
	SEC("xdp.frags")                                                                          \
	int name(struct xdp_md *ctx)                                                              \
	{                                                                                         \
		write(ctx);                                                                       \
		bpf_tail_call_static(ctx, &targets, target);                                      \
		return XDP_ABORTED;                                                               \
	}

DRIVER(drive_lb, packet_write, BENCH_LB)
DRIVER(drive_lru, packet_write, BENCH_LRU)
DRIVER(drive_bare, packet_write, BENCH_BARE)
DRIVER(drive_empty, packet_write, BENCH_EMPTY)
DRIVER(drive_lb_wrapping, wrapped_write, BENCH_LB)
DRIVER(drive_empty_wrapping, wrapped_write, BENCH_EMPTY)
DRIVER(open_lb, opening_write, BENCH_LB)
DRIVER(open_lru, opening_write, BENCH_LRU)

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* The least that wrapping takes. */
SEC("xdp.frags")
int empty_wrapping(struct xdp_md *ctx)
{
	bpf_xdp_adjust_head(ctx, -(int)run.wrap);
	return XDP_PASS;
}

/* What is left of a driver without the packet and the call: the test run itself. */
SEC("xdp.frags")
int harness(struct xdp_md *ctx)
{
	clock_tick();
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
