/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon takes to see flows: its share of a CPU at 10,000 live connections and 2,000 new
 * ones a second, and whether it saw every one of them. A real lbd with `flows` on, of one cgroup;
 * the connections are on the loopback of a namespace. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/balancer.h"
#include "bench/bench.h"
#include "bench/cgroup.h"
#include "bench/cpus.h"
#include "bench/seen_load.h"
#include "bench/table.h"
#include "policy/flows.h"

#define NAME	 "seen"
#define PIN	 GROUND_BPFFS "/" NAME
#define LIVE	 10000
#define A_SECOND 2000
#define WARM_S	 6	/* the first interval has all that live as news */

struct seen_bench {
	struct space space;
	char cgroup[64];
	struct balancer balancer;
	struct seen_load load;
	struct samples share, rate, missed;
};

static void config_write(const void *data, FILE *to)
{
	const struct seen_bench *bench = data;

	fprintf(to, "version = 1;\ntuning: { max_slots = 65536; };\n"
		    "flows: { cgroups = [ \"%s\" ]; };\n", bench->cgroup);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- what the programs could not give a row ------------------------------------------------- */

static double other_flows(struct diag *diag)
{
	struct flow_kernel *kernel;
	struct flow_other other = { 0 };

	if (flow_kernel_open(PIN, FLOWS_DEFAULT, &kernel, diag))
		return -1;
	flow_kernel_other(kernel, &other);
	flow_kernel_close(kernel);
	return (double)other.flows;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static int round_run(struct seen_bench *bench, unsigned int seconds, struct diag *diag)
{
	double cpu = cpus_had(&bench->balancer.pid, 1), began = now_s(), took;
	uint64_t done = seen_load_done(&bench->load);
	double other = other_flows(diag);

	sleep(seconds);
	took = now_s() - began;
	samples_add(&bench->share, 100 * (cpus_had(&bench->balancer.pid, 1) - cpu) / took);
	samples_add(&bench->rate, (double)(seen_load_done(&bench->load) - done) / took);
	samples_add(&bench->missed, other_flows(diag) - other);
	return other < 0 ? -EIO : 0;
}

static int rounds_run(struct seen_bench *bench, const struct pace *pace, struct diag *diag)
{
	static const unsigned int round_s[EXTENTS] = { 5, 10, 30 };
	int err = balancer_start_in(&bench->space, NAME, config_write, bench,
				    &bench->balancer, diag);

	if (err)
		return err;
	err = seen_load_start(&bench->space, bench->cgroup, LIVE, A_SECOND, &bench->load);
	if (err) {
		diag_add(diag, NULL, 0, "cannot open %u connections: %s", LIVE, strerror(-err));
	} else {
		seen_load_begin(&bench->load);
		sleep(WARM_S);
		for (unsigned int i = 0; !err && i < pace->rounds; i++)
			err = round_run(bench, round_s[pace->extent], diag);
		seen_load_stop(&bench->load);
	}
	balancer_stop(&bench->balancer);
	return err;
}

static int seen_measure(const struct pace *pace, const struct ground *ground,
			struct report *report, struct diag *diag)
{
	struct seen_bench bench = { 0 };
	int err;

	(void)ground;
	snprintf(bench.cgroup, sizeof(bench.cgroup), "edgelb-bench-%d-seen", getpid());
	err = cgroup_make(bench.cgroup, NULL);
	if (err) {
		diag_add(diag, NULL, 0, "cannot make cgroup %s: %s", bench.cgroup,
			 strerror(-err));
		return err;
	}
	progress(NAME, "10,000 connections");
	err = space_make(space_idle, NULL, &bench.space);
	if (!err)
		err = space_run(&bench.space, "ip link set lo up", diag);
	if (!err)
		err = rounds_run(&bench, pace, diag);
	flow_kernel_unload(PIN, diag);
	space_unmake(&bench.space);
	cgroup_remove(bench.cgroup);
	if (err)
		return err;
	report_add(report, &bench.rate, "1/s", "seen.rate");
	report_add(report, &bench.share, "%", "seen.daemon");
	report_add(report, &bench.missed, "flows", "seen.other");
	return 0;
}

static void seen_print(const struct report *report, FILE *to)
{
	fprintf(to, "\n%-46s %9s %9s %9s\n%-46s", "Flows seen: 10,000 live, 2,000 new a second",
		"new, 1/s", "lbd, %", "other", "");
	cell_print(report_find(report, "seen.rate"), 10, 0, to);
	cell_print(report_find(report, "seen.daemon"), 10, 2, to);
	cell_print(report_find(report, "seen.other"), 10, 0, to);
	fputc('\n', to);
}

const struct part seen_part = {
	.name = NAME,
	.help = "the daemon's share of a CPU while it sees flows",
	.pace = { [QUICK] = { 1, 0 }, [USUAL] = { 2, 0 }, [FULL] = { 5, 0 } },
	.measure = seen_measure,
	.print = seen_print,
};
