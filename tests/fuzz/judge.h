/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a program did right by a packet, whatever the packet was: what is passed or dropped is
 * as it came; what is sent on is well-formed, has changed in the fields that its verdict names and
 * nowhere else, and has checksums that are as right, or as wrong, as they were; what a program
 * writes itself is right altogether. Nothing here is the programs' own; of the tables it takes
 * what the chosen backend is. */
#ifndef TESTS_FUZZ_JUDGE_H
#define TESTS_FUZZ_JUDGE_H

#include "tests/prog/fixture.h"

struct passage {
	enum program program;
	bool live;			/* not the private copy: next hops of replies are known */
	enum lb_verdict verdict;
	const struct lb_backend *backend; /* NULL: none */
	const struct frame *in, *out;
};

/* NULL, or a sentence that says what is wrong. */
const char *judge(const struct passage *passage);

#endif
