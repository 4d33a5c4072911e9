/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of bench, and how long they measure. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/ground.h"
#include "bench/report.h"
#include "config/diag.h"

/* All figures, but rough; what fits in five minutes; the whole matrix. */
enum extent { QUICK, USUAL, FULL, EXTENTS };

struct pace {
	unsigned int rounds;	/* of each measurement, interleaved; SAMPLES_MAX at most */
	unsigned int packets;	/* of a round */
	enum extent extent;
};

/* A part measures its share of the matrix and adds the figures to the report; it returns 0, or
 * -errno with a sentence in diag. */
struct part {
	const char *name, *help;
	struct pace pace[EXTENTS]; /* `extent` is set by the caller */
	int (*measure)(const struct pace *pace, const struct ground *ground,
		       struct report *report, struct diag *diag);
	void (*print)(const struct report *report, FILE *to); /* where it was measured */
};

extern const struct part cost_part, mpps_part, motion_part, tcp_part, congestion_part, policy_part,
	flows_part, control_part, seen_part;

/* Says on stderr, where that is a terminal, what is being measured; NULL wipes it out. */
void progress(const char *part, const char *name);

#endif
