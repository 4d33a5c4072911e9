/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets for the bench. A test run gives a program the same bytes again, as the last repetition
 * left them (with live frames: as whoever had the page left them), so the whole header is written
 * for every packet, and every flow of a run gets its turn. */
#ifndef BENCH_VARY_BPF_H
#define BENCH_VARY_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench_abi.h"

struct bench_run run;

/* The flow of a packet: a permutation of the flows, so that each comes once before one comes
 * again, in an order that no cache foresees. */
static __always_inline __u32 flow_of(__u64 sequence)
{
	__u32 flow = ((__u32)sequence * 0x9e3779b1) & run.flow_mask;

	flow ^= flow >> 10;
	return (flow * 0x85ebca6b) & run.flow_mask;
}

static __always_inline __u64 at(const void *bytes, __u32 offset)
{
	return *(const __u64 *)(bytes + offset);
}

/* Whole words, and every field in one of them: a load from two stores waits for both to reach the
 * cache, which no packet from a NIC does. */
#define COPY(offset) (*(__u64 *)(data + (offset)) = at(frame, offset))

/* 10.x.y.z with the flow in its lower 20 bits, and a port of 1024 to 33791. */
static __always_inline void write_ipv4(void *data, const void *frame, __u32 address, __u32 ports)
{
	COPY(0);
	COPY(6);
	COPY(14);
	COPY(18);
	*(__u64 *)(data + 26) = (at(frame, 26) & ~0xffffffffULL) | address;
	*(__u32 *)(data + 34) = (*(__u32 *)(frame + 34) & ~0xffffU) | ports;
	COPY(38);
	COPY(46);
}

/* The same in the last 32 bits of the source. */
static __always_inline void write_ipv6(void *data, const void *frame, __u32 address, __u32 ports)
{
	COPY(0);
	COPY(6);
	COPY(14);
	COPY(22);
	*(__u64 *)(data + 30) = (at(frame, 30) & 0xffffffffULL) | (__u64)address << 32;
	COPY(38);
	COPY(46);
	*(__u32 *)(data + 54) = (*(__u32 *)(frame + 54) & ~0xffffU) | ports;
	COPY(58);
	COPY(66);
}

static __always_inline void write_as_it_stands(void *data, const void *frame)
{
	COPY(0);
	COPY(6);
	COPY(14);
	COPY(18);
	COPY(26);
	COPY(34);
	COPY(42);
	COPY(46);
}

static __always_inline void clock_tick(void)
{
	if (run.sequence == run.first)
		run.began_ns = bpf_ktime_get_ns();
	if (run.sequence == run.last)
		run.ended_ns = bpf_ktime_get_ns();
	run.sequence++;
}

static __always_inline void flow_write(struct xdp_md *ctx, const void *frame, __u64 sequence)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 flow = flow_of(sequence);
	__u32 turn = run.renews ? (__u32)(sequence >> 20) : 0;
	__u32 address = bpf_htonl(0x0a000000 | flow);
	__u32 port = bpf_htons(1024 + (flow * 0xc2b2ae35 >> 17) + turn);

	if (run.varies && run.ipv6 && data + 74 <= end)
		write_ipv6(data, frame, address, port);
	else if (run.varies && data + 54 <= end)
		write_ipv4(data, frame, address, port);
	else if (data + 54 <= end)
		write_as_it_stands(data, frame);
}

static __always_inline void packet_write(struct xdp_md *ctx)
{
	__u64 sequence = run.sequence;

	clock_tick();
	flow_write(ctx, run.frame, sequence);
}

/* Two packets for each flow: the SYN, and one behind it. */
static __always_inline void opening_write(struct xdp_md *ctx)
{
	__u64 sequence = run.sequence++;

	if (sequence & 1)
		flow_write(ctx, run.frame, sequence >> 1);
	else
		flow_write(ctx, run.syn, sequence >> 1);
}

#undef COPY

#endif
