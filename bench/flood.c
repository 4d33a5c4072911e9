/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many packets a second go through a running lbd, over veth: from a generator (live frames)
 * through lb on the far end of its veth to a sink at the end of another. Beside it, round by
 * round, the bare program between two veths of its own. Everything happens on the CPU to which
 * this process is bound: the kernel does the receivers' work where the sender ran. Packets count
 * where they arrive. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/balancer.h"
#include "bench/bench.h"
#include "bench/run.h"
#include "bench/scenario.h"
#include "bench/table.h"
#include "build/bench/bare.skel.h"
#include "build/bench/flood.skel.h"

#define BATCH	  64	/* frames between two flushes: what a NIC's poll takes at most */
#define ARRIVE_MS 100	/* longer than anything stays on the way */
#define LOST_MAX  0.5

enum way { BY_LBD, BY_BARE, WAYS };

struct flood {
	const struct pace *pace;
	struct flood_bpf *ends;
	struct bare_bpf *bare;
	unsigned int ifindex[WAYS];	/* where the generator sends to */
	int cpus;
};

/* ---- set up ---------------------------------------------------------------------------------- */

static int program_attach(const struct bpf_program *program, const char *device)
{
	return bpf_xdp_attach(if_nametoindex(device), bpf_program__fd(program),
			      XDP_FLAGS_DRV_MODE, NULL);
}

static int ends_open(struct flood *flood)
{
	static const char *const sinks[] = { "inside-end", "link-end", "bareout-end" };
	int err = 0;

	flood->ends = flood_bpf__open_and_load();
	if (!flood->ends)
		return -errno;
	for (size_t i = 0; !err && i < sizeof(sinks) / sizeof(sinks[0]); i++)
		err = program_attach(flood->ends->progs.sink, sinks[i]);
	flood->ifindex[BY_LBD] = if_nametoindex("front-gen");
	flood->ifindex[BY_BARE] = if_nametoindex("barein-gen");
	return err;
}

/* In the edge namespace, whose devices the devmap is to know. */
static int bare_open(struct flood *flood)
{
	__u32 zero = 0, ifindex = if_nametoindex("bareout");

	flood->bare = bare_bpf__open_and_load();
	if (!flood->bare)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(flood->bare->maps.bare_devices), &zero, &ifindex, 0))
		return -errno;
	return program_attach(flood->bare->progs.bare, "barein");
}

static int flood_open(struct flood *flood, const struct ground *ground, struct diag *diag)
{
	int err;

	flood->cpus = libbpf_num_possible_cpus();
	err = ends_open(flood);
	if (!err)
		err = ground_enter_edge(ground);
	if (!err) {
		err = bare_open(flood);
		ground_leave_edge(ground);
	}
	if (err)
		diag_add(diag, NULL, 0, "cannot set up the generator and the sinks: %s",
			 strerror(-err));
	return err;
}

static void flood_close(struct flood *flood)
{
	bare_bpf__destroy(flood->bare);
	flood_bpf__destroy(flood->ends);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static uint64_t arrived_count(const struct flood *flood)
{
	uint64_t counts[flood->cpus], sum = 0;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(flood->ends->maps.arrived), &zero, counts))
		return 0;
	for (int i = 0; i < flood->cpus; i++)
		sum += counts[i];
	return sum;
}

/* What of `sent` has arrived since the count was `before`; waits for the last of them. */
static uint64_t arrived_since(const struct flood *flood, uint64_t before, uint64_t sent)
{
	const struct timespec rest = { .tv_nsec = 1000 * 1000 };
	uint64_t arrived = 0;

	for (int ms = 0; ms < ARRIVE_MS; ms++) {
		arrived = arrived_count(flood) - before;
		if (arrived >= sent)
			break;
		nanosleep(&rest, NULL);
	}
	return arrived;
}

/* Millions of packets a second that arrived, and the share of those sent that did not. */
static int way_run(const struct flood *flood, const struct scenario *scenario, enum way way,
		   double *ret_mpps, double *ret_lost)
{
	struct bench_run *run = &flood->ends->bss->run;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->frame,
		    .data_size_in = scenario_frame(scenario, run),
		    .repeat = flood->pace->packets + 1, .batch_size = BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	double arrived;
	int tries = 0;

	flood->ends->bss->flood_ifindex = flood->ifindex[way];
	do {
		uint64_t before = arrived_count(flood);

		run_begin(run, flood->pace->packets);
		if (bpf_prog_test_run_opts(bpf_program__fd(flood->ends->progs.generate), &options))
			return -errno;
		arrived = (double)arrived_since(flood, before, options.repeat) / options.repeat;
	} while (run_disturbed(run, options.duration) && ++tries < RUN_RETRIES);
	*ret_mpps = 1000 / run_ns(run) * arrived;
	*ret_lost = 1 - arrived;
	return 0;
}

static void figures_add(const struct scenario *scenario, const struct samples mpps[WAYS],
			const struct samples *lost, struct report *report)
{
	struct samples ratio = { 0 };
	char name[SCENARIO_NAME_MAX];

	for (size_t i = 0; i < mpps[BY_LBD].count; i++)
		samples_add(&ratio, mpps[BY_LBD].values[i] / mpps[BY_BARE].values[i]);
	scenario_name(scenario, name);
	report_add(report, &mpps[BY_LBD], "Mpps", "mpps.%s.lbd", name);
	report_add(report, &mpps[BY_BARE], "Mpps", "mpps.%s.bare", name);
	report_add(report, &ratio, "ratio", "mpps.%s.ratio", name);
	report_add(report, lost, "ratio", "mpps.%s.lost", name);
}

/* Some frames may be lost where this process was stopped in between; if most are, what was
 * measured is not forwarding. */
static int rounds_run(const struct flood *flood, const struct scenario *scenario,
		      struct report *report)
{
	struct samples mpps[WAYS] = { 0 }, lost = { 0 };

	for (unsigned int round = 0; round <= flood->pace->rounds; round++)
		for (enum way way = 0; way < WAYS; way++) {
			double now = 0, gone = 0;
			int err = way_run(flood, scenario, way, &now, &gone);

			if (err)
				return err;
			if (gone > LOST_MAX)
				return -EPROTO;
			if (!round)
				continue; /* it warmed the caches, and the page pool */
			samples_add(&mpps[way], now);
			if (way == BY_LBD)
				samples_add(&lost, gone);
		}
	figures_add(scenario, mpps, &lost, report);
	return 0;
}

static int flood_measure(const struct pace *pace, const struct ground *ground,
			 struct report *report, struct diag *diag)
{
	struct flood flood = { .pace = pace };
	struct balancer balancer = { 0 };
	int err = flood_open(&flood, ground, diag);

	if (!err)
		err = balancer_start(ground, &balancer, diag);
	for (size_t i = 0; !err && i < scenario_count; i++) {
		char name[SCENARIO_NAME_MAX];

		if (!scenario_is_steady(&scenarios[i]))
			continue;
		progress("mpps", scenario_name(&scenarios[i], name));
		err = rounds_run(&flood, &scenarios[i], report);
		if (err == -EPROTO)
			diag_add(diag, NULL, 0, "%s: most of the packets did not arrive", name);
		else if (err)
			diag_add(diag, NULL, 0, "%s: a test run with live frames failed: %s",
				 name, strerror(-err));
	}
	balancer_stop(&balancer);
	flood_close(&flood);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void flood_print(const struct report *report, FILE *to)
{
	static const struct matrix veth = {
		"Over veth, million packets a second (generator, balancer and sink on one CPU)",
		"mpps", { "lbd", "bare", "ratio" }, AT_REST, 2 };

	matrix_print(report, &veth, to);
}

const struct part mpps_part = {
	.name = "mpps",
	.help = "packets a second over veth, through lbd",
	.pace = { [QUICK] = { 1, 20000 }, [USUAL] = { 9, 1 << 19 }, [FULL] = { 9, 1 << 19 } },
	.measure = flood_measure,
	.print = flood_print,
};
