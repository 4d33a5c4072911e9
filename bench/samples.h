/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rounds of one measurement gave. Medians are compared, the least value is what the
 * machine can do when nothing disturbs it, and the spread says how much something did. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>

#define SAMPLES_MAX 64

struct samples {
	double values[SAMPLES_MAX];
	size_t count;
};

void samples_add(struct samples *samples, double value); /* more than SAMPLES_MAX are left out */

double samples_median(const struct samples *samples);
double samples_min(const struct samples *samples);
double samples_max(const struct samples *samples);

/* The middle half of the values, in parts of the median. */
double samples_spread(const struct samples *samples);

#endif
