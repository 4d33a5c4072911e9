/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Order statistics over a few dozen values: each call sorts a copy. */
#include "bench/samples.h"

#include <stdlib.h>

void samples_add(struct samples *samples, double value)
{
	if (samples->count < SAMPLES_MAX)
		samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The value below which `share` of them lie, by interpolation. */
static double quantile(const struct samples *samples, double share)
{
	struct samples sorted = *samples;
	double place;
	size_t below;

	if (!sorted.count)
		return 0;
	qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), compare);
	place = share * (double)(sorted.count - 1);
	below = (size_t)place;
	if (below + 1 == sorted.count)
		return sorted.values[below];
	return sorted.values[below] +
	       (place - (double)below) * (sorted.values[below + 1] - sorted.values[below]);
}

double samples_median(const struct samples *samples)
{
	return quantile(samples, 0.5);
}

double samples_min(const struct samples *samples)
{
	return quantile(samples, 0);
}

double samples_max(const struct samples *samples)
{
	return quantile(samples, 1);
}

double samples_spread(const struct samples *samples)
{
	double median = samples_median(samples);

	return median ? (quantile(samples, 0.75) - quantile(samples, 0.25)) / median : 0;
}
