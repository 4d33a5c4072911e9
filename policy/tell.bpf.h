/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a verdict: it is counted, exactly; it is told, at a bounded rate; and it is noted
 * what kind of flow it was, for "suggest". Programs interrupt each other on a CPU (a softirq comes
 * into a connect), so that also what is per CPU is added to atomically. */
#ifndef POLICY_TELL_BPF_H
#define POLICY_TELL_BPF_H

#include "judge.bpf.h"

#define SECOND_NS 1000000000ULL

/* Break-glass: nothing is refused. */
static __always_inline bool audit_is_on(void)
{
	const struct policy_settings *set = settings();

	return set && read_once(&set->audit);
}

static __always_inline struct policy_count *count_of(const struct question *q)
{
	__u32 rule = POLICY_VERDICT_RULE(q->verdict) % POLICY_RULES;
	__u32 key = POLICY_HALF(q->current) * POLICY_RULES + rule;

	return bpf_map_lookup_elem(&policy_counts, &key);
}

/* One of these kinds of flows more. */
static __always_inline int seen_note(const struct question *q)
{
	struct policy_seen fresh = { .count = 1, .verdict = q->verdict };
	__u64 now = bpf_ktime_get_coarse_ns();
	struct policy_seen_key key = { 0 };
	struct policy_seen *seen;

	address_copy(key.remote, q->ends.remote);
	key.set = q->set;
	key.protocol = q->ends.protocol;
	key.direction = q->direction;
	if (protocol_has_ports(key.protocol))
		key.port = q->direction == POLICY_RESPONDS ? q->ends.local_port
							   : q->ends.remote_port;
	seen = bpf_map_lookup_elem(&policy_seen, &key);
	if (seen) {
		__sync_fetch_and_add(&seen->count, 1);
		seen->last_ns = now;
		seen->verdict = q->verdict;
		return 0;
	}
	fresh.first_ns = now;
	fresh.last_ns = now;
	bpf_map_update_elem(&policy_seen, &key, &fresh, BPF_NOEXIST);
	return 0;
}

/* Whether this rule may tell one more in this second. */
static __always_inline bool rate_admits(struct policy_count *count, __u64 now)
{
	__u64 window = read_once(&count->window);

	if (now - window >= SECOND_NS &&
	    __sync_val_compare_and_swap(&count->window, window, now) == window)
		write_once(&count->in_window, 0);
	return __sync_fetch_and_add(&count->in_window, 1) < POLICY_EVENTS_A_SECOND;
}

static __always_inline void event_fill(struct policy_event *event, const struct question *q)
{
	event->cgroup = q->cgroup;
	event->current = q->current;
	address_copy(event->local, q->ends.local);
	address_copy(event->remote, q->ends.remote);
	event->netns = q->ends.netns;
	event->pid = q->pid;
	event->verdict = q->verdict;
	event->local_port = q->ends.local_port;
	event->remote_port = q->ends.remote_port;
	event->set = q->set;
	event->protocol = q->ends.protocol;
	event->direction = q->direction;
	event->hook = q->hook;
	event->family = q->family;
	__builtin_memcpy(event->comm, q->comm, sizeof(event->comm));
}

static __always_inline void refusal_tell(const struct question *q, struct policy_count *count,
					 bool passes)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct policy_event *event = NULL;

	if (rate_admits(count, now)) {
		event = bpf_ringbuf_reserve(&policy_events, sizeof(*event), 0);
		if (!event)
			loss_count(POLICY_LOST_EVENT);
	}
	if (!event) {
		__sync_fetch_and_add(&count->untold, 1);
		__sync_fetch_and_add(&count->since_told, 1);
		return;
	}
	__sync_fetch_and_add(&count->told, 1);
	event->ns = now;
	event->untold = __sync_lock_test_and_set(&count->since_told, 0);
	event->passed = passes;
	event_fill(event, q);
	bpf_ringbuf_submit(event, 0);
}

/* A connection or flow that was allowed, when judged first. */
__noinline int allowed_count(const struct question *q)
{
	struct policy_count *count;

	if (!q)
		return 0;
	count = count_of(q);
	if (count)
		__sync_fetch_and_add(&count->allowed, 1);
	return seen_note(q);
}

/* Counts and tells what a rule refuses; returns whether it passes nevertheless. */
__noinline int refusal_settle(const struct question *q)
{
	struct policy_count *count;
	bool passes;

	if (!q)
		return false;
	passes = !verdict_refuses(q->verdict) || audit_is_on();
	count = count_of(q);
	if (count) {
		__sync_fetch_and_add(passes ? &count->audited : &count->refused, 1);
		refusal_tell(q, count, passes);
	}
	if (q->hook != POLICY_HOOK_BIND && q->hook != POLICY_HOOK_SOCKET)
		seen_note(q);
	return passes;
}

#endif
