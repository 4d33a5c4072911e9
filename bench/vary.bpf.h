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
__u32 draws[BENCH_DRAWS];

/* The flow of a packet: a permutation of the flows, so that each comes once before one comes
 * again, in an order that no cache foresees. */
static __always_inline __u32 flow_of(__u64 sequence)
{
	__u32 flow = ((__u32)sequence * 0x9e3779b1) & run.flow_mask;

	flow ^= flow >> 10;
	return (flow * 0x85ebca6b) & run.flow_mask;
}

/* What is a flow's own in its packets, as it stands in them. */
struct marks {
	__u32 address;		/* 10.x.y.z with the flow in its lower 20 bits */
	__u16 port;		/* 1024 to 33791 */
	__u16 vip;		/* last 16 bits */
};

static __always_inline struct marks marks_of(__u32 flow, __u32 turn)
{
	__u32 service = (__u64)(flow * 0x9e3779b1) * run.services >> 32;

	return (struct marks){
		.address = bpf_htonl(0x0a000000 | flow),
		.port = bpf_htons(1024 + (flow * 0xc2b2ae35 >> 17) + turn),
		.vip = bpf_htons(run.vip + service),
	};
}

static __always_inline __u64 checksum_of(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __u32 address_sum(const struct marks *marks)
{
	return (marks->address & 0xffff) + (marks->address >> 16) + marks->vip;
}

static __always_inline __u64 at(const void *bytes, __u32 offset)
{
	return *(const __u64 *)(bytes + offset);
}

/* Whole words, and every field in one of them: a load from two stores waits for both to reach the
 * cache, which no packet from a NIC does. */
#define COPY(offset) (*(__u64 *)(data + (offset)) = at(frame, offset))
/* The same with 16 bits of it, which are zero in the frame, put in their place. */
#define COPY_WITH(offset, field, value)                                                           \
	(*(__u64 *)(data + (offset)) = at(frame, offset) |                                        \
				       (__u64)(value) << 8 * ((field) - (offset)))

/* `packet` is the length where that is not the frame's own; there it is zero. */
static __always_inline void write_ipv4(void *data, const void *frame,
				       const struct bench_sums *sums, const struct marks *marks,
				       __u16 packet)
{
	__u32 sum = address_sum(marks) + packet;
	/* TCP's length is the packet's but for the 20 bytes that its sum has been given less. */
	__u64 ip = checksum_of(sums->ip + sum), tcp = checksum_of(sums->tcp + sum + marks->port);

	COPY(0);
	COPY(6);
	COPY_WITH(14, 16, packet);
	COPY_WITH(18, 24, ip);
	*(__u64 *)(data + 26) = at(frame, 26) | marks->address | (__u64)marks->vip << 48;
	*(__u32 *)(data + 34) = *(__u32 *)(frame + 34) | marks->port;
	COPY(38);
	COPY_WITH(46, 50, tcp);
}

/* The flow is in the last 32 bits of the source. */
static __always_inline void write_ipv6(void *data, const void *frame,
				       const struct bench_sums *sums, const struct marks *marks)
{
	__u64 tcp = checksum_of(sums->tcp + address_sum(marks) + marks->port);

	COPY(0);
	COPY(6);
	COPY(14);
	COPY(22);
	*(__u64 *)(data + 30) = at(frame, 30) | (__u64)marks->address << 32;
	COPY(38);
	COPY_WITH(46, 52, marks->vip);
	*(__u32 *)(data + 54) = *(__u32 *)(frame + 54) | marks->port;
	COPY(58);
	COPY_WITH(66, 70, tcp);
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

/* The next size of the mix; the length of the packet in it. */
static __always_inline __u16 mix_next(struct xdp_md *ctx, __u64 sequence)
{
	__u32 turn = (__u32)sequence % BENCH_SIZES;
	long size = (long)ctx->data_end - (long)ctx->data;

	asm volatile("" : "+r"(turn)); /* the compiler knows its range, not the verifier */
	if (turn >= BENCH_SIZES)
		return 0;
	bpf_xdp_adjust_tail(ctx, run.sizes[turn].frame - (int)size);
	return run.sizes[turn].packet;
}

static __always_inline void flow_write(struct xdp_md *ctx, const void *frame,
				       const struct bench_sums *sums, __u64 sequence)
{
	__u64 place = run.drawn ? draws[sequence & (BENCH_DRAWS - 1)] : sequence;
	struct marks marks = marks_of(flow_of(place), run.renews ? (__u32)(sequence >> 20) : 0);
	__u16 packet = run.mixed ? mix_next(ctx, sequence) : 0;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (run.varies && run.ipv6 && data + 74 <= end)
		write_ipv6(data, frame, sums, &marks);
	else if (run.varies && data + 54 <= end)
		write_ipv4(data, frame, sums, &marks, packet);
	else if (data + 54 <= end)
		write_as_it_stands(data, frame);
}

static __always_inline void packet_write(struct xdp_md *ctx)
{
	__u64 sequence = run.sequence;

	clock_tick();
	flow_write(ctx, run.frame, &run.frame_sums, sequence);
}

/* Two packets for each flow: the SYN, and one behind it. */
static __always_inline void opening_write(struct xdp_md *ctx)
{
	__u64 sequence = run.sequence;

	clock_tick();
	if (sequence & 1)
		flow_write(ctx, run.frame, &run.frame_sums, sequence >> 1);
	else
		flow_write(ctx, run.syn, &run.syn_sums, sequence >> 1);
}

#undef COPY_WITH
#undef COPY

#endif
