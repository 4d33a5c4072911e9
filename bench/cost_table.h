/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of the program's cost, for people. */
#ifndef BENCH_COST_TABLE_H
#define BENCH_COST_TABLE_H

#include "bench/report.h"

void cost_print(const struct report *report, FILE *to);

#endif
