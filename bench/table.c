/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures as a table for people, with what they were to reach, and a warning where the
 * machine was too busy for them to mean much. */
#include <string.h>

#include "bench/report.h"
#include "bench/scenario.h"

#define NOISY		0.05	/* spread from which on a figure is doubtful */
#define COST_GOAL_LB	35.0	/* ns, where the bare program takes ... */
#define COST_GOAL_BARE	7.0
#define MPPS_GOAL	0.80	/* of the bare program's, at a million flows */
#define FLOWS_MAX	(1U << 20)

/* A value in a column of its width, or a dash where it was not measured. */
static void cell_print(const struct figure *figure, int width, int digits, FILE *to)
{
	if (figure)
		fprintf(to, "%*.*f", width, digits, figure->value);
	else
		fprintf(to, "%*s", width, "-");
}

static void head_print(const char *title, const char *const columns[3], FILE *to)
{
	static const uint32_t flows[] = { 1, 1 << 16, FLOWS_MAX };

	fprintf(to, "\n%s\n%-18s", title, "");
	for (int i = 0; i < 3; i++)
		fprintf(to, "  %14s flow%-3s", flows_title(flows[i]), i ? "s" : "");
	fprintf(to, "\n%-18s", "");
	for (int i = 0; i < 3; i++)
		fprintf(to, " %7s%7s%7s", columns[0], columns[1], columns[2]);
	fputc('\n', to);
}

/* The three figures of one scenario, for each count of flows in its own group of columns. */
static void matrix_print(const struct report *report, const char *part,
			 const char *const columns[3], int digits, FILE *to)
{
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < scenario_count; i++) {
		const struct scenario *scenario = &scenarios[i];

		if (scenario->traffic != TRAFFIC_SERVICE)
			continue;
		if (scenario->flows == 1)
			fprintf(to, "%-18s", scenario_title(scenario));
		scenario_name(scenario, name);
		fputc(' ', to);
		for (int column = 0; column < 3; column++)
			cell_print(report_find(report, "%s.%s.%s", part, name, columns[column]), 7,
				   column == 2 ? 2 : digits, to);
		if (scenario->flows == FLOWS_MAX)
			fputc('\n', to);
	}
}

static void passes_print(const struct report *report, FILE *to)
{
	char name[SCENARIO_NAME_MAX];

	fputs("\nTo the stack, ns a packet\n", to);
	for (size_t i = 0; i < scenario_count; i++) {
		if (scenarios[i].traffic == TRAFFIC_SERVICE)
			continue;
		fprintf(to, "%-18s ", scenario_title(&scenarios[i]));
		cell_print(report_find(report, "cost.%s.lb", scenario_name(&scenarios[i], name)),
			   7, 1, to);
		fputc('\n', to);
	}
}

/* ---- goals ----------------------------------------------------------------------------------- */

/* The worst ratio at a million flows: by the medians, and by the best rounds, which is what a
 * machine would say that has nothing else to do. */
struct worst {
	double median, best;
	bool measured;
};

static double best_ratio(const struct report *report, const char *name, bool cost)
{
	const struct figure *ours, *bare;

	ours = report_find(report, cost ? "cost.%s.lb" : "mpps.%s.lbd", name);
	bare = report_find(report, cost ? "cost.%s.bare" : "mpps.%s.bare", name);
	return cost ? ours->least / bare->least : ours->most / bare->most;
}

/* Costs are the worse the greater they are, Mpps the smaller. */
static struct worst worst_find(const struct report *report, bool cost)
{
	struct worst worst = { 0 };
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < scenario_count; i++) {
		const struct figure *ratio;
		double best;

		if (scenarios[i].traffic != TRAFFIC_SERVICE || scenarios[i].flows != FLOWS_MAX)
			continue;
		scenario_name(&scenarios[i], name);
		ratio = report_find(report, "%s.%s.ratio", cost ? "cost" : "mpps", name);
		if (!ratio)
			continue;
		best = best_ratio(report, name, cost);
		if (!worst.measured || (ratio->value > worst.median) == cost)
			worst.median = ratio->value;
		if (!worst.measured || (best > worst.best) == cost)
			worst.best = best;
		worst.measured = true;
	}
	return worst;
}

static const char *goal_word(bool by_median, bool by_best)
{
	return by_median ? "reached" : by_best ? "reached by the best rounds only" : "missed";
}

static void goals_print(const struct report *report, FILE *to)
{
	struct worst cost = worst_find(report, true), mpps = worst_find(report, false);
	double cost_goal = COST_GOAL_LB / COST_GOAL_BARE;

	fputc('\n', to);
	if (cost.measured)
		fprintf(to, "1M flows: lb costs at most %.2f times the bare program (best rounds "
			"%.2f); goal %.0f ns where that takes %.0f, %.2f: %s\n", cost.median,
			cost.best, COST_GOAL_LB, COST_GOAL_BARE, cost_goal,
			goal_word(cost.median <= cost_goal, cost.best <= cost_goal));
	if (mpps.measured)
		fprintf(to, "1M flows: lbd passes at least %.2f of the bare program's packets "
			"(best rounds %.2f); goal %.2f: %s\n", mpps.median, mpps.best, MPPS_GOAL,
			goal_word(mpps.median >= MPPS_GOAL, mpps.best >= MPPS_GOAL));
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

void report_print_table(const struct report *report, FILE *to)
{
	static const char *const cost[] = { "lb", "bare", "ratio" };
	static const char *const mpps[] = { "lbd", "bare", "ratio" };
	const struct machine *machine = &report->machine;

	fprintf(to, "edgelb bench, %s, commit %s\n%s (%ld), %s, all on CPU %d\n", machine->time,
		machine->commit, machine->processor, machine->processors, machine->kernel,
		machine->cpu);
	fprintf(to, "TCP in the smallest frames, medians; a service of %d backends, settled; nat "
		"to containers of the host, dsr to other hosts\n", SCENARIO_BACKENDS);
	if (report_find(report, "cost.ipv4.nat.1.lb")) {
		head_print("Program, ns a packet (test runs; what writing each packet takes is "
			   "taken off)", cost, to);
		matrix_print(report, "cost", cost, 1, to);
		passes_print(report, to);
	}
	if (report_find(report, "mpps.ipv4.nat.1.lbd")) {
		head_print("Over veth, million packets a second (generator, balancer and sink on "
			   "one CPU)", mpps, to);
		matrix_print(report, "mpps", mpps, 2, to);
	}
	goals_print(report, to);
	doubts_print(report, to);
}
