/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pattern run: opens the long connections, sends on each at its interval, opens brief ones beside
 * them, and says what happened: one JSON line when all are open ("ready"), one at each SIGUSR1
 * ("now"), and the last at SIGTERM ("end"). Times are those of CLOCK_MONOTONIC, so that several
 * runs on one machine can be held against each other. */
#include "tests/net/pattern/flow.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define MESSAGE_BYTES  64
#define LOOP_MS	       2
#define BRIEFS	       16384		/* at once */
#define BRIEF_LIFE_NS  10000000000ULL	/* a brief one that takes longer has failed */
#define BACKLOG_NS     250000000ULL	/* more than this is not caught up after a pause */

struct run {
	int epoll;
	struct address to, from;
	long count, interval_ms, open_rate, brief_rate;
	struct flow *flows;
	struct flow briefs[BRIEFS];
	uint64_t opened, sends, briefs_begun, briefs_ended;
	uint64_t start_ns, sends_base_ns;
	struct tally tally;
	bool told_ready;
};

static volatile sig_atomic_t told_now, told_end;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		told_now = 1;
	else
		told_end = 1;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void servers_print(const struct run *run)
{
	uint64_t silent[SERVERS] = { 0 }, now = now_ns();
	const char *comma = "";

	for (long i = 0; i < run->count; i++)
		silent[run->flows[i].server] += run->flows[i].waiting_ns &&
						now - run->flows[i].waiting_ns > STALL_NS;
	printf("\"servers\": {");
	for (int i = 0; i < SERVERS; i++) {
		if (!run->tally.flows_of[i] && !run->tally.briefs_of[i])
			continue;
		printf("%s\"%d\": {\"flows\": %lu, \"lost\": %lu, \"silent\": %lu, \"new\": %lu}",
		       comma, i, run->tally.flows_of[i], run->tally.lost_of[i], silent[i],
		       run->tally.briefs_of[i]);
		comma = ", ";
	}
	printf("}");
}

static void spans_print(const char *name, const struct span *spans, size_t count)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < count; i++)
		printf("%s[%.3f, %.3f, %d]", i ? ", " : "", spans[i].begin_ns / 1e9,
		       spans[i].end_ns / 1e9, spans[i].server);
	printf("]");
}

static void run_tell(const struct run *run, const char *event)
{
	const struct tally *tally = &run->tally;

	printf("{\"event\": \"%s\", \"seconds\": %.3f, \"opened\": %lu, \"not_opened\": %lu, "
	       "\"resets\": %lu, \"closed\": %lu, \"wrong_bytes\": %lu, \"bytes\": %lu, ",
	       event, (now_ns() - run->start_ns) / 1e9, tally->opened, tally->not_opened,
	       tally->resets, tally->closed, tally->wrong_bytes, tally->bytes);
	printf("\"new\": %lu, \"new_failed\": %lu, \"new_late\": %lu, \"new_reset\": %lu, "
	       "\"longest_new_ms\": %lu, ",
	       tally->briefs, tally->briefs_failed, tally->briefs_late, tally->briefs_reset,
	       tally->longest_brief_ns / 1000000);
	printf("\"longest_stall_ms\": %lu, \"stalls_over_1s\": %lu, ",
	       tally->longest_stall_ns / 1000000, tally->stalls);
	spans_print("stalls", tally->stall,
		    tally->stalls < STALLS_TOLD ? tally->stalls : STALLS_TOLD);
	printf(", ");
	spans_print("gaps", tally->gap, tally->gaps);
	printf(", ");
	servers_print(run);
	printf("}\n");
	fflush(stdout);
}

/* ---- what is due ---------------------------------------------------------------------------- */

static void open_due(struct run *run, uint64_t now)
{
	uint64_t due = (now - run->start_ns) * run->open_rate / 1000000000;

	for (; run->opened < (uint64_t)run->count && run->opened < due; run->opened++) {
		struct flow *flow = &run->flows[run->opened];

		flow->stream = run->opened;
		if (flow_open(flow, run->epoll, &run->from, &run->to, &run->tally)) {
			perror("pattern run: cannot open");
			exit(1);
		}
	}
}

/* One flow after another, so that each has its turn once an interval. */
static void send_due(struct run *run, uint64_t now)
{
	uint64_t due = (now - run->sends_base_ns) / 1000000.0 * run->count / run->interval_ms;

	if (now - run->sends_base_ns > BACKLOG_NS &&
	    due - run->sends > BACKLOG_NS / 1000000.0 * run->count / run->interval_ms) {
		run->sends_base_ns = now;
		run->sends = due = 0;
	}
	for (; run->sends < due; run->sends++) {
		static uint64_t turn;

		flow_send(&run->flows[turn++ % run->count], MESSAGE_BYTES, &run->tally);
	}
}

static void briefs_due(struct run *run, uint64_t now)
{
	uint64_t due = (now - run->start_ns) * run->brief_rate / 1000000000;

	for (; run->briefs_ended < run->briefs_begun; run->briefs_ended++) {
		struct flow *flow = &run->briefs[run->briefs_ended % BRIEFS];

		if (flow->state == FLOW_OVER)
			continue;
		if (now - flow->begun_ns < BRIEF_LIFE_NS)
			break;
		flow_expire(flow, &run->tally);
	}
	for (; run->briefs_begun < due && run->briefs_begun - run->briefs_ended < BRIEFS;
	     run->briefs_begun++) {
		struct flow *flow = &run->briefs[run->briefs_begun % BRIEFS];

		flow->stream = run->briefs_begun | 1U << 31;
		flow->brief = true;
		if (flow_open(flow, run->epoll, &run->from, &run->to, &run->tally)) {
			perror("pattern run: cannot open");
			exit(1);
		}
	}
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void run_pass(struct run *run)
{
	struct epoll_event events[512];
	uint64_t before = now_ns(), now;
	int count = epoll_wait(run->epoll, events, 512, LOOP_MS);

	for (int i = 0; i < count; i++)
		flow_event(events[i].data.ptr, run->epoll, &run->tally);
	now = now_ns();
	open_due(run, now);
	if (run->count)
		send_due(run, now);
	briefs_due(run, now);
	tally_gap(&run->tally, before, now_ns()); /* this program was not let run */
	if (!run->told_ready && run->opened == (uint64_t)run->count &&
	    run->tally.opened + run->tally.not_opened >= run->opened) {
		run->told_ready = true;
		run_tell(run, "ready");
	}
	if (told_now) {
		told_now = 0;
		run_tell(run, "now");
	}
}

static int options_read(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "open-rate", required_argument, NULL, 'o' },
		{ "new", required_argument, NULL, 'n' },
		{ "source", required_argument, NULL, 's' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'i':
			run->interval_ms = number_of(optarg);
			break;
		case 'o':
			run->open_rate = number_of(optarg);
			break;
		case 'n':
			run->brief_rate = number_of(optarg);
			break;
		case 's':
			if (address_parse(optarg, 0, &run->from))
				return -EINVAL;
			break;
		default:
			return -EINVAL;
		}
	if (argc - optind != 3 || !run->interval_ms)
		return -EINVAL;
	run->count = number_of(argv[optind + 2]);
	return address_parse(argv[optind], number_of(argv[optind + 1]), &run->to);
}

int run_main(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return 1;
	run->interval_ms = 1000;
	run->open_rate = 2000;
	if (options_read(run, argc, argv))
		return 2;
	descriptors_raise();
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	run->flows = calloc(run->count + 1, sizeof(*run->flows));
	if (!run->flows)
		return 1;
	run->start_ns = run->sends_base_ns = now_ns();
	while (!told_end)
		run_pass(run);
	for (long i = 0; i < run->count; i++)
		tally_stall(&run->tally, &run->flows[i], now_ns());
	run_tell(run, "end");
	return 0;
}
