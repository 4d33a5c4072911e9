/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet through the counting and the private copy of a program, judged: each passage by
 * itself, the two against each other, the counters, the canaries before and behind the packet, and
 * both against what was seen before of the same flow or datagram. */
#ifndef TESTS_FUZZ_PASSES_H
#define TESTS_FUZZ_PASSES_H

#include "tests/fuzz/seeds.h"

#define FUZZ_BACKENDS_MAX 128

struct passes {
	struct ground *ground;
	struct memory *memory;
	uint32_t backends[FUZZ_BACKENDS_MAX]; /* ids in use */
	size_t backend_count;
	/* By verdict, then by place in `backends`. */
	uint64_t counted[LB_VERDICT_COUNT + FUZZ_BACKENDS_MAX];
};

struct passed {
	enum lb_verdict verdict;	/* of the counting copy */
	const struct lb_backend *backend;
	struct frame out;
	bool ran;		/* false: the kernel's test run does not take such a frame */
};

/* Keeps to one CPU, whose counters are read. */
void passes_open(struct ground *ground, struct passes *ret_passes);
void passes_close(struct passes *passes);

/* NULL, or a sentence that says what is wrong. */
const char *passes_run(struct passes *passes, const struct packet_in *in,
		       struct passed *ret_passed);

#endif
