/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers for all protocols and ports: what the matchers of a cell say, painted from the last to
 * the first. */
#ifndef POLICY_SPANS_H
#define POLICY_SPANS_H

#include "policy/compiler.h"

struct spans {			/* all zero: empty */
	struct policy_span *list; /* the first begins at 0, neighbours differ */
	size_t count, room;
};

/* What a connection gets that these matchers fit, and no others. */
void spans_answer(const struct compiler *compiler, const uint64_t *matchers,
		  struct spans *ret_spans);

/* At each point the stricter of both: a refusal that is enforced over one that is told, deny over
 * reject over allow, then the rule that stands first. */
void spans_strictest(const struct spans *a, const struct spans *b, struct spans *ret_spans);

/* The same order for two verdicts. */
uint32_t verdict_stricter(uint32_t a, uint32_t b);

void spans_swap(struct spans *a, struct spans *b);
void spans_clear(struct spans *spans);

#endif
