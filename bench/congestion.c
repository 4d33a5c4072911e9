/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `congestion = "adaptive"` of policy.tcp is worth (policy/adaptive.h is its rule): bytes that
 * come through on ways of several round trips and losses, with cubic, with bbr, and in a group that
 * is adaptive, after it has learned its destinations by connections of its own. One connection on
 * each way, all ways at once: what they share is the CPUs, which have more than enough for them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/path_load.h"
#include "bench/table.h"

static const struct path paths_usual[] = {
	{ 1, 0 }, { 1, 5 }, { 1, 20 }, { 20, 0 }, { 20, 5 }, { 20, 20 }, { 80, 0 }, { 80, 5 },
	{ 80, 20 },
};
static const struct path paths_quick[] = { { 1, 0 }, { 1, 20 }, { 80, 0 }, { 80, 20 } };

#define LATE_MOST_NS 20000000	/* of the relay: more is another way than was to be measured */
#define AGAIN_MAX 2		/* runs that are made again because it was later */
#define LESSONS 3	/* connections to each destination before the first that counts */

enum subject { CUBIC, BBR, ADAPTIVE, SUBJECTS };
static const char *const subject_names[SUBJECTS] = { "cubic", "bbr", "adaptive" };

struct congestion_bench {
	struct paths paths;
	struct tuned tuned;
	unsigned int run_ms;
	unsigned int again;	/* how many more may be */
	struct samples mbit[PATHS_MAX][SUBJECTS];
	struct samples bbr[PATHS_MAX];	/* 1 in rounds in which adaptive had it */
};

static int run(struct congestion_bench *bench, enum subject subject,
	       struct path_result *ret_result, struct diag *diag)
{
	const struct path_load load = {
		.paths = &bench->paths, .run_ms = bench->run_ms,
		.congestion = subject == ADAPTIVE ? NULL : subject_names[subject],
		.tuned = subject == ADAPTIVE ? &bench->tuned : NULL,
	};
	int err;

	progress("congestion", subject_names[subject]);
	*bench->paths.late_ns = 0;
	err = path_load_run(&load, ret_result);
	while (!err && *bench->paths.late_ns > LATE_MOST_NS && bench->again) {
		bench->again--;
		*bench->paths.late_ns = 0;
		err = path_load_run(&load, ret_result);
	}
	if (err)
		diag_add(diag, NULL, 0, "congestion, %s: %s", subject_names[subject],
			 strerror(-err));
	return err;
}

static int round_run(struct congestion_bench *bench, struct diag *diag)
{
	int err = 0;

	for (int s = 0; !err && s < SUBJECTS; s++) {
		struct path_result result;

		err = run(bench, s, &result, diag);
		for (size_t i = 0; !err && i < bench->paths.count; i++) {
			bool as_asked = !strcmp(result.congestion[i], subject_names[s]);

			samples_add(&bench->mbit[i][s], result.mbit[i]);
			if (s == ADAPTIVE)
				samples_add(&bench->bbr[i], !strcmp(result.congestion[i], "bbr"));
			else if (!as_asked)
				err = -EPROTO;
		}
	}
	return err;
}

static int rounds_run(struct congestion_bench *bench, unsigned int rounds, struct diag *diag)
{
	struct path_result result;
	int err = 0;

	for (int i = 0; !err && i < LESSONS; i++)
		err = run(bench, ADAPTIVE, &result, diag);
	for (unsigned int i = 0; !err && i < rounds; i++)
		err = round_run(bench, diag);
	return err;
}

/* By round: adaptive to cubic, and to the better of both. */
static void figures_add(const struct congestion_bench *bench, size_t number,
			struct report *report)
{
	const struct path *path = &bench->paths.path[number];
	const struct samples *mbit = bench->mbit[number];
	struct samples to_better = { 0 }, to_cubic = { 0 };

	for (size_t i = 0; i < mbit[ADAPTIVE].count; i++) {
		double cubic = mbit[CUBIC].values[i], bbr = mbit[BBR].values[i];

		samples_add(&to_better, mbit[ADAPTIVE].values[i] / (cubic > bbr ? cubic : bbr));
		samples_add(&to_cubic, mbit[ADAPTIVE].values[i] / cubic);
	}
	for (int s = 0; s < SUBJECTS; s++)
		report_add(report, &mbit[s], "Mbit/s", "congestion.%ums.%u.%s", path->rtt_ms,
			   path->loss, subject_names[s]);
	report_add(report, &bench->bbr[number], "share", "congestion.%ums.%u.bbr_share",
		   path->rtt_ms, path->loss);
	report_add(report, &to_better, "ratio", "congestion.%ums.%u.to_better", path->rtt_ms,
		   path->loss);
	report_add(report, &to_cubic, "ratio", "congestion.%ums.%u.to_cubic", path->rtt_ms,
		   path->loss);
}

static int congestion_measure(const struct pace *pace, const struct ground *ground,
			      struct report *report, struct diag *diag)
{
	static const unsigned int run_ms[EXTENTS] = { 1500, 2500, 8000 };
	const struct policy_tcp tuning = { .adaptive = 1 };
	struct congestion_bench bench = { .run_ms = run_ms[pace->extent],
					  .again = AGAIN_MAX };
	bool quick = pace->extent == QUICK;
	int err = paths_make(quick ? paths_quick : paths_usual,
			     quick ? sizeof(paths_quick) / sizeof(paths_quick[0]) :
				     sizeof(paths_usual) / sizeof(paths_usual[0]),
			     &bench.paths, diag);

	(void)ground;
	if (err)
		return err;
	err = tuned_make(&tuning, &bench.tuned, diag);
	if (!err) {
		err = rounds_run(&bench, pace->rounds, diag);
		tuned_unmake(&bench.tuned);
	}
	for (size_t i = 0; !err && i < bench.paths.count; i++)
		figures_add(&bench, i, report);
	paths_unmake(&bench.paths);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void congestion_print(const struct report *report, FILE *to)
{
	static const char *const columns[] = { "cubic", "bbr", "adaptive", "bbr_share",
					       "to_cubic", "to_better" };

	fprintf(to, "\nCongestion control by destination: Mbit/s of data through %u Mbit/s with %u "
		    "ms of queue\n\n%-30s %10s %10s %10s %10s %10s %10s\n",
		PATH_MBIT, PATH_QUEUE_MS, "Round trip, loss", "cubic", "bbr", "adaptive",
		"by bbr", "/cubic", "/better");
	for (size_t i = 0; i < sizeof(paths_usual) / sizeof(paths_usual[0]); i++) {
		const struct path *path = &paths_usual[i];

		if (!report_find(report, "congestion.%ums.%u.cubic", path->rtt_ms, path->loss))
			continue;
		fprintf(to, "  %2u ms, %3.1f%%                  ", path->rtt_ms, path->loss / 10.0);
		for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++)
			cell_print(report_find(report, "congestion.%ums.%u.%s", path->rtt_ms,
					       path->loss, columns[c]), 11, 2, to);
		fputc('\n', to);
	}
}

const struct part congestion_part = {
	.name = "congestion",
	.help = "TCP over long and lossy ways: cubic, bbr, and a group's adaptive choice",
	.pace = { [QUICK] = { .rounds = 1 }, [USUAL] = { .rounds = 2 }, [FULL] = { .rounds = 5 } },
	.measure = congestion_measure,
	.print = congestion_print,
};
