/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of packets a second, and their table. */
#include "bench/flood.h"

#include "bench/rivals.h"
#include "bench/table.h"

static const char *const way_names[WAYS] = { "lbd", "bare", "drop", "forward", "nft", "numgen" };

/* Round by round. */
static struct samples quotient(const struct samples *above, const struct samples *below)
{
	struct samples quotients = { 0 };

	for (size_t i = 0; i < above->count && i < below->count; i++)
		samples_add(&quotients, above->values[i] / below->values[i]);
	return quotients;
}

static bool is_base(const struct scenario *scenario)
{
	return scenario_is_plain(scenario) && !scenario->moving && scenario->family == IPV4 &&
	       scenario->forward == CONFIG_DSR;
}

/* Two scenarios take no turns, and a machine's mood changes; so each is held against the bare
 * program of its own rounds, and it is the two ratios that are compared. */
static void bases_compare(const struct scenario *scenario, const char *name,
			  const struct samples *ratio, struct races *races, struct report *report)
{
	struct samples to_base;

	if (is_base(scenario) && scenario->flows == 1) {
		races->one_flow = *ratio;
	} else if (is_base(scenario) && scenario->flows == 1 << 20) {
		races->one_service = *ratio;
		to_base = quotient(ratio, &races->one_flow);
		report_add(report, &to_base, "ratio", "mpps.%s.to_one_flow", name);
	} else if (scenario->services == 1000 && scenario->forward == CONFIG_DSR) {
		to_base = quotient(ratio, &races->one_service);
		report_add(report, &to_base, "ratio", "mpps.%s.to_one_service", name);
	}
}

void race_figures_add(const struct race *race, struct races *races, struct report *report)
{
	const struct samples *ours = &race->mpps[BY_LBD];
	char name[SCENARIO_NAME_MAX];
	struct samples ratio;

	scenario_name(race->scenario, name);
	for (enum way way = 0; way < WAYS; way++) {
		if (!race->runs[way])
			continue;
		report_add(report, &race->mpps[way], "Mpps", "mpps.%s.%s", name, way_names[way]);
		report_add(report, &race->lost[way], "ratio", "mpps.%s.%s.lost", name,
			   way_names[way]);
		if (way < BY_FORWARD)
			continue;
		ratio = quotient(ours, &race->mpps[way]);
		report_add(report, &ratio, "ratio", "mpps.%s.to_%s", name, way_names[way]);
	}
	ratio = quotient(ours, &race->mpps[BY_BARE]);
	report_add(report, &ratio, "ratio", "mpps.%s.ratio", name);
	bases_compare(race->scenario, name, &ratio, races, report);
}

void room_add(uint64_t flows_max, struct report *report)
{
	struct samples room = { 0 };

	samples_add(&room, (double)flows_max);
	report_add(report, &room, "flows", "mpps.conntrack.room");
}

/* ---- the table ------------------------------------------------------------------------------- */

static void rivals_print(const struct report *report, FILE *to)
{
	fputs("\nBeside what else there is, million packets a second\n"
	      "                      lbd    bare    drop forward     nft  numgen\n", to);
	for (size_t i = 0; i < scenario_count; i++) {
		char name[SCENARIO_NAME_MAX];

		scenario_name(&scenarios[i], name);
		if (!report_find(report, "mpps.%s.forward", name) &&
		    !report_find(report, "mpps.%s.nft", name))
			continue;
		fprintf(to, "%-17s", name);
		for (enum way way = 0; way < WAYS; way++)
			cell_print(report_find(report, "mpps.%s.%s", name, way_names[way]), 8, 2,
				   to);
		fputc('\n', to);
	}
	fputs("drop: XDP_DROP where lb would be; forward: the kernel's routing; nft, numgen: "
	      "nftables DNAT to a backend by jhash, by turns\n", to);
}

/* Below the room that the bench asks for, a million flows were not measured. */
static void room_print(const struct report *report, FILE *to)
{
	double room = report_find(report, "mpps.conntrack.room")->value;

	if (room <= 1 << 20)
		fprintf(to, "Connection tracking has room for %.0f flows here, and more could not "
			"be had: nftables was not measured with 1M.\n", room);
}

void flood_print(const struct report *report, FILE *to)
{
	static const struct matrix veth = {
		"Over veth, million packets a second (generator, balancer and sink on one CPU)",
		"mpps", { "lbd", "bare", "ratio" }, AT_REST, 2 };
	static const char *const columns[] = { "lbd", "bare", "ratio", NULL };

	matrix_print(report, &veth, to);
	variations_print(report, "mpps", columns, 2, to);
	rivals_print(report, to);
	room_print(report, to);
}
