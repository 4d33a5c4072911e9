/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the bench share to print their figures for people. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "bench/report.h"
#include "bench/scenario.h"

/* A value in a column of its width, or a dash where it was not measured. */
void cell_print(const struct figure *figure, int width, int digits, FILE *to);

/* Scenarios by rows, flows by columns: three groups of three, of 1, 64k and 1M flows. */
struct matrix {
	const char *title, *part;
	const char *columns[3];
	unsigned int moving;	/* percent of the slots */
	int digits;		/* of what is no ratio */
};
void matrix_print(const struct report *report, const struct matrix *matrix, FILE *to);

/* The scenarios that are no plain ones, and those of moving slots: a row each, with the figures of
 * `columns`, up to a NULL. */
void variations_print(const struct report *report, const char *part, const char *const columns[],
		      int digits, FILE *to);

/* Every row of a matrix has its plain scenario of a million flows. */
bool matrix_has(const struct scenario *scenario, unsigned int moving);

#endif
