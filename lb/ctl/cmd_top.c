/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl top: services, backends and containers with what passes in a second, on a terminal until
 * somebody has seen enough, or a number of times for a file or a script. */
#include <errno.h>
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "config/clock.h"
#include "lb/ctl/ctl.h"
#include "lb/ctl/top_run.h"
#include "lb/ctl/top_text.h"

#define ANSWER_TIMEOUT_MS 10000
#define SNAPSHOTS_MAX 1000000000

struct asked_for {
	struct top_look look;
	unsigned long snapshots;
	bool batch;
};

/* ---- for files and scripts ------------------------------------------------------------------- */

static int failed(const struct ctl *ctl, int error, const char *reason)
{
	_cleanup_diag_ struct diag diag = { 0 };

	diag_add(&diag, NULL, 0, "%s", reason);
	ctl_report(ctl, &diag);
	return error == -ENOTCONN ? CTL_NO_DAEMON : CTL_FAILED;
}

static int take_once(const struct ctl *ctl, const struct client *client, bool containers,
		     struct top *top)
{
	struct top_answer answer;
	int code;

	top_ask(client, containers, &answer);
	if (!answer.error) {
		top_answer_take(&answer, top);
		return CTL_DONE;
	}
	code = failed(ctl, answer.error, answer.reason);
	top_answer_clear(&answer);
	return code;
}

static int print_text(const struct ctl *ctl, const struct top *top, enum top_view view, bool first)
{
	char *totals = top_totals_text(top_totals(top));
	const char *refused = top_containers_refused(top);

	if (view == TOP_CONTAINERS && refused) {
		free(totals);
		return failed(ctl, -EREMOTEIO, refused);
	}
	printf("%s%s\n%s\n\n", first ? "" : "\n", top_config(top), totals);
	top_print(top, view, stdout);
	free(totals);
	return CTL_DONE;
}

static int print_snapshot(const struct ctl *ctl, const struct top *top, enum top_view view,
			  bool first)
{
	struct json_object *object;
	int code = CTL_DONE;

	if (ctl->json) {
		object = top_json(top);
		ctl_print_json(object);
		json_object_put(object);
	} else {
		code = print_text(ctl, top, view, first);
	}
	fflush(stdout);
	return code;
}

/* Rates want two answers: the first table comes after the first interval. */
static int batch_run(const struct ctl *ctl, const struct client *client,
		     const struct asked_for *wanted, struct top *top)
{
	bool containers = ctl->json || wanted->look.view == TOP_CONTAINERS;
	uint64_t due_ns = clock_ns();
	int code = CTL_DONE;

	for (unsigned long i = 0; !code && !ferror(stdout) && i < wanted->snapshots; i++) {
		struct timespec due;

		due_ns += wanted->look.interval_ms * 1000000ULL;
		due.tv_sec = (time_t)(due_ns / 1000000000);
		due.tv_nsec = (long)(due_ns % 1000000000);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
			;
		code = take_once(ctl, client, containers, top);
		if (!code)
			code = print_snapshot(ctl, top, wanted->look.view, i == 0);
	}
	return code;
}

/* ---- on a terminal --------------------------------------------------------------------------- */

static int screen_run(const struct ctl *ctl, const struct client *client,
		      struct asked_for *wanted, struct top *top)
{
	_cleanup_diag_ struct diag diag = { 0 };

	return top_run(client, top, &wanted->look, &diag) ? ctl_report(ctl, &diag) : CTL_DONE;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int interval_take(const struct ctl *ctl, const char *text, unsigned int *ret_ms)
{
	char *end = NULL;
	double seconds = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;

	if (!end || *end || !(seconds * 1000 >= TOP_INTERVAL_MIN_MS) ||
	    seconds * 1000 > TOP_INTERVAL_MAX_MS)
		return ctl_usage(ctl, "-d wants seconds from 0.1 to 3600, not \"%s\"", text);
	*ret_ms = (unsigned int)(seconds * 1000 + 0.5);
	return CTL_DONE;
}

static int count_take(const struct ctl *ctl, const char *text, unsigned long *ret_count)
{
	char *end = NULL;

	errno = 0;
	*ret_count = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (errno || !end || *end || !*ret_count || *ret_count > SNAPSHOTS_MAX)
		return ctl_usage(ctl, "-n wants a number from 1 to %d, not \"%s\"", SNAPSHOTS_MAX,
				 text);
	return CTL_DONE;
}

static int command_line_take(const struct ctl *ctl, int argc, char **argv,
			     struct asked_for *wanted)
{
	const char *interval = NULL, *count = NULL;
	const struct ctl_option options[] = {
		{ "-d", .value = &interval },
		{ "-b", .flag = &wanted->batch },
		{ "--batch", .flag = &wanted->batch },
		{ "-n", .value = &count },
		{ 0 },
	};
	int code = ctl_options(ctl, &argc, argv, options);

	if (!code && argc > 2)
		code = ctl_usage(ctl, "one view at a time");
	if (!code && argc == 2 && top_view_find(argv[1], &wanted->look.view))
		code = ctl_usage(ctl, "there is no view \"%s\"", argv[1]);
	if (!code && interval)
		code = interval_take(ctl, interval, &wanted->look.interval_ms);
	if (!code && count)
		code = count_take(ctl, count, &wanted->snapshots);
	wanted->batch |= ctl->json;
	if (!code && count && !wanted->batch)
		code = ctl_usage(ctl, "-n belongs to --batch and --json");
	if (!code && !wanted->batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		code = ctl_usage(ctl, "top wants a terminal; --batch prints tables, "
				 "--json objects");
	return code;
}

int cmd_top(struct ctl *ctl, int argc, char **argv)
{
	const struct client client = { .socket = ctl->socket, .timeout_ms = ANSWER_TIMEOUT_MS };
	struct asked_for wanted = { .look.interval_ms = 1000, .snapshots = 1 };
	struct top *top;
	int code = command_line_take(ctl, argc, argv, &wanted);

	if (code)
		return code;
	setlocale(LC_CTYPE, "");
	for (size_t view = 0; view < TOP_VIEWS; view++)
		wanted.look.order[view].column = top_column_default((enum top_view)view);
	top = top_new();
	code = take_once(ctl, &client, true, top);
	if (!code && wanted.batch)
		code = batch_run(ctl, &client, &wanted, top);
	else if (!code)
		code = screen_run(ctl, &client, &wanted, top);
	top_free(top);
	return code;
}
