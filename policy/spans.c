/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of points with one verdict each. They are few in a cell, so they stand in an array. */
#include "policy/spans.h"

static void spans_reserve(struct spans *spans, size_t count)
{
	if (count <= spans->room)
		return;
	spans->room = 2 * count + 14;
	spans->list = mem_must(reallocarray(spans->list, spans->room, sizeof(*spans->list)));
}

/* The last span that begins at `point` or before. */
static size_t span_at(const struct spans *spans, uint32_t point)
{
	size_t low = 0, high = spans->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (spans->list[middle].from <= point)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* What begins within the interval goes; what reaches out of it on either side stays there. */
static void spans_paint(struct spans *spans, const struct interval *interval, uint32_t verdict)
{
	size_t low = span_at(spans, interval->first), high = span_at(spans, interval->last);
	uint32_t behind = spans->list[high].verdict;
	size_t keep = low + (spans->list[low].from < interval->first), next = high + 1, put = 1;

	put += interval->last < SPACE_LAST &&
	       (next == spans->count || spans->list[next].from > interval->last + 1);
	spans_reserve(spans, spans->count + 2);
	memmove(spans->list + keep + put, spans->list + next,
		(spans->count - next) * sizeof(*spans->list));
	spans->list[keep] = (struct policy_span){ interval->first, verdict };
	if (put == 2)
		spans->list[keep + 1] = (struct policy_span){ interval->last + 1, behind };
	spans->count = keep + put + spans->count - next;
}

static void spans_join(struct spans *spans)
{
	size_t kept = 1;

	for (size_t i = 1; i < spans->count; i++)
		if (spans->list[i].verdict != spans->list[kept - 1].verdict)
			spans->list[kept++] = spans->list[i];
	spans->count = kept;
}

static uint32_t default_verdict(const struct config_policy *policy)
{
	return POLICY_VERDICT(POLICY_RULE_DEFAULT, policy->deny ? POLICY_DENY : POLICY_ALLOW,
			      policy->deny && policy->audit);
}

void spans_answer(const struct compiler *compiler, const uint64_t *matchers,
		  struct spans *ret_spans)
{
	spans_reserve(ret_spans, 1);
	ret_spans->list[0] = (struct policy_span){ 0, default_verdict(compiler->policy) };
	ret_spans->count = 1;
	for (size_t w = compiler->words; w-- > 0;) {
		uint64_t left = matchers[w];

		while (left) {
			size_t bit = 63 - (size_t)__builtin_clzll(left);
			const struct matcher *matcher = &compiler->matchers[64 * w + bit];

			left ^= 1ULL << bit;
			for (size_t i = 0; i < matcher->interval_count; i++)
				spans_paint(ret_spans, &matcher->intervals[i], matcher->verdict);
		}
	}
	spans_join(ret_spans);
}

static unsigned int strictness(uint32_t verdict)
{
	unsigned int action = POLICY_VERDICT_ACTION(verdict);

	if (action == POLICY_ALLOW)
		return 0;
	return (verdict & POLICY_VERDICT_AUDIT ? 1 : 3) + (action == POLICY_DENY);
}

uint32_t verdict_stricter(uint32_t a, uint32_t b)
{
	unsigned int of_a = strictness(a), of_b = strictness(b);

	if (of_a != of_b)
		return of_a > of_b ? a : b;
	return POLICY_VERDICT_RULE(a) <= POLICY_VERDICT_RULE(b) ? a : b;
}

void spans_strictest(const struct spans *a, const struct spans *b, struct spans *ret_spans)
{
	size_t of_a = 0, of_b = 0;
	uint32_t from = 0;

	spans_reserve(ret_spans, a->count + b->count);
	ret_spans->count = 0;
	for (;;) {
		bool more_a = of_a + 1 < a->count, more_b = of_b + 1 < b->count;
		uint32_t next_a = more_a ? a->list[of_a + 1].from : UINT32_MAX;
		uint32_t next_b = more_b ? b->list[of_b + 1].from : UINT32_MAX;

		ret_spans->list[ret_spans->count++] = (struct policy_span){
			from, verdict_stricter(a->list[of_a].verdict, b->list[of_b].verdict),
		};
		if (!more_a && !more_b)
			break;
		from = next_a < next_b ? next_a : next_b;
		of_a += next_a == from;
		of_b += next_b == from;
	}
	spans_join(ret_spans);
}

void spans_swap(struct spans *a, struct spans *b)
{
	struct spans kept = *a;

	*a = *b;
	*b = kept;
}

void spans_clear(struct spans *spans)
{
	free(spans->list);
	*spans = (struct spans){ 0 };
}
