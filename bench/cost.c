/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program lb costs: nanoseconds a packet by BPF_PROG_TEST_RUN, over private tables made
 * from a config as lbd makes its own, with all counters on. Beside it, round by round, the bare
 * program and one that does nothing, each behind the same driver (cost.bpf.c); what the driver
 * takes is measured and taken off. At the end of a scenario lb's counters must have every packet
 * at the exit where it belongs, or there is no figure. */
#include <bpf/bpf.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/run.h"
#include "bench/scenario.h"
#include "build/bench/bare.skel.h"
#include "build/bench/cost.skel.h"
#include "build/lb.skel.h"
#include "config/mem.h"
#include "lb/kernel/sink.h"
#include "lb/kernel/stats.h"
#include "lb/model/desired.h"

#define TO_DEVICE "front-gen" /* redirected to, never sent: test runs do not flush */

enum subject { LB, BARE, EMPTY, HARNESS, SUBJECTS };

struct cost {
	const struct pace *pace;
	const struct scenario *scenario;
	struct config *config;
	struct dataplane *dataplane;
	struct state *state;
	struct lb_bpf *lb;
	struct bare_bpf *bare;
	struct cost_bpf *drivers;
	size_t frame_size;
	uint64_t lb_packets;	/* that lb has been given */
};

/* ---- tables and programs --------------------------------------------------------------------- */

static int config_make(struct cost *cost, struct diag *diag)
{
	struct scenario_config wanted = { .fronts = { TO_DEVICE } };
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int err;

	if (!file)
		return -ENOMEM;
	wanted.forward[cost->scenario->forward] = true;
	scenario_config_write(&wanted, file);
	fclose(file);
	err = config_load_text("bench", text, &cost->config, diag);
	free(text);
	return err;
}

/* NAT to containers of this host; DSR to other hosts, which costs the TTL one. */
static struct row_hop *rows_invent(const struct cost *cost, unsigned int ifindex)
{
	size_t count = desired_row_count(cost->config);
	struct row_hop *hops = calloc(count, sizeof(*hops));

	for (size_t i = 0; hops && i < count; i++) {
		hops[i].known = true;
		hops[i].hop.local = cost->scenario->forward == CONFIG_NAT;
		hops[i].hop.ifindex = ifindex;
		memcpy(hops[i].hop.dst_mac, (const unsigned char[]){ 2, 0, 0, 0, 1, 1 }, 6);
		memcpy(hops[i].hop.src_mac, (const unsigned char[]){ 2, 0, 0, 0, 1, 2 }, 6);
	}
	return hops;
}

static int tables_fill(struct cost *cost, unsigned int ifindex, struct diag *diag)
{
	const struct bpf_devmap_val device = { .ifindex = ifindex };
	const struct overrides none = { 0 };
	const struct net_view nothing = { 0 };
	struct sources sources = { .config = cost->config, .overrides = &none, .view = &nothing };
	int err;

	hash_keys_of(cost->config->hash_seed, sources.hash_key);
	sources.hops = rows_invent(cost, ifindex);
	if (!sources.hops)
		return -ENOMEM;
	err = desired(&sources, NULL, &cost->state);
	free((void *)sources.hops);
	if (!err)
		err = state_write_private(cost->dataplane, cost->state, diag);
	if (!err && bpf_map_update_elem(cost->dataplane->devices, &ifindex, &device, BPF_ANY))
		err = -errno;
	return err;
}

static int programs_load(struct cost *cost, unsigned int ifindex)
{
	int targets[BENCH_TARGETS];
	__u32 zero = 0;
	int err;

	cost->lb = lb_bpf__open();
	cost->bare = bare_bpf__open_and_load();
	cost->drivers = cost_bpf__open_and_load();
	if (!cost->lb || !cost->bare || !cost->drivers)
		return -errno;
	err = dataplane_share(cost->dataplane, cost->lb->obj);
	if (!err)
		err = lb_bpf__load(cost->lb);
	if (err)
		return err;
	if (bpf_map_update_elem(bpf_map__fd(cost->bare->maps.bare_devices), &zero, &ifindex, 0))
		return -errno;
	targets[BENCH_LB] = bpf_program__fd(cost->lb->progs.lb);
	targets[BENCH_BARE] = bpf_program__fd(cost->bare->progs.bare);
	targets[BENCH_EMPTY] = bpf_program__fd(cost->drivers->progs.empty);
	for (__u32 i = 0; i < BENCH_TARGETS; i++)
		if (bpf_map_update_elem(bpf_map__fd(cost->drivers->maps.targets), &i,
					&targets[i], BPF_ANY))
			return -errno;
	return 0;
}

static void cost_close(struct cost *cost)
{
	cost_bpf__destroy(cost->drivers);
	bare_bpf__destroy(cost->bare);
	lb_bpf__destroy(cost->lb);
	state_free(cost->state);
	dataplane_close(cost->dataplane);
	config_free(cost->config);
}

static int cost_open(struct cost *cost, struct diag *diag)
{
	unsigned int ifindex = if_nametoindex(TO_DEVICE);
	int err = config_make(cost, diag);

	if (!err)
		err = dataplane_open_private(cost->config->max_slots, &cost->dataplane, diag);
	if (!err)
		err = tables_fill(cost, ifindex, diag);
	if (!err)
		err = programs_load(cost, ifindex);
	if (!err)
		cost->frame_size = scenario_frame(cost->scenario, &cost->drivers->bss->run);
	if (err)
		diag_add(diag, NULL, 0, "cannot set up the program's cost: %s", strerror(-err));
	return err;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static int subject_fd(const struct cost *cost, enum subject subject)
{
	switch (subject) {
	case LB:
		return bpf_program__fd(cost->drivers->progs.drive_lb);
	case BARE:
		return bpf_program__fd(cost->drivers->progs.drive_bare);
	case EMPTY:
		return bpf_program__fd(cost->drivers->progs.drive_empty);
	default:
		return bpf_program__fd(cost->drivers->progs.harness);
	}
}

static int subject_run(struct cost *cost, enum subject subject, double *ret_ns)
{
	struct bench_run *run = &cost->drivers->bss->run;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->frame,
		    .data_size_in = cost->frame_size, .repeat = cost->pace->packets + 1);
	int tries = 0;

	do {
		run_begin(run, cost->pace->packets);
		if (bpf_prog_test_run_opts(subject_fd(cost, subject), &options))
			return -errno;
		if (subject == LB)
			cost->lb_packets += options.repeat;
	} while (run_disturbed(run, options.duration) && ++tries < RUN_RETRIES);
	*ret_ns = run_ns(run);
	return 0;
}

static uint64_t packets_at_backends(const struct cost *cost)
{
	struct lb_counters counters;
	uint64_t packets = 0;

	for (size_t s = 0; s < cost->state->service_count; s++)
		for (size_t b = 0; b < cost->state->services[s].backend_count; b++)
			if (!stats_backend(cost->dataplane,
					   cost->state->services[s].backends[b].id, &counters))
				packets += counters.packets;
	return packets;
}

/* That lb did with all packets what the figure's name says. */
static int exits_check(const struct cost *cost, struct diag *diag)
{
	static const enum lb_verdict passes[] = {
		[TRAFFIC_OTHER_PORT] = LB_PASS_NOT_SERVICE,
		[TRAFFIC_ICMP] = LB_PASS_PROTOCOL,
		[TRAFFIC_ARP] = LB_PASS_NOT_IP,
	};
	uint64_t verdicts[LB_VERDICT_COUNT], counted;
	char name[SCENARIO_NAME_MAX];

	if (stats_verdicts(cost->dataplane, verdicts))
		return -errno;
	if (cost->scenario->traffic == TRAFFIC_SERVICE)
		counted = packets_at_backends(cost);
	else
		counted = verdicts[passes[cost->scenario->traffic]];
	if (counted == cost->lb_packets)
		return 0;
	diag_add(diag, NULL, 0, "%s: lb got %llu packets, but only %llu left as they should",
		 scenario_name(cost->scenario, name), (unsigned long long)cost->lb_packets,
		 (unsigned long long)counted);
	return -EPROTO;
}

/* ---- figures --------------------------------------------------------------------------------- */

struct raw {
	struct samples subjects[SUBJECTS];
};

/* How a driver writes its packets (vary.bpf.h). */
enum shape { IPV4_FLOWS, IPV6_FLOWS, FIXED, SHAPES };
static const char *const shape_names[SHAPES] = { "ipv4", "ipv6", "fixed" };

static enum shape shape_of(const struct scenario *scenario)
{
	if (scenario->traffic > TRAFFIC_OTHER_PORT)
		return FIXED;
	return scenario->family == IPV4 ? IPV4_FLOWS : IPV6_FLOWS;
}

/* What a driver takes for packets of a shape: always the same work, so the least of all rounds of
 * all scenarios is taken; what others have above it is the machine's. */
static double driver_ns(const struct raw *raws, enum shape shape)
{
	double empty = INFINITY, harness = INFINITY;

	for (size_t i = 0; i < scenario_count; i++) {
		harness = fmin(harness, samples_min(&raws[i].subjects[HARNESS]));
		if (shape_of(&scenarios[i]) == shape)
			empty = fmin(empty, samples_min(&raws[i].subjects[EMPTY]));
	}
	return empty - harness;
}

static void scenario_figures_add(const struct scenario *scenario, const struct raw *raw,
				 double driver, struct report *report)
{
	struct samples lb = { 0 }, bare = { 0 }, ratio = { 0 };
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < raw->subjects[LB].count; i++) {
		samples_add(&lb, raw->subjects[LB].values[i] - driver);
		samples_add(&bare, raw->subjects[BARE].values[i] - driver);
		samples_add(&ratio, lb.values[i] / bare.values[i]);
	}
	scenario_name(scenario, name);
	report_add(report, &lb, "ns", "cost.%s.lb", name);
	if (scenario->traffic != TRAFFIC_SERVICE)
		return;
	report_add(report, &bare, "ns", "cost.%s.bare", name);
	report_add(report, &ratio, "ratio", "cost.%s.ratio", name);
}

static void figures_add(const struct raw *raws, struct report *report)
{
	double drivers[SHAPES];

	for (enum shape shape = 0; shape < SHAPES; shape++) {
		struct samples writing = { 0 };

		drivers[shape] = driver_ns(raws, shape);
		samples_add(&writing, drivers[shape]);
		report_add(report, &writing, "ns", "cost.%s.writing", shape_names[shape]);
	}
	for (size_t i = 0; i < scenario_count; i++)
		scenario_figures_add(&scenarios[i], &raws[i], drivers[shape_of(&scenarios[i])],
				     report);
}

static int rounds_run(struct cost *cost, struct raw *raw)
{
	for (unsigned int round = 0; round <= cost->pace->rounds; round++)
		for (enum subject subject = 0; subject < SUBJECTS; subject++) {
			double ns = 0;
			int err = subject_run(cost, subject, &ns);

			if (err)
				return err;
			if (round) /* the first one warmed the caches */
				samples_add(&raw->subjects[subject], ns);
		}
	return 0;
}

static int scenario_measure(const struct pace *pace, const struct scenario *scenario,
			    struct raw *raw, struct diag *diag)
{
	struct cost cost = { .pace = pace, .scenario = scenario };
	char name[SCENARIO_NAME_MAX];
	int err;

	progress("cost", scenario_name(scenario, name));
	err = cost_open(&cost, diag);
	if (!err) {
		err = rounds_run(&cost, raw);
		if (err)
			diag_add(diag, NULL, 0, "%s: a test run failed: %s", name,
				 strerror(-err));
	}
	if (!err)
		err = exits_check(&cost, diag);
	cost_close(&cost);
	return err;
}

int cost_measure(const struct pace *pace, struct report *report, struct diag *diag)
{
	struct raw *raws = mem_array(scenario_count, sizeof(*raws));
	int err = 0;

	for (size_t i = 0; !err && i < scenario_count; i++)
		err = scenario_measure(pace, &scenarios[i], &raws[i], diag);
	if (!err)
		figures_add(raws, report);
	free(raws);
	return err;
}
