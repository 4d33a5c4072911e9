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
#include "bench/scenario.h"
#include "build/bench/bare.skel.h"
#include "build/bench/cost.skel.h"
#include "build/lb.skel.h"
#include "lb/kernel/sink.h"
#include "lb/kernel/stats.h"
#include "lb/model/desired.h"

#define TO_DEVICE     "front-gen" /* redirected to, never sent: test runs do not flush */
#define CLOCK_RETRIES 3

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

/* The kernel tells the duration of a repetition in whole nanoseconds, so the driver takes the
 * clock too, at the first packet and after the last. Where the two do not agree, this process had
 * been scheduled out, and the run counts for nothing. */
static int subject_run(struct cost *cost, enum subject subject, double *ret_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = cost->drivers->bss->run.frame,
		    .data_size_in = cost->frame_size, .repeat = cost->pace->packets + 1);
	struct bench_run *run = &cost->drivers->bss->run;

	for (int i = 0; i < CLOCK_RETRIES; i++) {
		run->first = run->sequence;
		run->last = run->first + cost->pace->packets;
		if (bpf_prog_test_run_opts(subject_fd(cost, subject), &options))
			return -errno;
		if (subject == LB)
			cost->lb_packets += options.repeat;
		*ret_ns = (double)(run->ended_ns - run->began_ns) / cost->pace->packets;
		if (fabs(*ret_ns - 0.5 - options.duration) <= 1)
			break;
	}
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

static void figures_add(const struct cost *cost, const struct samples raw[SUBJECTS],
			struct report *report)
{
	struct samples lb = { 0 }, bare = { 0 }, ratio = { 0 }, writing = { 0 };
	char name[SCENARIO_NAME_MAX];
	/* It is always the same work: what the others have above the least is the machine's. */
	double driver = samples_min(&raw[EMPTY]) - samples_min(&raw[HARNESS]);

	for (size_t i = 0; i < raw[LB].count; i++) {
		samples_add(&lb, raw[LB].values[i] - driver);
		samples_add(&bare, raw[BARE].values[i] - driver);
		samples_add(&ratio, lb.values[i] / bare.values[i]);
	}
	samples_add(&writing, driver);
	scenario_name(cost->scenario, name);
	report_add(report, &lb, "ns", "cost.%s.lb", name);
	report_add(report, &writing, "ns", "cost.%s.writing", name);
	if (cost->scenario->traffic == TRAFFIC_SERVICE) {
		report_add(report, &bare, "ns", "cost.%s.bare", name);
		report_add(report, &ratio, "ratio", "cost.%s.ratio", name);
	}
}

static int rounds_run(struct cost *cost, struct report *report)
{
	struct samples raw[SUBJECTS] = { 0 };

	for (unsigned int round = 0; round <= cost->pace->rounds; round++)
		for (enum subject subject = 0; subject < SUBJECTS; subject++) {
			double ns = 0;
			int err = subject_run(cost, subject, &ns);

			if (err)
				return err;
			if (round) /* the first one warmed the caches */
				samples_add(&raw[subject], ns);
		}
	figures_add(cost, raw, report);
	return 0;
}

int cost_measure(const struct pace *pace, struct report *report, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; !err && i < scenario_count; i++) {
		struct cost cost = { .pace = pace, .scenario = &scenarios[i] };
		char name[SCENARIO_NAME_MAX];

		progress("cost", scenario_name(&scenarios[i], name));
		err = cost_open(&cost, diag);
		if (!err) {
			err = rounds_run(&cost, report);
			if (err)
				diag_add(diag, NULL, 0, "%s: a test run failed: %s", name,
					 strerror(-err));
		}
		if (!err)
			err = exits_check(&cost, diag);
		cost_close(&cost);
	}
	return err;
}
