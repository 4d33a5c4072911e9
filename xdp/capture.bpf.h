/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Captures: a packet as it came and as it leaves, with its verdict, to whoever reads lb_capture
 * (lbctl capture). While nobody does, a packet pays for a look at one word of the settings, in a
 * line that it reads anyway. The steps here are called by each program through global functions of
 * its own, so that none of this is inside the walk. */
#ifndef XDP_CAPTURE_BPF_H
#define XDP_CAPTURE_BPF_H

#include "headers.bpf.h"
#include "leave.bpf.h"
#include "table.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, LB_CAPTURE_CPUS);
	__type(key, __u32);
	__type(value, __u32);
} lb_capture SEC(".maps");

/* What is told of the packet that this CPU has at hand. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_captured);
} lb_captured SEC(".maps");

static __always_inline struct lb_captured *captured(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_captured, &zero);
}

static __always_inline __u64 capture_word(const struct lb_settings *set)
{
	__u64 word = set ? read_once(&set->capture) : 0;

	return word && !lb_private ? word : 0;
}

static __always_inline void capture_send(void *ctx, struct lb_captured *say, __u32 snap)
{
	say->at_ns = bpf_ktime_get_ns();
	say->bytes = frame_bytes(ctx);
	say->kept = say->bytes < snap ? say->bytes : snap;
	if (say->leaves && verdict_action(say->verdict & 63) == LB_DROP)
		say->kept = 0;
	bpf_perf_event_output(ctx, &lb_capture, BPF_F_CURRENT_CPU | (__u64)say->kept << 32, say,
			      sizeof(*say));
}

/* Tells the frame as it came. False: it is not in the sample, or the capture's time is over. */
static __always_inline bool capture_came(void *ctx, __u32 ifindex, enum lb_capture_program program)
{
	__u64 word = capture_word(settings());
	struct lb_captured *say = captured();
	__s32 left = LB_CAPTURE_DEADLINE(word) -
		     (__u32)(bpf_ktime_get_coarse_ns() >> LB_TICK_SHIFT);

	if (!word || !say || left <= 0)
		return false;
	if (LB_CAPTURE_SAMPLE(word) > 1 && bpf_get_prandom_u32() % LB_CAPTURE_SAMPLE(word))
		return false;
	say->number++;
	say->ifindex = ifindex;
	say->service = 0;
	say->backend = 0;
	say->leaves = 0;
	say->verdict = 0;
	say->program = program;
	capture_send(ctx, say, LB_CAPTURE_SNAP(word));
	return true;
}

/* What became of it; the frame itself is told by capture_left(). */
static __always_inline void capture_note(const struct packet *pkt, int verdict)
{
	struct lb_captured *say = capture_word(settings()) ? captured() : NULL;

	if (!say)
		return;
	say->service = pkt->service;
	say->backend = pkt->backend;
	say->verdict = verdict;
}

/* Tells the frame as it leaves. */
static __always_inline void capture_left(void *ctx)
{
	__u64 word = capture_word(settings());
	struct lb_captured *say = captured();

	if (!say)
		return;
	say->leaves = 1;
	/* A capture that has ended meanwhile still gets this half, without its bytes. */
	capture_send(ctx, say, LB_CAPTURE_SNAP(word));
}

#endif
