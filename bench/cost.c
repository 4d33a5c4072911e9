/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program lb costs: nanoseconds a packet by BPF_PROG_TEST_RUN, over private tables, with
 * all counters on. Beside it, round by round, the bare program, one that does nothing, and where
 * slots are moving lb with an LRU map for its records. What the driver takes is measured and taken
 * off. At the end of a scenario lb's counters must have every packet at the exit where it belongs,
 * or there is no figure. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/cost_table.h"
#include "bench/memory.h"
#include "bench/recorded.h"
#include "bench/rig.h"
#include "bench/run.h"
#include "bench/table.h"
#include "config/mem.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/stats.h"

#define NEW_MAX (1 << 17) /* new flows a round: a quarter for each bucket of the records */

struct raw {
	const struct scenario *scenario;
	struct samples subjects[SUBJECTS];
	struct recorded recorded;
	struct samples lost;	/* new flows without a record, in parts of them */
};

/* Of the scenarios that were chosen. */
struct raws {
	struct raw *all;
	size_t count;
};

/* ---- rounds ---------------------------------------------------------------------------------- */

static unsigned int round_packets(const struct pace *pace, const struct scenario *scenario)
{
	bool few = scenario_is_of_new_flows(scenario) && pace->packets > NEW_MAX;

	return few ? NEW_MAX : pace->packets;
}

static int subject_run(struct rig *rig, enum subject subject, unsigned int packets, double *ret_ns)
{
	bool disturbed = false;
	int err = 0, tries = 0;

	do {
		if (rig->scenario->traffic == TRAFFIC_NEW && (subject == LB || subject == LRU))
			err = records_clear(rig);
		if (!err)
			err = rig_run(rig, subject, packets, ret_ns, &disturbed);
	} while (!err && disturbed && ++tries < RUN_RETRIES);
	return err;
}

static int round_run(struct rig *rig, unsigned int packets, struct raw *raw)
{
	for (enum subject subject = 0; subject < SUBJECTS; subject++) {
		uint64_t lost = records_lost(rig->dataplane), given = rig->balanced;
		double ns = 0;
		int err;

		if (subject == LRU && !rig->lru)
			continue;
		err = subject_run(rig, subject, packets, &ns);
		if (err)
			return err;
		samples_add(&raw->subjects[subject], ns);
		lost = records_lost(rig->dataplane) - lost;
		if (subject == LB)
			samples_add(&raw->lost, (double)lost / (double)(rig->balanced - given));
	}
	return 0;
}

static int rounds_run(struct rig *rig, const struct pace *pace, struct raw *raw)
{
	unsigned int packets = round_packets(pace, rig->scenario);
	struct raw warming = { 0 };
	int err = round_run(rig, packets, &warming); /* the caches */

	for (unsigned int round = 0; !err && round < pace->rounds; round++)
		err = round_run(rig, packets, raw);
	return err;
}

/* That lb did with all packets what the figure's name says. */
static int exits_check(const struct rig *rig, struct diag *diag)
{
	static const enum lb_verdict passes[] = {
		[TRAFFIC_OTHER_PORT] = LB_PASS_NOT_SERVICE,
		[TRAFFIC_ICMP] = LB_PASS_PROTOCOL,
		[TRAFFIC_ARP] = LB_PASS_NOT_IP,
	};
	uint64_t verdicts[LB_VERDICT_COUNT], counted;
	char name[SCENARIO_NAME_MAX];

	if (stats_verdicts(rig->dataplane, verdicts))
		return -errno;
	if (rig->scenario->traffic < TRAFFIC_OTHER_PORT)
		counted = rig_packets_at(rig, NULL);
	else
		counted = verdicts[passes[rig->scenario->traffic]];
	if (counted == rig->balanced)
		return 0;
	diag_add(diag, NULL, 0, "%s: lb got %llu packets, but only %llu left as they should",
		 scenario_name(rig->scenario, name), (unsigned long long)rig->balanced,
		 (unsigned long long)counted);
	return -EPROTO;
}

/* What must stand in the records before the first round. */
static int records_prepare(struct rig *rig, struct raw *raw, struct diag *diag)
{
	bool disturbed;
	double ns;
	int err;

	if (!rig->scenario->moving)
		return 0;
	slots_set_in_motion(rig);
	if (rig->scenario->traffic == TRAFFIC_SERVICE)
		return flows_record(rig, &raw->recorded, diag);
	if (rig->scenario->traffic == TRAFFIC_NEW)
		return 0;
	err = rig_run(rig, LRU, BENCH_LRU_ENTRIES, &ns, &disturbed);
	return err ? err : rig_run(rig, LB, BENCH_LRU_ENTRIES, &ns, &disturbed);
}

static int scenario_measure(const struct pace *pace, struct raw *raw, struct diag *diag)
{
	const struct scenario *scenario = raw->scenario;
	char name[SCENARIO_NAME_MAX];
	struct rig rig;
	int err;

	progress("cost", scenario_name(scenario, name));
	err = rig_open(scenario, &rig, diag);
	if (!err) {
		err = records_prepare(&rig, raw, diag);
		if (!err)
			err = rounds_run(&rig, pace, raw);
		if (err && err != -EPROTO)
			diag_add(diag, NULL, 0, "%s: a test run failed: %s", name,
				 strerror(-err));
	}
	if (!err)
		err = exits_check(&rig, diag);
	rig_close(&rig);
	return err;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* How a driver writes its packets (vary.bpf.h). */
enum shape { IPV4_FLOWS, IPV6_FLOWS, IPV4_WRAPPED, IPV6_WRAPPED, IPV4_DRAWN, FIXED, SHAPES };
static const char *const shape_names[SHAPES] = { "ipv4", "ipv6", "ipv4_wrapped", "ipv6_wrapped",
						 "ipv4_drawn", "fixed" };

static enum shape shape_of(const struct scenario *scenario)
{
	if (scenario->traffic > TRAFFIC_OTHER_PORT)
		return FIXED;
	if (scenario_wraps(scenario))
		return scenario->family == IPV4 ? IPV4_WRAPPED : IPV6_WRAPPED;
	if (scenario->zipf)
		return IPV4_DRAWN;
	return scenario->family == IPV4 ? IPV4_FLOWS : IPV6_FLOWS;
}

/* The bare program wraps nothing, and its driver takes nothing off. */
static enum shape bare_shape_of(const struct scenario *scenario)
{
	enum shape shape = shape_of(scenario);

	return shape == IPV4_WRAPPED ? IPV4_FLOWS : shape == IPV6_WRAPPED ? IPV6_FLOWS : shape;
}

/* What a test run with an empty program takes for packets of a shape, without the run itself:
 * always the same work, so the least of all rounds of all scenarios is taken; what others have
 * above it is the machine's. */
static double empty_ns(const struct raws *raws, enum shape shape)
{
	double empty = INFINITY, harness = INFINITY;

	for (size_t i = 0; i < raws->count; i++) {
		const struct raw *raw = &raws->all[i];

		harness = fmin(harness, samples_min(&raw->subjects[HARNESS]));
		if (shape_of(raw->scenario) == shape)
			empty = fmin(empty, samples_min(&raw->subjects[EMPTY]));
	}
	return empty - harness;
}

/* What a driver takes. One for packets that are wrapped takes the header off again, and its empty
 * program puts one on: half of what the two take is the driver's. */
static double driver_ns(const struct raws *raws, enum shape shape)
{
	enum shape plain = shape == IPV4_WRAPPED ? IPV4_FLOWS : IPV6_FLOWS;

	if (shape != IPV4_WRAPPED && shape != IPV6_WRAPPED)
		return empty_ns(raws, shape);
	return (empty_ns(raws, plain) + empty_ns(raws, shape)) / 2;
}

/* What a subject takes, the driver's part taken off. */
static struct samples net_of(const struct samples *samples, double driver)
{
	struct samples net = { 0 };

	for (size_t i = 0; i < samples->count; i++)
		samples_add(&net, samples->values[i] - driver);
	return net;
}

static void count_add(struct report *report, uint64_t count, const char *name, const char *what)
{
	struct samples samples = { 0 };

	samples_add(&samples, (double)count);
	report_add(report, &samples, "flows", "cost.%s.%s", name, what);
}

static void motion_figures_add(const struct raw *raw, double driver, struct report *report)
{
	const struct samples lru = net_of(&raw->subjects[LRU], driver);
	char name[SCENARIO_NAME_MAX];

	scenario_name(raw->scenario, name);
	report_add(report, &lru, "ns", "cost.%s.lru", name);
	if (scenario_is_of_new_flows(raw->scenario)) {
		report_add(report, &raw->lost, "ratio", "cost.%s.unrecorded", name);
		return;
	}
	count_add(report, raw->recorded.records, name, "recorded");
	count_add(report, raw->recorded.unrecorded, name, "unrecorded");
	count_add(report, raw->recorded.lru_unrecorded, name, "lru_unrecorded");
}

static void scenario_figures_add(const struct raw *raw, const double *drivers,
				 struct report *report)
{
	const struct scenario *scenario = raw->scenario;
	const double driver = drivers[shape_of(scenario)];
	const struct samples lb = net_of(&raw->subjects[LB], driver);
	const struct samples bare = net_of(&raw->subjects[BARE], drivers[bare_shape_of(scenario)]);
	struct samples ratio = { 0 };
	char name[SCENARIO_NAME_MAX];

	scenario_name(scenario, name);
	report_add(report, &lb, "ns", "cost.%s.lb", name);
	if (scenario->traffic >= TRAFFIC_OTHER_PORT)
		return;
	for (size_t i = 0; i < lb.count; i++)
		samples_add(&ratio, lb.values[i] / bare.values[i]);
	report_add(report, &bare, "ns", "cost.%s.bare", name);
	report_add(report, &ratio, "ratio", "cost.%s.ratio", name);
	if (scenario->moving)
		motion_figures_add(raw, driver, report);
}

static const struct raw *raw_of(const struct raws *raws, enum config_forward forward)
{
	for (size_t i = 0; i < raws->count; i++) {
		const struct scenario *scenario = raws->all[i].scenario;

		if (scenario->family == IPV4 && scenario->forward == forward &&
		    matrix_has(scenario, AT_REST))
			return &raws->all[i];
	}
	abort(); /* it is in every matrix */
}

/* What an outer header costs, beside the same packet without. */
static void wrapping_add(const struct raws *raws, const double *drivers, struct report *report)
{
	struct samples ipip = net_of(&raw_of(raws, CONFIG_IPIP)->subjects[LB],
				     drivers[IPV4_WRAPPED]);
	struct samples dsr = net_of(&raw_of(raws, CONFIG_DSR)->subjects[LB], drivers[IPV4_FLOWS]);
	struct samples ratio = { 0 };

	for (size_t i = 0; i < ipip.count; i++)
		samples_add(&ratio, ipip.values[i] / dsr.values[i]);
	report_add(report, &ratio, "ratio", "cost.ipv4.ipip.1m.to_dsr");
}

static void figures_add(const struct raws *raws, struct report *report)
{
	double drivers[SHAPES];

	for (enum shape shape = 0; shape < SHAPES; shape++) {
		struct samples writing = { 0 };

		drivers[shape] = driver_ns(raws, shape);
		samples_add(&writing, drivers[shape]);
		report_add(report, &writing, "ns", "cost.%s.writing", shape_names[shape]);
	}
	for (size_t i = 0; i < raws->count; i++)
		scenario_figures_add(&raws->all[i], drivers, report);
	wrapping_add(raws, drivers, report);
}

static struct raws raws_choose(const struct pace *pace)
{
	struct raws raws = { .all = mem_array(scenario_count, sizeof(*raws.all)) };

	for (size_t i = 0; i < scenario_count; i++)
		if (scenario_is_in(&scenarios[i], IN_COST, pace->extent == FULL))
			raws.all[raws.count++].scenario = &scenarios[i];
	return raws;
}

/* Of the tables that a packet reads at random: the records of a million flows, the owners of a
 * thousand rings of the automatic size, and the backends of them. */
static void lines_measure(const struct pace *pace, struct report *report)
{
	static const struct {
		const char *name;
		size_t bytes;
	} tables[] = {
		{ "cost.line", sizeof(struct lb_bucket) << LB_BUCKETS_LOG2 },
		{ "cost.line.owners", 1000 * 1021 * sizeof(uint16_t) },
		{ "cost.line.backends", 10000 * sizeof(struct lb_backend) },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct samples line = { 0 };

		for (unsigned int round = 0; round < pace->rounds; round++)
			samples_add(&line, memory_line_ns(tables[i].bytes, pace->packets));
		report_add(report, &line, "ns", "%s", tables[i].name);
	}
}

static int cost_measure(const struct pace *pace, const struct ground *ground,
			struct report *report, struct diag *diag)
{
	struct raws raws = raws_choose(pace);
	int err = 0;

	(void)ground;
	for (size_t i = 0; !err && i < raws.count; i++)
		err = scenario_measure(pace, &raws.all[i], diag);
	if (!err) {
		figures_add(&raws, report);
		lines_measure(pace, report);
	}
	free(raws.all);
	return err;
}

const struct part cost_part = {
	.name = "cost",
	.help = "nanoseconds a packet in the program lb",
	.pace = { [QUICK] = { 1, 20000 }, [USUAL] = { 9, 1 << 18 }, [FULL] = { 13, 1 << 19 } },
	.measure = cost_measure,
	.print = cost_print,
};
