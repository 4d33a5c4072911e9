/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control part's figures for people. */
#include <string.h>

#include "bench/control.h"
#include "bench/control_config.h"
#include "bench/table.h"

static void loads_print(const struct report *report, FILE *to)
{
	fprintf(to, "\n%-34s %9s %9s %9s %12s\n", "The daemon's start", "ready, s", "CPU, s",
		"again, s", "memory, MB");
	for (int i = 0; i < CONTROL_LOADS; i++) {
		static const char *const columns[] = { "ready", "cpu", "again" };
		unsigned int services = control_loads[i];

		fprintf(to, "%4u service%s of %u backends%*s", services, services > 1 ? "s" : " ",
			CONTROL_BACKENDS, 7, "");
		for (int c = 0; c < 3; c++)
			cell_print(report_find(report, "control.load.%u.%s", services, columns[c]),
				   10, 3, to);
		cell_print(report_find(report, "control.load.%u.memory", services), 13, 1, to);
		fputc('\n', to);
	}
}

static void changes_print(const struct report *report, FILE *to)
{
	static const char *const ways[][2] = {
		{ "reload", "reload of the whole file" },
		{ "override", "weight of one backend by the API" },
	};
	static const char *const columns[] = { "slots", "write", "answer", "busy" };

	fprintf(to, "\n%-34s %9s %9s %9s %9s %11s\n", "One backend of 10,000 changed, ms",
		"last slot", "its write", "answer", "traffic", "lost of it");
	for (int i = 0; i < 2; i++) {
		fprintf(to, "%-34s", ways[i][1]);
		for (int c = 0; c < 4; c++)
			cell_print(report_find(report, "control.%s.%s", ways[i][0], columns[c]),
				   10, 2, to);
		cell_print(report_find(report, "control.%s.missing", ways[i][0]), 12, 0, to);
		fputc('\n', to);
	}
	fprintf(to, "%-34s", "reading and checking the file");
	cell_print(report_find(report, "control.reload.parse"), 10, 2, to);
	fprintf(to, "\n\n%-34s %9s %9s %9s\n%-34s", "10,000 neighbours changed, ms", "kernel",
		"last hop", "lbd's CPU", "");
	cell_print(report_find(report, "control.neighbours.kernel"), 10, 1, to);
	cell_print(report_find(report, "control.neighbours.hops"), 10, 1, to);
	cell_print(report_find(report, "control.neighbours.cpu"), 10, 1, to);
	fputc('\n', to);
}

static void rings_print(const struct report *report, FILE *to)
{
	fprintf(to, "\n%-34s", "A ring's build, ms: backends");
	for (int b = 0; b < CONTROL_RINGS; b++)
		fprintf(to, "%10u", control_ring_backends[b]);
	fputc('\n', to);
	for (int s = 0; s < CONTROL_RINGS; s++) {
		fprintf(to, "%9u slots%19s", control_ring_slots[s], "");
		for (int b = 0; b < CONTROL_RINGS; b++)
			cell_print(report_find(report, "control.ring.%u.%u",
					       control_ring_backends[b], control_ring_slots[s]),
				   10, 3, to);
		fputc('\n', to);
	}
}

static void maps_print(const struct report *report, FILE *to)
{
	static const char stem[] = "control.maps.";

	fputs("\nThe tables, MB\n", to);
	for (size_t i = 0; i < report->count; i++)
		if (!strncmp(report->figures[i].name, stem, strlen(stem)))
			fprintf(to, "%-34s%10.2f\n", report->figures[i].name + strlen(stem),
				report->figures[i].value);
}

void control_print(const struct report *report, FILE *to)
{
	loads_print(report, to);
	changes_print(report, to);
	maps_print(report, to);
	rings_print(report, to);
}
