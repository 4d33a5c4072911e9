/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole TCP connections through lbd and through what an operator would otherwise use: how many new
 * ones a second, how fast bytes go down and up, and what each costs in CPU. All CPUs are at work,
 * for clients, balancer and containers together: what is counted is the time of all of them, with
 * the kernel's for their packets. Whoever else is at work on the machine is not counted, but takes
 * from the rates: where that is too much, a run is made again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/table.h"
#include "bench/tcp_load.h"
#include "bench/tcp_world.h"
#include "config/mem.h"

#define FAILED_MAX  0.01	/* share of connections; more is not what was to be measured */
#define FOREIGN_MAX 0.1		/* share of the CPUs' time that others may have in a run */
#define AGAIN_MAX   8		/* runs of a round that are made again because they had more */

/* What is measured of each subject, in turn. */
struct matter {
	const char *name;	/* in figures */
	const char *title;
	enum tcp_wish wish;
	unsigned int parallel;
	enum tcp_link link;
	bool offload;		/* of the client's end: what no wire would do */
};

static const struct matter matters[] = {
	{ "new", "New connections", TCP_ANSWER, 128, TCP_VETH, false },
	{ "down.1", "Download, 1 stream", TCP_DOWNLOAD, 1, TCP_VETH, false },
	{ "down.8", "Download, 8 streams", TCP_DOWNLOAD, 8, TCP_VETH, false },
	{ "up.1", "Upload, 1 stream", TCP_UPLOAD, 1, TCP_VETH, false },
	{ "up.8", "Upload, 8 streams", TCP_UPLOAD, 8, TCP_VETH, false },
	{ "up_wire.1", "Upload, 1 stream, frames as from a NIC", TCP_UPLOAD, 1, TCP_WIRE, false },
	{ "up_wire.8", "Upload, 8 streams, frames as from a NIC", TCP_UPLOAD, 8, TCP_WIRE, false },
	{ "up_offload.8", "Upload, 8 streams, client's offloads on", TCP_UPLOAD, 8,
	  TCP_VETH, true },
};

#define MATTERS (sizeof(matters) / sizeof(matters[0]))

static bool matter_has(const struct matter *matter, const struct tcp_subject *subject)
{
	return subject->link == matter->link && !(matter->offload && subject->by_xdp) &&
	       !(matter->wish != TCP_ANSWER && subject->rules_only);
}

/* The subject of that name whose figures a matter has. */
static size_t subject_of(const struct matter *matter, const char *name)
{
	for (size_t s = 0; s < tcp_subject_count; s++)
		if (matter_has(matter, &tcp_subjects[s]) && !strcmp(tcp_subjects[s].name, name))
			return s;
	abort();
}

struct outcome {
	struct samples rate, cpu;	/* 1/s and us of each; Gbit/s and s of each Gbit */
};

struct tcp_bench {
	const struct pace *pace;
	unsigned int again;	/* how many more may be */
	struct tcp_world worlds[TCP_SUBJECTS_MAX];
	struct outcome outcomes[MATTERS][TCP_SUBJECTS_MAX];
};

/* ---- runs ------------------------------------------------------------------------------------ */

static int matter_run(struct tcp_bench *bench, const struct matter *matter,
		      const struct tcp_world *world, struct outcome *outcome, struct diag *diag)
{
	static const unsigned int run_ms[EXTENTS][2] = {
		[QUICK] = { 100, 60 }, [USUAL] = { 500, 220 }, [FULL] = { 1500, 1000 },
	};
	bool bulk = matter->wish != TCP_ANSWER;
	const struct tcp_load load = {
		.wish = matter->wish, .parallel = matter->parallel, .targets = world->targets,
		.target_count = world->target_count, .port = world->port, .warm_ms = 60,
		.run_ms = run_ms[bench->pace->extent][bulk], .served = world->served,
		.served_count = TCP_BACKENDS, .others = world->pids,
		.other_count = world->pid_count,
	};
	struct tcp_result result = { 0 };
	int err = tcp_load_run(&world->client, &load, &result);

	if (!err && result.foreign > FOREIGN_MAX && bench->again) {
		bench->again--;
		err = tcp_load_run(&world->client, &load, &result);
	}
	if (!err && !bulk && result.failed > FAILED_MAX * result.rate * load.run_ms / 1000)
		err = -EPROTO;
	if (err) {
		diag_add(diag, NULL, 0, "%s, %s: %s (%llu connections failed)", matter->title,
			 world->subject->title, strerror(-err),
			 (unsigned long long)result.failed);
		return err;
	}
	samples_add(&outcome->rate, result.rate * (bulk ? 1e-9 : 1));
	samples_add(&outcome->cpu, result.cpu * (bulk ? 1e9 : 1e6));
	return 0;
}

static int round_run(struct tcp_bench *bench, size_t m, struct diag *diag)
{
	const struct matter *matter = &matters[m];
	int err = 0;

	progress("tcp", matter->name);
	for (size_t s = 0; !err && s < tcp_subject_count; s++) {
		const struct tcp_world *world = &bench->worlds[s];

		if (!matter_has(matter, world->subject))
			continue;
		if (matter->offload)
			err = tcp_world_offload(world, true, diag);
		if (!err)
			err = matter_run(bench, matter, world, &bench->outcomes[m][s], diag);
		if (!err && matter->offload)
			err = tcp_world_offload(world, false, diag);
	}
	return err;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Round by round: both were measured within seconds. */
static struct samples ratio_of(const struct samples *ours, const struct samples *other)
{
	struct samples ratio = { 0 };

	for (size_t i = 0; i < ours->count; i++)
		samples_add(&ratio, ours->values[i] / other->values[i]);
	return ratio;
}

/* What the balancer adds to what a connection costs without one, in us. */
static void added_add(const struct outcome *ours, const struct outcome *routed, const char *name,
		      struct report *report)
{
	struct samples added = { 0 };

	for (size_t i = 0; i < ours->cpu.count; i++)
		samples_add(&added, ours->cpu.values[i] - routed->cpu.values[i]);
	report_add(report, &added, "us", "tcp.new.%s.added", name);
}

static void figures_add(const struct tcp_bench *bench, size_t m, struct report *report)
{
	const struct matter *matter = &matters[m];
	bool bulk = matter->wish != TCP_ANSWER;
	size_t routed = subject_of(matter, "routed");
	size_t reference = bulk ? routed : subject_of(matter, "haproxy");
	const struct outcome *other = &bench->outcomes[m][reference];

	for (size_t s = 0; s < tcp_subject_count; s++) {
		const struct outcome *ours = &bench->outcomes[m][s];
		const char *name = tcp_subjects[s].name;
		struct samples rates, cpus;

		if (!matter_has(matter, &tcp_subjects[s]))
			continue;
		report_add(report, &ours->rate, bulk ? "Gbit/s" : "1/s", "tcp.%s.%s.rate",
			   matter->name, name);
		report_add(report, &ours->cpu, bulk ? "s/Gbit" : "us", "tcp.%s.%s.cpu",
			   matter->name, name);
		if (!bulk && s != routed)
			added_add(ours, &bench->outcomes[m][routed], name, report);
		if (s == reference)
			continue;
		rates = ratio_of(&ours->rate, &other->rate);
		cpus = ratio_of(&ours->cpu, &other->cpu);
		report_add(report, &rates, "ratio", "tcp.%s.%s.rate_ratio", matter->name, name);
		report_add(report, &cpus, "ratio", "tcp.%s.%s.cpu_ratio", matter->name, name);
	}
}

static int tcp_measure(const struct pace *pace, const struct ground *ground,
		       struct report *report, struct diag *diag)
{
	struct tcp_bench *bench = mem_must(calloc(1, sizeof(*bench)));
	int err = 0;

	(void)ground;
	bench->pace = pace;
	for (size_t s = 0; !err && s < tcp_subject_count; s++) {
		progress("tcp", tcp_subjects[s].name);
		err = tcp_world_make(&tcp_subjects[s], &bench->worlds[s], diag);
	}
	for (size_t round = 0; round < pace->rounds; round++) {
		bench->again = pace->extent == QUICK ? 0 : AGAIN_MAX;
		for (size_t m = 0; !err && m < MATTERS; m++)
			err = round_run(bench, m, diag);
	}
	for (size_t m = 0; !err && m < MATTERS; m++)
		figures_add(bench, m, report);
	for (size_t s = 0; s < tcp_subject_count; s++)
		tcp_world_unmake(&bench->worlds[s]);
	free(bench);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void tcp_print(const struct report *report, FILE *to)
{
	fputs("\nTCP: clients, balancer and containers on all CPUs, and the CPU time of all of "
	      "them\n", to);
	for (size_t m = 0; m < MATTERS; m++) {
		const struct matter *matter = &matters[m];
		bool bulk = matter->wish != TCP_ANSWER;

		fprintf(to, "\n%-44s %12s %16s %8s %8s%s\n", matter->title,
			bulk ? "Gbit/s" : "a second", bulk ? "CPU s/Gbit" : "CPU us each",
			bulk ? "/routed" : "/HAProxy", "its CPU", bulk ? "" : " us added");
		for (size_t s = 0; s < tcp_subject_count; s++) {
			const char *name = tcp_subjects[s].name;

			if (!matter_has(matter, &tcp_subjects[s]))
				continue;
			fprintf(to, "  %-42s ", tcp_subjects[s].title);
			cell_print(report_find(report, "tcp.%s.%s.rate", matter->name, name), 12,
				   bulk ? 2 : 0, to);
			cell_print(report_find(report, "tcp.%s.%s.cpu", matter->name, name), 17,
				   bulk ? 3 : 1, to);
			cell_print(report_find(report, "tcp.%s.%s.rate_ratio", matter->name,
					       name), 9, 2, to);
			cell_print(report_find(report, "tcp.%s.%s.cpu_ratio", matter->name, name),
				   9, 2, to);
			if (!bulk)
				cell_print(report_find(report, "tcp.new.%s.added", name), 9, 1,
					   to);
			fputc('\n', to);
		}
	}
}

const struct part tcp_part = {
	.name = "tcp",
	.help = "TCP connections and throughput, beside what else would balance them",
	.pace = { [QUICK] = { .rounds = 1 }, [USUAL] = { .rounds = 5 }, [FULL] = { .rounds = 9 } },
	.measure = tcp_measure,
	.print = tcp_print,
};
