/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock of one run (struct bench_run). The kernel tells a test run's duration in whole
 * nanoseconds a packet, without the time in which the process was scheduled out; the programs take
 * the clock at the first packet and after the last. Where the two agree, the second is used. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <math.h>
#include <stdbool.h>

#include "bench/bench_abi.h"

#define RUN_RETRIES 3	/* of a run that was disturbed */

/* The test run's `repeat` must be one more than `packets`. */
static inline void run_begin(struct bench_run *run, unsigned int packets)
{
	run->first = run->sequence;
	run->last = run->first + packets;
}

static inline double run_ns(const struct bench_run *run) /* a packet */
{
	return (double)(run->ended_ns - run->began_ns) / (double)(run->last - run->first);
}

/* Whether it was scheduled out for longer than can be overlooked. */
static inline bool run_disturbed(const struct bench_run *run, unsigned int duration_ns)
{
	return fabs(run_ns(run) - duration_ns - 0.5) > 1 + 0.01 * duration_ns;
}

#endif
