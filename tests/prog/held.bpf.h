/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In front of flows.bpf.c: the same programs, but that one thread of a test can be held in them
 * where they ask for the time. A datagram asks between finding its record and counting in it, and
 * the end of a connection before it says that the record has ended. */
#ifndef TESTS_PROG_HELD_BPF_H
#define TESTS_PROG_HELD_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/prog/held_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct held);
} flow_held SEC(".maps");

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct held_until {
	volatile struct held *held;
	__u64 ns;
};

static long held_look(__u32 number, void *data)
{
	struct held_until *until = data;

	return until->held->go || bpf_ktime_get_ns() > until->ns;
}

static __always_inline void held_stand(void)
{
	__u32 zero = 0;
	volatile struct held *held = bpf_map_lookup_elem(&flow_held, &zero);
	struct held_until until = { .held = held };
	struct task_struct *task;

	if (!held || !held->thread)
		return;
	task = (struct task_struct *)bpf_get_current_task_btf();
	if (held->thread != (__u32)task->pid)
		return;
	until.ns = bpf_ktime_get_ns() + HELD_NS;
	held->thread = 0;
	held->stands = 1;
	bpf_loop(1 << 23, held_look, &until, 0);
	held->stands = 0;
	held->stood = 1;
}

static __noinline __u64 held_ns(void)
{
	held_stand();
	return bpf_ktime_get_ns();
}

static __noinline __u64 held_ticks(void)
{
	held_stand();
	return bpf_jiffies64();
}

#define bpf_ktime_get_ns held_ns
#define bpf_jiffies64 held_ticks

#endif
