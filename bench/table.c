/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures as a table for people, with what they were to reach, and a warning where the
 * machine was too busy for them to mean much. */
#include <string.h>

#include "bench/report.h"
#include "bench/scenario.h"

#define NOISY		0.05	/* spread from which on a figure is doubtful */
#define FLOWS_MAX	(1U << 20)

/* A value in a column of its width, or a dash where it was not measured. */
static void cell_print(const struct figure *figure, int width, int digits, FILE *to)
{
	if (figure)
		fprintf(to, "%*.*f", width, digits, figure->value);
	else
		fprintf(to, "%*s", width, "-");
}

/* Three groups of three columns: 1, 64k and 1M flows. */
struct matrix {
	const char *title, *part;
	const char *columns[3];
	enum motion motion;
	int digits;		/* of what is no ratio */
};

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

/* Every row has its scenario of a million flows. */
static bool is_row(const struct scenario *scenario, enum motion motion)
{
	return scenario->traffic == TRAFFIC_SERVICE && scenario->flows == FLOWS_MAX &&
	       scenario->motion == motion;
}

static void matrix_print(const struct report *report, const struct matrix *matrix, FILE *to)
{
	head_print(matrix, to);
	for (size_t i = 0; i < scenario_count; i++)
		if (is_row(&scenarios[i], matrix->motion))
			row_print(report, matrix, &scenarios[i], to);
}

/* ---- what is no matrix ----------------------------------------------------------------------- */

static void passes_print(const struct report *report, FILE *to)
{
	char name[SCENARIO_NAME_MAX];

	fputs("\nTo the stack, ns a packet\n", to);
	for (size_t i = 0; i < scenario_count; i++) {
		if (scenarios[i].traffic < TRAFFIC_OTHER_PORT)
			continue;
		fprintf(to, "%-18s ", scenario_title(&scenarios[i]));
		cell_print(report_find(report, "cost.%s.lb", scenario_name(&scenarios[i], name)),
			   7, 1, to);
		fputc('\n', to);
	}
}

static void new_flows_print(const struct report *report, FILE *to)
{
	char name[SCENARIO_NAME_MAX];

	fprintf(to, "\nSYNs of new flows in moving slots, ns a packet\n%-18s %7s%7s%7s\n", "",
		"lb", "lru", "bare");
	for (size_t i = 0; i < scenario_count; i++) {
		const struct figure *lost;

		if (!scenario_is_of_new_flows(&scenarios[i]))
			continue;
		scenario_name(&scenarios[i], name);
		lost = report_find(report, "cost.%s.unrecorded", name);
		fprintf(to, "%-18s ", scenarios[i].traffic == TRAFFIC_NEW ? "recorded"
									  : "a flood of them");
		cell_print(report_find(report, "cost.%s.lb", name), 7, 1, to);
		cell_print(report_find(report, "cost.%s.lru", name), 7, 1, to);
		cell_print(report_find(report, "cost.%s.bare", name), 7, 1, to);
		fprintf(to, "   %.1f%% found no room in the buckets\n", 100 * lost->value);
	}
}

static void records_print(const struct report *report, FILE *to)
{
	double recorded = 0, unrecorded = 0;
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < scenario_count; i++) {
		if (!is_row(&scenarios[i], ALL_MOVING))
			continue;
		scenario_name(&scenarios[i], name);
		recorded += report_find(report, "cost.%s.recorded", name)->value;
		unrecorded += report_find(report, "cost.%s.unrecorded", name)->value;
	}
	fprintf(to, "Of a million flows %.2f%% found no room in the buckets. A random line of a "
		"table of that size takes this machine %.0f ns.\n",
		100 * unrecorded / (recorded + unrecorded),
		report_find(report, "cost.line")->value);
}

static void motion_print(const struct report *report, FILE *to)
{
	static const char *const rings[][2] = { { "auto.10", "10, automatic ring" },
						{ "auto.100", "100, automatic ring" },
						{ "65537.10", "10, 65,537 slots" },
						{ "65537.100", "100, 65,537 slots" } };
	static const char *const sweeps[][2] = { { "65537", "65,537" }, { "1m", "1,000,000" } };

	fprintf(to, "\n%-22s %23s %23s %10s\n", "Backends", "slots moved: 1 removed", "1 added",
		"build, ms");
	for (int i = 0; i < 4; i++) {
		fprintf(to, "%-22s ", rings[i][1]);
		cell_print(report_find(report, "motion.%s.removed", rings[i][0]), 23, 4, to);
		fputc(' ', to);
		cell_print(report_find(report, "motion.%s.added", rings[i][0]), 23, 4, to);
		fputc(' ', to);
		cell_print(report_find(report, "motion.%s.build", rings[i][0]), 10, 2, to);
		fputc('\n', to);
	}
	fprintf(to, "\n%-22s %23s %23s %10s\n", "Slots in motion, ms",
		"a sweep: none is quiet", "all settle", "to move");
	for (int i = 0; i < 2; i++) {
		fprintf(to, "%-22s ", sweeps[i][1]);
		cell_print(report_find(report, "motion.%s.waiting", sweeps[i][0]), 23, 2, to);
		fputc(' ', to);
		cell_print(report_find(report, "motion.%s.settling", sweeps[i][0]), 23, 2, to);
		fputc(' ', to);
		cell_print(report_find(report, "motion.%s.step", sweeps[i][0]), 10, 2, to);
		fputc('\n', to);
	}
}

/* ---- goals ----------------------------------------------------------------------------------- */

/* A ratio to the bare program at a million flows; the worst scenario counts. */
struct goal {
	const char *part, *subject;
	enum motion motion;
	bool least;		/* the ratio is to be this at least; else at most */
	double ratio;
	const char *text;	/* with a place for the figure */
};

static const struct goal goals[] = {
	{ "cost", "lb", AT_REST, false, 35.0 / 7, "1M flows: lb costs at most %.2f times the bare "
	  "program (best rounds %.2f); goal 35 ns where that takes 7," },
	{ "cost", "lb", ALL_MOVING, false, 90.0 / 7, "1M recorded flows: lb costs at most %.2f "
	  "times the bare program (best rounds %.2f); goal 90 ns where that takes 7," },
	{ "mpps", "lbd", AT_REST, true, 0.80, "1M flows: lbd passes at least %.2f of the bare "
	  "program's packets (best rounds %.2f); goal" },
};

/* By the medians, and by the best rounds: what a machine would say that has nothing else to do. */
struct worst {
	double median, best;
	bool measured;
};

static double best_ratio(const struct report *report, const struct goal *goal, const char *name)
{
	const struct figure *ours, *bare;

	ours = report_find(report, "%s.%s.%s", goal->part, name, goal->subject);
	bare = report_find(report, "%s.%s.bare", goal->part, name);
	return goal->least ? ours->most / bare->most : ours->least / bare->least;
}

static struct worst worst_find(const struct report *report, const struct goal *goal)
{
	struct worst worst = { 0 };
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < scenario_count; i++) {
		const struct figure *ratio;
		double best;

		if (!is_row(&scenarios[i], goal->motion) || scenario_wraps(&scenarios[i]))
			continue;
		scenario_name(&scenarios[i], name);
		ratio = report_find(report, "%s.%s.ratio", goal->part, name);
		if (!ratio)
			continue;
		best = best_ratio(report, goal, name);
		if (!worst.measured || (ratio->value < worst.median) == goal->least)
			worst.median = ratio->value;
		if (!worst.measured || (best < worst.best) == goal->least)
			worst.best = best;
		worst.measured = true;
	}
	return worst;
}

static bool goal_holds(const struct goal *goal, double ratio)
{
	return goal->least ? ratio >= goal->ratio : ratio <= goal->ratio;
}

/* What an outer header may cost, beside the same packet without. */
static void wrapping_print(const struct report *report, FILE *to)
{
	const struct figure *ipip = report_find(report, "cost.ipv4.ipip.1m.lb");
	const struct figure *dsr = report_find(report, "cost.ipv4.dsr.1m.lb");
	double median, best;

	if (!ipip || !dsr)
		return;
	median = ipip->value / dsr->value;
	best = ipip->least / dsr->least;
	fprintf(to, "1M flows: ipip costs %.2f times what dsr does (best rounds %.2f); goal 1.30: "
		"%s\n", median, best, median <= 1.3 ? "reached" :
		best <= 1.3 ? "reached by the best rounds only" : "missed");
}

static void goals_print(const struct report *report, FILE *to)
{
	fputc('\n', to);
	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		struct worst worst = worst_find(report, &goals[i]);

		if (!worst.measured)
			continue;
		fprintf(to, goals[i].text, worst.median, worst.best);
		fprintf(to, " %.2f: %s\n", goals[i].ratio,
			goal_holds(&goals[i], worst.median) ? "reached" :
			goal_holds(&goals[i], worst.best)   ? "reached by the best rounds only"
							    : "missed");
	}
	wrapping_print(report, to);
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
	static const struct matrix rest = {
		"Program, ns a packet (test runs; what writing each packet takes is taken off)",
		"cost", { "lb", "bare", "ratio" }, AT_REST, 1 };
	static const struct matrix tenth = {
		"A tenth of the slots in motion, their flows recorded (lru: in an LRU map; ratio: "
		"lb to bare)", "cost", { "lb", "lru", "ratio" }, TENTH_MOVING, 1 };
	static const struct matrix moving = {
		"All slots in motion", "cost", { "lb", "lru", "ratio" }, ALL_MOVING, 1 };
	static const struct matrix veth = {
		"Over veth, million packets a second (generator, balancer and sink on one CPU)",
		"mpps", { "lbd", "bare", "ratio" }, AT_REST, 2 };
	const struct machine *machine = &report->machine;

	fprintf(to, "edgelb bench, %s, commit %s\n%s (%ld), %s, all on CPU %d\n", machine->time,
		machine->commit, machine->processor, machine->processors, machine->kernel,
		machine->cpu);
	fprintf(to, "TCP in the smallest frames, medians; a service of %d backends; nat to "
		"containers of the host, dsr to other hosts\n", SCENARIO_BACKENDS);
	if (report_find(report, "cost.arp.lb")) {
		matrix_print(report, &rest, to);
		passes_print(report, to);
		matrix_print(report, &tenth, to);
		matrix_print(report, &moving, to);
		records_print(report, to);
		new_flows_print(report, to);
	}
	if (report_find(report, "mpps.ipv4.nat.1.lbd"))
		matrix_print(report, &veth, to);
	if (report_find(report, "motion.auto.10.removed"))
		motion_print(report, to);
	goals_print(report, to);
	doubts_print(report, to);
}
