/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the figures are to reach: one table, whatever part they come from. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include "bench/report.h"

/* A line for each goal whose figures were measured: by the medians, and by the best rounds. */
void goals_print(const struct report *report, FILE *to);

#endif
