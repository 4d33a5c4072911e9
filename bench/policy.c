/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What isolation costs: a packet, by the kernel's clock around each program (policy_skb.h); a
 * connect() and a datagram, with all of it attached and without, in turns; and the list itself:
 * compiled, swapped, patched, and the end of 9,000 connections that a new rule forbids. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "bench/bench.h"
#include "bench/policy_rules.h"
#include "bench/policy_skb.h"
#include "bench/table.h"
#include "config/mem.h"
#include "policy/cut.h"

#define CONNECTS 400 /* of a round */
#define SENDS 4000
#define LISTS 4 /* rounds, at most */
#define CUT 9000

enum { FRONT, NOBODY, OUTSIDE, TALKERS };

static const struct skb_case {
	const char *name, *title;
	int talker;
	enum talk talk;
} skb_cases[] = {
	{ "none", "a socket in no group", NOBODY, TALK_PEER },
	{ "tcp", "an allowed TCP connection", FRONT, TALK_TCP },
	{ "peer", "datagrams, one peer", FRONT, TALK_PEER },
	{ "known", "datagrams, 4,096 known peers", FRONT, TALK_KNOWN },
	{ "new", "first datagrams of new flows", FRONT, TALK_NEW },
};

static const struct call_case {
	const char *name, *title;
	int talker;
	enum talk talk;
	unsigned int count;
} call_cases[] = {
	{ "connect.world", "connect(), group to a prefix", FRONT, TALK_CONNECT, CONNECTS },
	{ "connect.db", "connect(), group to group", FRONT, TALK_CONNECT_DB, CONNECTS },
	{ "connect.nobody", "connect(), in no group beside them", NOBODY, TALK_CONNECT, CONNECTS },
	{ "connect.outside", "connect(), cgroup elsewhere", OUTSIDE, TALK_CONNECT, CONNECTS },
	{ "send.front", "sendto(), group to one peer", FRONT, TALK_SEND, SENDS },
	{ "send.nobody", "sendto(), in no group beside them", NOBODY, TALK_SEND, SENDS },
	{ "send.outside", "sendto(), cgroup elsewhere", OUTSIDE, TALK_SEND, SENDS },
};

static const char *const list_names[] = { "compile", "swap", "patch", "cut" };
static const char *const list_titles[] = {
	"20,000 prefixes, 303 containers compiled", "and put in force, both halves in turn",
	"a container more, compiled and in force",
	"a rule in force, and 9,000 connections ended",
};

#define SKB_CASES  (sizeof(skb_cases) / sizeof(skb_cases[0]))
#define CALL_CASES (sizeof(call_cases) / sizeof(call_cases[0]))
enum { COMPILE, SWAP, PATCH, CUTTING, LIST_FIGURES };

struct policy_bench {
	struct policy_lab lab;
	struct talker talkers[TALKERS];
	struct samples skb[SKB_CASES][SKB_PROGRAMS];
	struct samples calls[CALL_CASES][2];	/* by whether it was attached */
	struct samples lists[LIST_FIGURES];
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int failed(const char *what, int err, struct diag *diag)
{
	if (err)
		diag_add(diag, NULL, 0, "policy, %s: %s", what, strerror(-err));
	return err;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* The config is read outside of the time: that is measured in `control`. */
static int list_put(struct policy_bench *bench, enum rules_kind kind, double *ret_compile_ms,
		    double *ret_swap_ms, struct diag *diag)
{
	_cleanup_config_ struct config *config = NULL;
	struct policy_tables *tables = NULL;
	int err = rules_make(kind, &config, diag);
	double began = now_ms();

	if (!err)
		err = policy_compile(config, &bench->lab.subjects, &tables, diag);
	if (err)
		return err;
	*ret_compile_ms = now_ms() - began;
	if (tables->prefix_count < RULES_PREFIXES)
		err = failed("prefixes", -EPROTO, diag);
	began = now_ms();
	if (!err)
		err = lab_apply(&bench->lab, tables, diag);
	*ret_swap_ms = now_ms() - began;
	if (err)
		policy_tables_free(tables);
	return err;
}

static int lists_round(struct policy_bench *bench, struct diag *diag)
{
	double compile = 0, swap = 0, more[2] = { 0 };
	int err = list_put(bench, RULES_OTHER, &compile, &swap, diag);

	if (!err)
		err = list_put(bench, RULES_FIRST, &compile, &swap, diag);
	if (err)
		return err;
	samples_add(&bench->lists[COMPILE], compile);
	samples_add(&bench->lists[SWAP], swap);
	rules_subjects_known(&bench->lab.subjects, RULES_KNOWN, 1);
	err = list_put(bench, RULES_FIRST, &more[0], &more[1], diag);
	samples_add(&bench->lists[PATCH], more[0] + more[1]);
	rules_subject_drop(&bench->lab.subjects);
	return err ? err : list_put(bench, RULES_FIRST, &compile, &swap, diag);
}

/* From the moment in which the rule is compiled. */
static int cut_round(struct policy_bench *bench, struct diag *diag)
{
	const struct talker *front = &bench->talkers[FRONT];
	struct policy_cut cut = { 0 };
	double ns, compile = 0, swap = 0, began;
	int err = failed("connections", talker_do(front, TALK_OPEN, CUT, &ns), diag);

	if (!err)
		err = list_put(bench, RULES_CUT, &compile, &swap, diag);
	began = now_ms();
	if (!err)
		err = policy_cut(bench->lab.kernel, bench->lab.tables, &bench->lab.subjects, NULL,
				 NULL, &cut, diag);
	samples_add(&bench->lists[CUTTING], swap + now_ms() - began);
	if (!err && cut.cut != CUT)
		err = failed("connections that were to be cut", -EPROTO, diag);
	if (!err)
		err = failed("their end", talker_do(front, TALK_CLOSE, 0, &ns), diag);
	return err ? err : list_put(bench, RULES_FIRST, &compile, &swap, diag);
}

static int lists_measure(struct policy_bench *bench, unsigned int rounds, struct diag *diag)
{
	int err = 0;

	progress("policy", "lists");
	for (unsigned int i = 0; !err && i < rounds && i < LISTS; i++)
		err = lists_round(bench, diag);
	for (unsigned int i = 0; !err && i < (rounds + 2) / 3 && i < LISTS; i++)
		err = cut_round(bench, diag);
	return err;
}

/* ---- packets --------------------------------------------------------------------------------- */

static int skb_measure_all(struct policy_bench *bench, const struct pace *pace, struct diag *diag)
{
	struct skb_watch watch;
	int err = skb_watch_begin(&bench->lab, &watch, diag);

	if (err)
		return err;
	for (unsigned int round = 0; !err && round < pace->rounds; round++)
		for (size_t c = 0; !err && c < SKB_CASES; c++) {
			const struct skb_case *its = &skb_cases[c];
			double ns[SKB_PROGRAMS];

			progress("policy", its->title);
			err = failed(its->title,
				     skb_measure(&watch, &bench->talkers[its->talker], its->talk,
						 pace->packets, ns), diag);
			for (int p = 0; !err && p < SKB_PROGRAMS; p++)
				samples_add(&bench->skb[c][p], ns[p]);
		}
	skb_watch_end(&watch);
	return err;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int calls_round(struct policy_bench *bench, bool attached, struct diag *diag)
{
	int err = lab_attach(&bench->lab, attached, diag);

	for (size_t c = 0; !err && c < CALL_CASES; c++) {
		const struct call_case *its = &call_cases[c];
		const struct talker *talker = &bench->talkers[its->talker];
		double ns;

		progress("policy", its->title);
		err = talker_do(talker, its->talk, its->count / 10, &ns); /* until it is at home */
		if (!err)
			err = talker_do(talker, its->talk, its->count, &ns);
		if (!err)
			samples_add(&bench->calls[c][attached], ns);
		err = failed(its->title, err, diag);
	}
	return err;
}

static int calls_measure(struct policy_bench *bench, unsigned int rounds, struct diag *diag)
{
	int err = 0;

	for (unsigned int round = 0; !err && round < rounds; round++) {
		err = calls_round(bench, round & 1, diag);
		if (!err)
			err = calls_round(bench, !(round & 1), diag);
	}
	return err ? err : lab_attach(&bench->lab, true, diag);
}

/* ---- figures --------------------------------------------------------------------------------- */

static void added_report(struct report *report, const struct samples *program,
			 const struct samples *empty, const char *name, const char *way)
{
	struct samples added = { 0 };

	for (size_t i = 0; i < program->count; i++)
		samples_add(&added, program->values[i] - empty->values[i]);
	report_add(report, &added, "ns", "policy.%s.%s.added", way, name);
}

static void figures_add(const struct policy_bench *bench, struct report *report)
{
	for (size_t c = 0; c < SKB_CASES; c++) {
		const struct samples *skb = bench->skb[c];
		const char *name = skb_cases[c].name;

		report_add(report, &skb[SKB_EMPTY_OUT], "ns", "policy.egress.%s.empty", name);
		report_add(report, &skb[SKB_EMPTY_IN], "ns", "policy.ingress.%s.empty", name);
		added_report(report, &skb[SKB_EGRESS], &skb[SKB_EMPTY_OUT], name, "egress");
		added_report(report, &skb[SKB_INGRESS], &skb[SKB_EMPTY_IN], name, "ingress");
		if (skb_cases[c].talker == FRONT)
			added_report(report, &skb[SKB_BACKSTOP], &skb[SKB_EMPTY_OUT], name,
				     "backstop");
	}
	for (size_t c = 0; c < CALL_CASES; c++) {
		const struct samples *off = &bench->calls[c][0], *on = &bench->calls[c][1];
		struct samples ratio = { 0 };

		for (size_t i = 0; i < off->count; i++)
			samples_add(&ratio, on->values[i] / off->values[i]);
		report_add(report, off, "ns", "policy.%s.off", call_cases[c].name);
		report_add(report, on, "ns", "policy.%s.on", call_cases[c].name);
		report_add(report, &ratio, "ratio", "policy.%s.ratio", call_cases[c].name);
	}
	for (int i = 0; i < LIST_FIGURES; i++)
		report_add(report, &bench->lists[i], "ms", "policy.list.%s", list_names[i]);
}

static int talkers_measure(struct policy_bench *bench, const struct pace *pace, struct diag *diag)
{
	static const enum lab_who whos[] = { LAB_FRONT, LAB_NOBODY, LAB_OUTSIDE };
	double compile, swap;
	int err = list_put(bench, RULES_FIRST, &compile, &swap, diag);

	if (!err)
		err = lab_attach(&bench->lab, true, diag);
	for (int i = 0; !err && i < TALKERS; i++)
		err = failed("containers", talker_start(&bench->lab, whos[i], &bench->talkers[i]),
			     diag);
	if (!err)
		err = skb_measure_all(bench, pace, diag);
	if (!err)
		err = calls_measure(bench, pace->rounds, diag);
	if (!err)
		err = lists_measure(bench, pace->rounds, diag);
	for (int i = 0; i < TALKERS; i++)
		talker_end(&bench->talkers[i]);
	return err;
}

static int policy_measure(const struct pace *pace, const struct ground *ground,
			  struct report *report, struct diag *diag)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* what it says of a qdisc to be made */
	struct policy_bench *bench = mem_array(1, sizeof(*bench));
	int err = lab_make(ground, &bench->lab, diag);

	if (!err) {
		err = talkers_measure(bench, pace, diag);
		lab_unmake(&bench->lab);
	}
	if (!err)
		figures_add(bench, report);
	free(bench);
	libbpf_set_print(print);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void policy_print(const struct report *report, FILE *to)
{
	fprintf(to,
		"\nIsolation with %d prefixes: ns a packet over an empty program, by the kernel's "
		"clock while sockets talk\n\n%-42s %10s %10s %10s\n",
		RULES_PREFIXES, "", "egress", "ingress", "backstop");
	for (size_t c = 0; c < SKB_CASES; c++) {
		static const char *const ways[] = { "egress", "ingress", "backstop" };

		fprintf(to, "  %-40s", skb_cases[c].title);
		for (int w = 0; w < 3; w++)
			cell_print(report_find(report, "policy.%s.%s.added", ways[w],
					       skb_cases[c].name), 11, 1, to);
		fputc('\n', to);
	}
	fprintf(to, "\n%-42s %10s %10s %10s %10s\n", "ns a call", "without", "with", "ratio",
		"spread");
	for (size_t c = 0; c < CALL_CASES; c++) {
		const char *name = call_cases[c].name;
		const struct figure *ratio = report_find(report, "policy.%s.ratio", name);

		fprintf(to, "  %-40s", call_cases[c].title);
		cell_print(report_find(report, "policy.%s.off", name), 11, 0, to);
		cell_print(report_find(report, "policy.%s.on", name), 11, 0, to);
		cell_print(ratio, 11, 3, to);
		fprintf(to, "%11.3f\n", ratio ? ratio->spread : 0);
	}
	fprintf(to, "\n%-42s %10s\n", "The list", "ms");
	for (int i = 0; i < LIST_FIGURES; i++) {
		fprintf(to, "  %-40s", list_titles[i]);
		cell_print(report_find(report, "policy.list.%s", list_names[i]), 15, 1, to);
		fputc('\n', to);
	}
}

const struct part policy_part = {
	.name = "policy",
	.help = "isolation: a packet, connect(), and the list, with 20,000 prefixes",
	.pace = { [QUICK] = { .rounds = 3, .packets = 8192 },
		  [USUAL] = { .rounds = 15, .packets = 16384 },
		  [FULL] = { .rounds = 41, .packets = 32768 } },
	.measure = policy_measure,
	.print = policy_print,
};
