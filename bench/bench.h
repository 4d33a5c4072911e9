/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of bench, and how long they measure. A part measures its share of the matrix and adds
 * the figures to the report; it returns 0, or -errno with a sentence in diag. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/ground.h"
#include "bench/report.h"
#include "config/diag.h"

struct pace {
	unsigned int rounds;	/* of each measurement, interleaved; SAMPLES_MAX at most */
	unsigned int packets;	/* of a round */
};

/* Cost of the program lb over private tables, at rest and while slots move, beside the bare one. */
int cost_measure(const struct pace *pace, struct report *report, struct diag *diag);

/* Packets a second through a running lbd, beside the bare program. */
int flood_measure(const struct pace *pace, const struct ground *ground, struct report *report,
		  struct diag *diag);

/* What a change of backends costs: slots that move, and the daemon's time. */
int motion_measure(const struct pace *pace, struct report *report, struct diag *diag);

/* Says on stderr, where that is a terminal, what is being measured; NULL wipes it out. */
void progress(const char *part, const char *name);

#endif
