/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place where a verdict comes from: own set and both addresses to classes, classes to a
 * cell, protocol and port to a span. policy_decide() of policy/compile.h answers alike. */
#ifndef POLICY_JUDGE_BPF_H
#define POLICY_JUDGE_BPF_H

#include "parse.bpf.h"

/* One thing that is judged, and all that is told of it. */
struct question {
	struct policy_flow_key ends;
	__u32 set;		/* of the local end */
	__u64 current;		/* of the run: read once */
	__u64 cookie;		/* of its netns; 0: not known */
	__u64 cgroup;		/* for events */
	__u32 verdict;
	__u32 pid;
	__u8 direction;		/* enum policy_direction */
	__u8 hook;		/* enum policy_hook */
	__u16 family;
	char comm[16];
};

/* In place of a verdict: the other end is in the same netns, which nobody judges. */
#define VERDICT_OWN	(~0U)
/* Tables that do not fit together, which the daemon never makes. */
#define VERDICT_BROKEN	POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_DENY, 0)

struct classes {
	struct policy_class own, other;
};

static __always_inline bool verdict_refuses(__u32 verdict)
{
	return POLICY_VERDICT_ACTION(verdict) != POLICY_ALLOW && !(verdict & POLICY_VERDICT_AUDIT);
}

/* It passes, and nothing has to be told of it. */
static __always_inline bool verdict_is_plain(__u32 verdict)
{
	return POLICY_VERDICT_ACTION(verdict) == POLICY_ALLOW;
}

static __always_inline const struct policy_place *place_find(__u64 current, const __u8 *address)
{
	struct policy_key key;

	key.prefix_len = 128;
	address_copy(key.address, address);
	return half_lookup(policy_places, current, &key);
}

static __always_inline bool address_is_zero(const __u8 *address)
{
	const __u32 *word = (const __u32 *)address;

	return !(word[0] | word[1] | word[2] | word[3]);
}

/* Addresses to classes; false where the tables are broken. */
static __always_inline bool classes_find(const struct question *q, const struct policy_dims *dims,
					 struct classes *ret_classes, bool *ret_own)
{
	const struct policy_place *place = place_find(q->current, q->ends.remote);
	const struct policy_class *class;
	__u32 key = 0;

	class = place ? &place->as : half_lookup(policy_unions, q->current, &key);
	if (!class)
		return false;
	ret_classes->other = *class;
	*ret_own = place && place->netns && place->netns == q->ends.netns;
	place = address_is_zero(q->ends.local) ? NULL : place_find(q->current, q->ends.local);
	if (place && q->hook == POLICY_HOOK_BACKSTOP && place->netns != q->ends.netns)
		place = NULL; /* a forged source says nothing of who sends */
	key = q->set * dims->class_count + (place ? place->class : 0);
	class = half_lookup(policy_unions, q->current, &key);
	if (!class)
		return false;
	ret_classes->own = *class;
	return true;
}

/* The last span of the cell that begins at `point` or before. */
static __always_inline __u32 span_find(__u64 current, const struct policy_cell *cell, __u32 point)
{
	__u32 half = POLICY_HALF(current), first = cell->first, count = cell->count;
	void *spans = bpf_map_lookup_elem(&policy_spans, &half);
	const struct policy_span *span;

	if (!spans)
		return VERDICT_BROKEN;
	for (int i = 0; i < POLICY_SPAN_STEPS && count > 1; i++) {
		__u32 middle = first + count / 2;

		span = bpf_map_lookup_elem(spans, &middle);
		if (!span)
			return VERDICT_BROKEN;
		if (span->from <= point) {
			first = middle;
			count -= count / 2;
		} else {
			count /= 2;
		}
	}
	span = bpf_map_lookup_elem(spans, &first);
	return span ? span->verdict : VERDICT_BROKEN;
}

static __noinline __u32 verdict_find(const struct question *q, const struct policy_dims *dims,
				     const struct classes *classes, __u32 direction)
{
	bool responds = direction == POLICY_RESPONDS;
	__u32 initiator = responds ? classes->other.initiator : classes->own.initiator;
	__u32 responder = responds ? classes->own.responder : classes->other.responder;
	__u32 key = initiator * dims->columns + responder, port = 0;
	const struct policy_cell *cell = half_lookup(policy_cells, q->current, &key);

	if (!cell)
		return VERDICT_BROKEN;
	if (protocol_has_ports(q->ends.protocol))
		port = responds ? q->ends.local_port : q->ends.remote_port;
	return span_find(q->current, cell, POLICY_POINT(q->ends.protocol, port));
}

/* By q->direction; where that is not known, either may pass it. Sets q->verdict. */
__noinline int judge(struct question *q)
{
	const struct policy_dims *dims;
	struct classes classes;
	__u32 verdict, other;
	bool own = false;

	if (!q)
		return 0;
	dims = dims_of(q->current);
	q->verdict = VERDICT_BROKEN;
	if (!dims || !classes_find(q, dims, &classes, &own))
		return 0;
	if (own) {
		q->verdict = VERDICT_OWN;
		return 0;
	}
	verdict = verdict_find(q, dims, &classes, q->direction);
	if (q->direction == POLICY_UNKNOWN && !verdict_is_plain(verdict)) {
		other = verdict_find(q, dims, &classes, POLICY_RESPONDS);
		if (verdict_is_plain(other) ||
		    (verdict_refuses(verdict) && !verdict_refuses(other)))
			verdict = other;
	}
	q->verdict = verdict;
	return 0;
}

#endif
