/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The goals. A goal is about all figures whose names match a pattern; the worst of them counts. By
 * the medians, and by the best rounds: what a machine would say that has nothing else to do. */
#include "bench/goals.h"

#include <fnmatch.h>
#include <string.h>

struct goal {
	const char *text;	/* "1M flows: lb costs of the bare program" */
	const char *pattern;	/* of figures: fnmatch(3) */
	/* Where both are given, the best rounds are those of these two, which stand beside the
	 * figure under the same name; else they are the figure's own. */
	const char *ours, *other;
	bool least;		/* the figure is to be this at least; else at most */
	double bound;
};

static const struct goal goals[] = {
	{ "program, 1M settled flows: lb to bare (20 ns where bare takes 7)",
	  "cost.ipv4.dsr.1m.ratio", "lb", "bare", false, 20.0 / 7 },
	{ "program, 1M recorded flows: lb to bare (90 ns where bare takes 7)",
	  "cost.*.1m.moving.ratio", "lb", "bare", false, 90.0 / 7 },
	{ "program, 1M flows: ipip to dsr", "cost.ipv4.ipip.1m.to_dsr", NULL, NULL, false, 1.3 },
	{ "Mpps, 1M flows: dsr to bare", "mpps.*.dsr.1m.ratio", "lbd", "bare", true, 0.90 },
	{ "Mpps, 1M flows: nat to bare", "mpps.*.nat.1m.ratio", "lbd", "bare", true, 0.87 },
	{ "Mpps, 1M flows: ipip to bare", "mpps.*.ipip.1m.ratio", "lbd", "bare", true, 0.85 },
	{ "load of 1,000 services, 10,000 backends: seconds", "control.load.1000.ready", NULL,
	  NULL, false, 2 },
	{ "the same: MB beside the maps", "control.load.1000.memory", NULL, NULL, false, 200 },
	{ "one backend of 10,000 changed at run time: ms to the last slot",
	  "control.override.slots", NULL, NULL, false, 5 },
	{ "packets lost by changes of a backend", "control.*.missing", NULL, NULL, false, 0 },
	{ "Mpps, 1M flows to one (each to its bare)", "mpps.*.to_one_flow", NULL, NULL, true,
	  0.95 },
	{ "Mpps, all slots moving, 1M records: dsr to bare", "mpps.ipv4.dsr.1m.moving.ratio",
	  "lbd", "bare", true, 0.58 },
	{ "Mpps, 1,000 services to one (each to its bare)", "mpps.*.to_one_service", NULL, NULL,
	  true, 0.88 },
	{ "Mpps, 1 flow: nat to nftables DNAT", "mpps.ipv4.nat.1.to_nft", "lbd", "nft", true,
	  3.5 },
	{ "Mpps, 64k flows: nat to nftables DNAT", "mpps.ipv4.nat.64k.to_nft", "lbd", "nft", true,
	  4.5 },
	{ "Mpps, 1M flows: nat to nftables DNAT", "mpps.ipv4.nat.1m.to_nft", "lbd", "nft", true,
	  10 },
	{ "Mpps: dsr to kernel forwarding", "mpps.ipv4.dsr.*.to_forward", "lbd", "forward", true,
	  2.5 },
	{ "new connections a second: lbd, nat, to HAProxy", "tcp.new.lbd_nat*.rate_ratio", NULL,
	  NULL, true, 1.6 },
	{ "CPU a connection: lbd, nat, to HAProxy", "tcp.new.lbd_nat*.cpu_ratio", NULL, NULL,
	  false, 0.5 },
	{ "download: lbd, nat, to routed", "tcp.down.*.lbd_nat*.rate_ratio", NULL, NULL, true,
	  0.95 },
	{ "upload: lbd, nat, to routed", "tcp.up.*.lbd_nat*.rate_ratio", NULL, NULL, true, 0.8 },
	{ "upload, frames as from a NIC: lbd, nat, to routed", "tcp.up_wire.*.lbd_nat.rate_ratio",
	  NULL, NULL, true, 0.8 },
	{ "adaptive congestion control to the better of cubic and bbr",
	  "congestion.*.to_better", NULL, NULL, true, 0.9 },
	{ "the same to cubic, round trips of 20 ms and more, loss of 0.5% and more",
	  "congestion.?0ms.[!0]*.to_cubic", NULL, NULL, true, 1.3 },
	{ "cgroup_skb, 20,000 prefixes: ns a packet, in no group", "policy.*gress.none.added",
	  NULL, NULL, false, 80 },
	{ "the same: an allowed TCP connection", "policy.*gress.tcp.added", NULL, NULL, false, 80 },
	{ "the same: datagrams to one peer", "policy.*gress.peer.added", NULL, NULL, false, 80 },
	{ "the same: datagrams of known flows", "policy.*gress.known.added", NULL, NULL, false,
	  80 },
	{ "the same: the first of a flow", "policy.*gress.new.added", NULL, NULL, false, 80 },
	{ "connect(), allowed by a rule: with isolation to without",
	  "policy.connect.world.ratio", "on", "off", false, 1.25 },
	{ "the same to a container that is in a group too", "policy.connect.db.ratio", "on", "off",
	  false, 1.25 },
	{ "a cgroup that no rule names: with isolation to without", "policy.*.outside.ratio",
	  "on", "off", false, 1.02 },
	{ "flows seen, 10,000 live and 2,000 new a second: % of a CPU in lbd", "seen.daemon", NULL,
	  NULL, false, 5 },
	{ "the same: flows that found no record", "seen.other", NULL, NULL, false, 0 },
	{ "a rule in force and 9,000 connections cut: ms", "policy.list.cut", NULL, NULL, false,
	  500 },
	{ "cgroup_skb, flows: ns a packet, an established TCP connection",
	  "flows.*gress.tcp.added", NULL, NULL, false, 40 },
	{ "the same: datagrams to the last peer", "flows.*gress.peer.added", NULL, NULL, false,
	  40 },
	{ "the same: datagrams to 4,096 peers in turn", "flows.*gress.known.added", NULL, NULL,
	  false, 40 },
};

/* The other figure of the same name but for its last word. */
static const struct figure *beside(const struct report *report, const struct figure *figure,
				   const char *word)
{
	int stem = (int)(strrchr(figure->name, '.') - figure->name);

	return report_find(report, "%.*s.%s", stem, figure->name, word);
}

static double best_of(const struct report *report, const struct goal *goal,
		      const struct figure *figure)
{
	const struct figure *ours, *other;

	if (!goal->ours)
		return goal->least ? figure->most : figure->least;
	ours = beside(report, figure, goal->ours);
	other = beside(report, figure, goal->other);
	if (!ours || !other)
		return figure->value;
	return goal->least ? ours->most / other->most : ours->least / other->least;
}

struct worst {
	double median, best;
	bool measured;
};

static struct worst worst_find(const struct report *report, const struct goal *goal)
{
	struct worst worst = { 0 };

	for (size_t i = 0; i < report->count; i++) {
		const struct figure *figure = &report->figures[i];
		double best;

		if (fnmatch(goal->pattern, figure->name, 0))
			continue;
		best = best_of(report, goal, figure);
		if (!worst.measured || (figure->value < worst.median) == goal->least)
			worst.median = figure->value;
		if (!worst.measured || (best < worst.best) == goal->least)
			worst.best = best;
		worst.measured = true;
	}
	return worst;
}

static bool goal_holds(const struct goal *goal, double value)
{
	return goal->least ? value >= goal->bound : value <= goal->bound;
}

void goals_print(const struct report *report, FILE *to)
{
	bool begun = false;

	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		const struct goal *goal = &goals[i];
		struct worst worst = worst_find(report, goal);

		if (!worst.measured)
			continue;
		if (!begun)
			fprintf(to, "\n%-68s %9s %8s %8s\n", "Goals", "goal", "median", "best");
		begun = true;
		fprintf(to, "%-68s %s %6.2f %8.2f %8.2f  %s\n", goal->text,
			goal->least ? ">=" : "<=", goal->bound, worst.median, worst.best,
			goal_holds(goal, worst.median) ? "reached" :
			goal_holds(goal, worst.best)   ? "reached by the best rounds only"
						       : "missed");
	}
}
