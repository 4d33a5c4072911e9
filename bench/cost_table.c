/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of the program's cost, for people. */
#include "bench/cost_table.h"

#include "bench/table.h"

static void passes_print(const struct report *report, FILE *to)
{
	char name[SCENARIO_NAME_MAX];

	fputs("\nTo the stack, ns a packet\n", to);
	for (size_t i = 0; i < scenario_count; i++) {
		if (scenarios[i].traffic < TRAFFIC_OTHER_PORT)
			continue; /* else every extent measures it */
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
		const struct figure *known;

		scenario_name(&scenarios[i], name);
		known = report_find(report, "cost.%s.recorded", name);
		if (!known || !matrix_has(&scenarios[i], ALL_MOVING))
			continue;
		recorded += known->value;
		unrecorded += report_find(report, "cost.%s.unrecorded", name)->value;
	}
	fprintf(to, "Of a million flows %.2f%% found no room in the buckets. A random line of a "
		"table of that size takes this machine %.0f ns.\n",
		100 * unrecorded / (recorded + unrecorded),
		report_find(report, "cost.line")->value);
	fprintf(to, "With 1,000 services of 10 backends a packet also waits for a random line of "
		"their owners and one of their backends, one after the other: %.0f and %.0f ns.\n",
		report_find(report, "cost.line.owners")->value,
		report_find(report, "cost.line.backends")->value);
}

void cost_print(const struct report *report, FILE *to)
{
	static const struct matrix rest = {
		"Program, ns a packet (test runs; what writing each packet takes is taken off)",
		"cost", { "lb", "bare", "ratio" }, AT_REST, 1 };
	static const struct matrix tenth = {
		"A tenth of the slots in motion, their flows recorded (lru: in an LRU map; ratio: "
		"lb to bare)", "cost", { "lb", "lru", "ratio" }, TENTH_MOVING, 1 };
	static const struct matrix moving = {
		"All slots in motion", "cost", { "lb", "lru", "ratio" }, ALL_MOVING, 1 };

	static const char *const columns[] = { "lb", "bare", "ratio", NULL };

	fprintf(to, "TCP in the smallest frames, medians; a service of %d backends; nat to "
		"containers of the host, dsr to other hosts\n", SCENARIO_BACKENDS);
	matrix_print(report, &rest, to);
	variations_print(report, "cost", columns, 1, to);
	passes_print(report, to);
	matrix_print(report, &tenth, to);
	matrix_print(report, &moving, to);
	records_print(report, to);
	new_flows_print(report, to);
}
