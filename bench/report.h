/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of one run of bench, by name: kept here, printed by table.c for people and by
 * report_print_json() for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/samples.h"

#define FIGURE_NAME_MAX 64

struct figure {
	char name[FIGURE_NAME_MAX];	/* "cost.ipv4.nat.1m.lb" */
	const char *unit;		/* "ns", "Mpps", "ratio" */
	double value;			/* the median */
	double least, most;
	double spread;			/* samples_spread() */
};

struct machine {
	char processor[128], kernel[128], commit[64], time[32];
	long processors;
	int cpu;			/* on which everything runs */
};

struct report {
	struct machine machine;
	struct figure *figures;
	size_t count;
};

void report_begin(struct report *report, int cpu); /* looks at the machine */
void report_end(struct report *report);

__attribute__((format(printf, 4, 5)))
void report_add(struct report *report, const struct samples *samples, const char *unit,
		const char *name, ...);

/* NULL where that was not measured. */
__attribute__((format(printf, 2, 3)))
const struct figure *report_find(const struct report *report, const char *name, ...);

/* One JSON object a line: name, value, unit, and for figures least, most and spread. */
void report_print_json(const struct report *report, FILE *to);

/* The table for people (table.c): of the parts that were measured, up to a NULL. */
struct part;
void report_print_table(const struct report *report, const struct part *const parts[], FILE *to);

#endif
