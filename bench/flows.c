/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it costs to see flows: a packet, by the kernel's clock around each program beside an empty
 * one (as bench/policy_skb.h has it), and connect(), a datagram and whole connections with all of
 * it attached and with nothing, in turns. The containers are those of isolation's lab, without
 * it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/policy_load.h"
#include "bench/table.h"
#include "config/mem.h"
#include "policy/flows.h"

#define PIN	GROUND_BPFFS "/flows-bench"
#define CONNECTS 400 /* of a round */
#define SENDS	4000

enum way { EGRESS, INGRESS, WAYS };
static const char *const way_names[WAYS] = { "egress", "ingress" };

static const struct seen_case {
	const char *name, *title;
	enum talk talk;
} seen_cases[] = {
	{ "tcp", "an established TCP connection", TALK_TCP },
	{ "peer", "datagrams, the last peer", TALK_PEER },
	{ "known", "datagrams, 4,096 peers in turn", TALK_KNOWN },
	{ "new", "first datagrams of new flows", TALK_NEW },
};

static const struct call_case {
	const char *name, *title;
	enum talk talk;
	unsigned int count;
} call_cases[] = {
	{ "connect", "connect()", TALK_CONNECT, CONNECTS },
	{ "send", "sendto(), one peer", TALK_SEND, SENDS },
};

#define SEEN_CASES (sizeof(seen_cases) / sizeof(seen_cases[0]))
#define CALL_CASES (sizeof(call_cases) / sizeof(call_cases[0]))

struct spent {
	uint64_t ns, runs;
};

struct flows_bench {
	struct policy_lab lab;
	struct talker talker;
	struct flow_kernel *kernel;
	struct flow_record *records;
	size_t record_count;
	int programs[WAYS], empty[WAYS], empty_links[WAYS];
	struct samples seen[SEEN_CASES][WAYS][2]; /* the empty one's, and what ours adds */
	struct samples calls[CALL_CASES][2], pairs[2]; /* by whether it was attached */
};

static int failed(const char *what, int err, struct diag *diag)
{
	if (err)
		diag_add(diag, NULL, 0, "flows, %s: %s", what, strerror(-err));
	return err;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the programs ---------------------------------------------------------------------------- */

static int attach(struct flows_bench *bench, bool attached, struct diag *diag)
{
	const char *const cgroups[] = { lab_parent() };

	return flow_kernel_attach(bench->kernel, cgroups, attached, diag);
}

static int program_of(const char *name, uint64_t cgroup)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);
	char path[PATH_MAX];
	int link, fd;

	snprintf(path, sizeof(path), PIN "/flows/links/flow_%s-%" PRIx64, name, cgroup);
	link = bpf_obj_get(path);
	if (link < 0)
		return link;
	fd = bpf_obj_get_info_by_fd(link, &info, &size);
	if (!fd)
		fd = bpf_prog_get_fd_by_id(info.prog_id);
	close(link);
	return fd;
}

static int empty_attach(struct flows_bench *bench, enum way way, int cgroup)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	enum bpf_attach_type type = way == EGRESS ? BPF_CGROUP_INET_EGRESS :
						    BPF_CGROUP_INET_INGRESS;
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);

	bench->empty[way] = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "empty", "GPL", pass, 2,
					  &options);
	if (bench->empty[way] < 0)
		return bench->empty[way];
	bench->empty_links[way] = bpf_link_create(bench->empty[way], cgroup, type, NULL);
	return bench->empty_links[way] < 0 ? bench->empty_links[way] : 0;
}

static int programs_begin(struct flows_bench *bench, struct diag *diag)
{
	int cgroup = lab_open_parent(), err = cgroup < 0 ? cgroup : 0;

	if (!err)
		err = attach(bench, true, diag);
	for (int way = 0; !err && way < WAYS; way++) {
		bench->programs[way] = program_of(way_names[way],
						  bench->lab.subjects.parents[0]);
		err = bench->programs[way] < 0 ? bench->programs[way] :
						 empty_attach(bench, way, cgroup);
	}
	if (cgroup >= 0)
		close(cgroup);
	return failed("programs", err, diag);
}

static void programs_end(struct flows_bench *bench)
{
	for (int way = 0; way < WAYS; way++) {
		if (bench->programs[way] >= 0)
			close(bench->programs[way]);
		if (bench->empty[way] >= 0)
			close(bench->empty[way]);
		if (bench->empty_links[way] >= 0)
			close(bench->empty_links[way]);
	}
}

/* ---- packets --------------------------------------------------------------------------------- */

static int spent_read(int program, struct spent *ret_spent)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(program, &info, &size);

	*ret_spent = (struct spent){ info.run_time_ns, info.run_cnt };
	return err;
}

static int all_spent_read(const struct flows_bench *bench, struct spent ret_spent[WAYS][2])
{
	int err = 0;

	for (int way = 0; !err && way < WAYS; way++) {
		err = spent_read(bench->empty[way], &ret_spent[way][0]);
		if (!err)
			err = spent_read(bench->programs[way], &ret_spent[way][1]);
	}
	return err;
}

/* How many datagrams stand in records, and in how many. */
static uint64_t recorded(const struct flows_bench *bench, size_t *ret_flows)
{
	uint64_t packets = 0;

	*ret_flows = 0;
	for (size_t i = 0; i < bench->record_count; i++) {
		const struct flow *flow = &bench->records[i].flow;

		if (flow->life != FLOW_LIVE || flow->protocol != IPPROTO_UDP)
			continue;
		packets += flow->packets_in + flow->packets_out;
		++*ret_flows;
	}
	return packets;
}

static void records_empty(struct flows_bench *bench)
{
	uint32_t sample;

	for (size_t i = 0; i < bench->record_count; i++)
		if (bench->records[i].flow.protocol == IPPROTO_UDP)
			flow_kernel_disown(bench->kernel, i, FLOW_IDLE);
	flow_kernel_sample(bench->kernel, &sample);
	for (size_t i = 0; i < bench->record_count; i++)
		flow_kernel_free(bench->kernel, i);
	flow_kernel_sample(bench->kernel, &sample);
}

/* Each packet stands in a record, those of new flows in one of their own: or other packets were
 * seen than were to be measured. */
static int case_check(const struct flows_bench *bench, const struct seen_case *its,
		      unsigned int count, uint64_t before, size_t flows_before)
{
	size_t flows;
	uint64_t packets = recorded(bench, &flows) - before;

	if (its->talk == TALK_TCP)
		return 0;
	if (packets != 2 * (uint64_t)count)
		return -EPROTO;
	if (flows - flows_before != (its->talk == TALK_NEW ? 2 * (size_t)count : 0))
		return -EPROTO;
	return 0;
}

static int case_measure(struct flows_bench *bench, size_t c, unsigned int count)
{
	const struct seen_case *its = &seen_cases[c];
	struct spent before[WAYS][2], after[WAYS][2];
	uint64_t packets;
	size_t flows;
	double ns;
	int err = 0;

	records_empty(bench);
	if (its->talk != TALK_NEW) /* until what can be known is */
		err = talker_do(&bench->talker, its->talk, TALK_PEERS, &ns);
	packets = recorded(bench, &flows);
	if (!err)
		err = all_spent_read(bench, before);
	if (!err)
		err = talker_do(&bench->talker, its->talk, count, &ns);
	if (!err)
		err = all_spent_read(bench, after);
	if (!err)
		err = case_check(bench, its, count, packets, flows);
	for (int way = 0; !err && way < WAYS; way++) {
		double each[2];

		for (int i = 0; i < 2; i++) {
			uint64_t runs = after[way][i].runs - before[way][i].runs;

			if (runs < count)
				return -EPROTO;
			each[i] = (double)(after[way][i].ns - before[way][i].ns) / (double)runs;
		}
		samples_add(&bench->seen[c][way][0], each[0]);
		samples_add(&bench->seen[c][way][1], each[1] - each[0]);
	}
	return err;
}

static int packets_measure(struct flows_bench *bench, const struct pace *pace, struct diag *diag)
{
	int err = programs_begin(bench, diag), stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (!err && stats < 0)
		err = failed("the kernel's clock", stats, diag);
	for (unsigned int round = 0; !err && round < pace->rounds; round++)
		for (size_t c = 0; !err && c < SEEN_CASES; c++) {
			progress("flows", seen_cases[c].title);
			err = failed(seen_cases[c].title, case_measure(bench, c, pace->packets),
				     diag);
		}
	if (stats >= 0)
		close(stats);
	programs_end(bench);
	return err;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int calls_round(struct flows_bench *bench, bool attached, struct diag *diag)
{
	int err = attach(bench, attached, diag);
	double ns, began;

	for (size_t c = 0; !err && c < CALL_CASES; c++) {
		const struct call_case *its = &call_cases[c];

		progress("flows", its->title);
		records_empty(bench);
		err = talker_do(&bench->talker, its->talk, its->count / 10, &ns);
		began = now_s();
		if (!err)
			err = talker_do(&bench->talker, its->talk, its->count, &ns);
		if (!err)
			samples_add(&bench->calls[c][attached], ns);
		if (!err && its->talk == TALK_CONNECT)
			samples_add(&bench->pairs[attached], its->count / (now_s() - began));
		err = failed(its->title, err, diag);
	}
	return err;
}

static int calls_measure(struct flows_bench *bench, unsigned int rounds, struct diag *diag)
{
	int err = 0;

	for (unsigned int round = 0; !err && round < rounds; round++) {
		err = calls_round(bench, round & 1, diag);
		if (!err)
			err = calls_round(bench, !(round & 1), diag);
	}
	return err;
}

/* ---- figures --------------------------------------------------------------------------------- */

static void both_report(struct report *report, const struct samples both[2], const char *unit,
			const char *name)
{
	struct samples ratio = { 0 };

	for (size_t i = 0; i < both[0].count; i++)
		samples_add(&ratio, both[1].values[i] / both[0].values[i]);
	report_add(report, &both[0], unit, "flows.%s.off", name);
	report_add(report, &both[1], unit, "flows.%s.on", name);
	report_add(report, &ratio, "ratio", "flows.%s.ratio", name);
}

static void figures_add(const struct flows_bench *bench, struct report *report)
{
	for (size_t c = 0; c < SEEN_CASES; c++)
		for (int way = 0; way < WAYS; way++) {
			report_add(report, &bench->seen[c][way][0], "ns", "flows.%s.%s.empty",
				   way_names[way], seen_cases[c].name);
			report_add(report, &bench->seen[c][way][1], "ns", "flows.%s.%s.added",
				   way_names[way], seen_cases[c].name);
		}
	for (size_t c = 0; c < CALL_CASES; c++)
		both_report(report, bench->calls[c], "ns", call_cases[c].name);
	both_report(report, bench->pairs, "1/s", "pairs");
}

static int all_measure(struct flows_bench *bench, const struct pace *pace, struct diag *diag)
{
	int err = mkdir(PIN, 0700) ? failed(PIN, -errno, diag) : 0;

	if (!err)
		err = flow_kernel_open(PIN, FLOWS_DEFAULT, &bench->kernel, diag);
	if (err)
		return err;
	bench->records = flow_kernel_records(bench->kernel, &bench->record_count);
	err = failed("a container", talker_start(&bench->lab, LAB_FRONT, &bench->talker), diag);
	if (err)
		return err;
	err = packets_measure(bench, pace, diag);
	if (!err)
		err = calls_measure(bench, pace->rounds, diag);
	talker_end(&bench->talker);
	return err;
}

static int flows_measure(const struct pace *pace, const struct ground *ground,
			 struct report *report, struct diag *diag)
{
	struct flows_bench *bench = mem_array(1, sizeof(*bench));
	int err = lab_make(ground, &bench->lab, diag);

	for (int way = 0; way < WAYS; way++)
		bench->programs[way] = bench->empty[way] = bench->empty_links[way] = -1;
	if (!err) {
		err = all_measure(bench, pace, diag);
		flow_kernel_close(bench->kernel);
		flow_kernel_unload(PIN, diag);
		rmdir(PIN);
		lab_unmake(&bench->lab);
	}
	if (!err)
		figures_add(bench, report);
	free(bench);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void both_print(const struct report *report, const char *title, const char *name, FILE *to)
{
	const struct figure *ratio = report_find(report, "flows.%s.ratio", name);

	fprintf(to, "  %-40s", title);
	cell_print(report_find(report, "flows.%s.off", name), 11, 0, to);
	cell_print(report_find(report, "flows.%s.on", name), 11, 0, to);
	cell_print(ratio, 11, 3, to);
	fprintf(to, "%11.3f\n", ratio ? ratio->spread : 0);
}

static void flows_print(const struct report *report, FILE *to)
{
	fprintf(to,
		"\nFlows: ns a packet over an empty program, by the kernel's clock while sockets "
		"talk\n\n%-42s %10s %10s\n", "", "egress", "ingress");
	for (size_t c = 0; c < SEEN_CASES; c++) {
		fprintf(to, "  %-40s", seen_cases[c].title);
		for (int way = 0; way < WAYS; way++)
			cell_print(report_find(report, "flows.%s.%s.added", way_names[way],
					       seen_cases[c].name), 11, 1, to);
		fputc('\n', to);
	}
	fprintf(to, "\n%-42s %10s %10s %10s %10s\n", "ns a call", "without", "with", "ratio",
		"spread");
	for (size_t c = 0; c < CALL_CASES; c++)
		both_print(report, call_cases[c].title, call_cases[c].name, to);
	both_print(report, "connections a second, begun and ended", "pairs", to);
}

const struct part flows_part = {
	.name = "flows",
	.help = "to see flows: a packet, connect(), and whole connections",
	.pace = { [QUICK] = { .rounds = 3, .packets = 8192 },
		  [USUAL] = { .rounds = 15, .packets = 16384 },
		  [FULL] = { .rounds = 41, .packets = 16384 } },
	.measure = flows_measure,
	.print = flows_print,
};
