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

bool matrix_has(const struct scenario *scenario, unsigned int moving)
{
	return scenario_is_plain(scenario) && scenario->flows == FLOWS_MAX &&
	       scenario->moving == moving;
}

void matrix_print(const struct report *report, const struct matrix *matrix, FILE *to)
{
	head_print(matrix, to);
	for (size_t i = 0; i < scenario_count; i++) {
		char name[SCENARIO_NAME_MAX];

		if (matrix_has(&scenarios[i], matrix->moving) &&
		    report_find(report, "%s.%s.%s", matrix->part,
				scenario_name(&scenarios[i], name), matrix->columns[0]))
			row_print(report, matrix, &scenarios[i], to);
	}
}

/* ---- variations ------------------------------------------------------------------------------ */

static bool is_variation(const struct scenario *scenario)
{
	if (scenario->traffic > TRAFFIC_SYN)
		return false;
	if (!scenario_is_plain(scenario))
		return true;
	return scenario->moving && scenario->flows == FLOWS_MAX;
}

void variations_print(const struct report *report, const char *part, const char *const columns[],
		      int digits, FILE *to)
{
	fprintf(to, "\nOf 1M flows%-38s", "");
	for (int i = 0; columns[i]; i++)
		fprintf(to, "%8s", columns[i]);
	fputc('\n', to);
	for (size_t i = 0; i < scenario_count; i++) {
		char name[SCENARIO_NAME_MAX];

		scenario_name(&scenarios[i], name);
		if (!is_variation(&scenarios[i]) ||
		    !report_find(report, "%s.%s.%s", part, name, columns[0]))
			continue;
		fprintf(to, "%-10s %-38s", scenario_title(&scenarios[i]),
			scenario_variation(&scenarios[i]));
		for (int c = 0; columns[c]; c++)
			cell_print(report_find(report, "%s.%s.%s", part, name, columns[c]), 8,
				   strcmp(columns[c], "ratio") ? digits : 2, to);
		fputc('\n', to);
	}
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
