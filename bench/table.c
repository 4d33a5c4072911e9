/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures for people: the machine, the parts' tables, what was to be reached, and a warning
 * where the machine was too busy for them to mean much. */
#include "bench/table.h"

#include <string.h>

#include "bench/bench.h"
#include "bench/goals.h"

#define NOISY	  0.05	/* spread from which on a figure is doubtful */
#define FLOWS_MAX (1U << 20)

void cell_print(const struct figure *figure, int width, int digits, FILE *to)
{
	if (figure)
		fprintf(to, "%*.*f", width, digits, figure->value);
	else
		fprintf(to, "%*s", width, "-");
}

/* ---- matrices -------------------------------------------------------------------------------- */

static const uint32_t flow_counts[] = { 1, 1 << 16, FLOWS_MAX };

static void head_print(const struct matrix *matrix, FILE *to)
{
	fprintf(to, "\n%s\n%-18s", matrix->title, "");
	for (int i = 0; i < 3; i++)
		fprintf(to, "  %14s flow%-3s", flows_title(flow_counts[i]), i ? "s" : "");
	fprintf(to, "\n%-18s", "");
	for (int i = 0; i < 3; i++)
		fprintf(to, " %7s%7s%7s", matrix->columns[0], matrix->columns[1],
			matrix->columns[2]);
	fputc('\n', to);
}

static void row_print(const struct report *report, const struct matrix *matrix,
		      const struct scenario *scenario, FILE *to)
{
	struct scenario cell = *scenario;
	char name[SCENARIO_NAME_MAX];

	fprintf(to, "%-18s", scenario_title(scenario));
	for (int flows = 0; flows < 3; flows++) {
		cell.flows = flow_counts[flows];
		scenario_name(&cell, name);
		fputc(' ', to);
		for (int i = 0; i < 3; i++) {
			const char *column = matrix->columns[i];

			cell_print(report_find(report, "%s.%s.%s", matrix->part, name, column), 7,
				   strcmp(column, "ratio") ? matrix->digits : 2, to);
		}
	}
	fputc('\n', to);
}

bool matrix_has(const struct scenario *scenario, enum motion motion)
{
	return scenario->traffic == TRAFFIC_SERVICE && scenario->flows == FLOWS_MAX &&
	       scenario->motion == motion;
}

void matrix_print(const struct report *report, const struct matrix *matrix, FILE *to)
{
	head_print(matrix, to);
	for (size_t i = 0; i < scenario_count; i++)
		if (matrix_has(&scenarios[i], matrix->motion))
			row_print(report, matrix, &scenarios[i], to);
}

/* ---- doubts ---------------------------------------------------------------------------------- */

static void doubts_print(const struct report *report, FILE *to)
{
	const struct figure *widest = NULL;
	size_t noisy = 0;

	for (size_t i = 0; i < report->count; i++) {
		const struct figure *figure = &report->figures[i];
		size_t length = strlen(figure->name);

		if (length > 5 && !strcmp(figure->name + length - 5, ".lost")) {
			if (figure->most > 0.001)
				fprintf(to, "warning: %s: up to %.2f%% of the packets did not "
					"arrive\n", figure->name, 100 * figure->most);
			continue;
		}
		noisy += figure->spread > NOISY;
		if (!widest || figure->spread > widest->spread)
			widest = figure;
	}
	if (noisy)
		fprintf(to, "warning: this machine was too busy: the middle half of the rounds is "
			"wider than %.0f%% in %zu of %zu figures (%s: %.0f%%); compare the least "
			"values in the JSON instead\n", 100 * NOISY, noisy, report->count,
			widest->name, 100 * widest->spread);
}

void report_print_table(const struct report *report, const struct part *const parts[], FILE *to)
{
	const struct machine *machine = &report->machine;

	fprintf(to, "edgelb bench, %s, commit %s\n%s (%ld), %s, all on CPU %d\n", machine->time,
		machine->commit, machine->processor, machine->processors, machine->kernel,
		machine->cpu);
	for (; *parts; parts++)
		(*parts)->print(report, to);
	goals_print(report, to);
	doubts_print(report, to);
}
