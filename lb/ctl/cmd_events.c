/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl events: what happened and why, a line each; with -f what happens from then on, too, beyond
 * the end of the daemon and its next start. Events are numbered, so nothing is told twice, and what
 * the daemon forgot before it could be told is said. */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/mem.h"
#include "config/units.h"
#include "config/utf8.h"
#include "lb/ctl/client.h"
#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/event_kinds.h"

#define WAIT_S	   30	 /* for what happens next, in one question */
#define TIMEOUT_MS 60000
#define PAUSE_MS   250	 /* between two looks for a daemon that is away */
#define STAMP_MAX  32

struct following {
	const struct ctl *ctl;
	bool follow;
	bool kinds[EVENT_KINDS];
	char since[STAMP_MAX];	/* as events have it: what is older is left out; "": nothing is */
	char until[STAMP_MAX];	/* when it was asked; without -f what is newer is left out */
	char started[64];	/* of the numbering that `from` belongs to; "": none yet */
	uint64_t from;
	bool away;		/* nobody answers, and that was said */
};

/* ---- telling --------------------------------------------------------------------------------- */

/* Names of cgroups may hold anything, and a terminal obeys some of it. */
static void clean_print(const char *text)
{
	char *clean = mem_text(text);

	utf8_clean(clean);
	fputs(clean, stdout);
	free(clean);
}

/* A kind that this lbctl does not know is never left out unless others were asked for. */
static bool is_wanted(const struct following *following, struct json_object *event)
{
	const char *name = field_text(event, "kind");
	bool all = true;

	if (strcmp(field_text(event, "time"), following->since) < 0)
		return false;
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		if (following->kinds[kind] && !strcmp(event_kind_name(kind), name))
			return true;
		all &= !following->kinds[kind];
	}
	return all;
}

static void event_print(const struct following *following, struct json_object *event)
{
	if (!is_wanted(following, event))
		return;
	if (following->ctl->json) {
		ctl_print_json(event);
	} else {
		printf("%s  %-9s  ", field_text(event, "time"), field_text(event, "kind"));
		clean_print(field_text(event, "text"));
		putchar('\n');
	}
	fflush(stdout);
}

/* What is forgotten is older than all that is told: nobody misses it who asked for less. */
static void lost_print(const struct following *following, uint64_t lost, const char *next)
{
	if (!lost || strcmp(next, following->since) < 0)
		return;
	if (following->ctl->json)
		printf("{\"lost\":%llu}\n", (unsigned long long)lost);
	else
		printf("(%llu event%s before the next one %s forgotten already)\n",
		       (unsigned long long)lost, lost == 1 ? "" : "s", lost == 1 ? "is" : "are");
	fflush(stdout);
}

/* Returns whether there may be more of what was asked for. */
static bool answer_print(struct following *following, struct json_object *reply)
{
	struct json_object *list = field(reply, "events");
	const char *last = "";

	lost_print(following, field_count(reply, "lost"), field_text(list_at(list, 0), "time"));
	for (size_t i = 0; i < list_length(list); i++) {
		last = field_text(list_at(list, i), "time");
		if (following->follow || strcmp(last, following->until) <= 0)
			event_print(following, list_at(list, i));
	}
	following->from = field_count(reply, "next");
	return list_length(list) && strcmp(last, following->until) <= 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Interrupted while it waits; while it prints, the line is finished first. */
static void on_end(int number)
{
	(void)number;
	_exit(CTL_DONE);
}

static void ends_allow(bool allow)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(allow ? SIG_UNBLOCK : SIG_BLOCK, &ends, NULL);
}

static int ask(const struct following *following, struct json_object **ret_reply,
	       struct diag *diag)
{
	const struct client client = { .socket = following->ctl->socket,
				       .timeout_ms = TIMEOUT_MS };
	char path[96];
	int error;

	/* The first answer is to come at once: it says whose numbers these are. */
	snprintf(path, sizeof(path), "/v1/events?from=%llu&wait=%d",
		 (unsigned long long)following->from,
		 following->follow && following->started[0] && !following->away ? WAIT_S : 0);
	ends_allow(following->follow);
	error = client_call(&client, "GET", path, NULL, ret_reply, diag);
	ends_allow(false);
	return error;
}

static void pause_take(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	ends_allow(true);
	nanosleep(&pause, NULL);
	ends_allow(false);
}

/* Whether this is no more than a daemon that ends, or is not there yet. */
static bool may_come_back(const struct following *following, int error)
{
	return following->follow && following->started[0] &&
	       (error == -ENOTCONN || error == -ECONNRESET || error == -EACCES ||
		error == -ETIMEDOUT);
}

static void away_tell(struct following *following, const struct diag *diag)
{
	if (!following->away)
		fprintf(stderr, "lbctl: %s; waiting for a daemon\n", diag->entries[0].text);
	following->away = true;
}

/* Returns whether the answer belongs to the numbers that were asked for. */
static bool numbering_take(struct following *following, struct json_object *reply)
{
	const char *started = field_text(reply, "started");
	bool same = !following->started[0] || !strcmp(following->started, started);

	if (!same)
		fprintf(stderr, "lbctl: another daemon answers, begun at %s: its events are "
			"numbered from 0\n", started);
	else if (following->away)
		fputs("lbctl: the daemon answers again\n", stderr);
	following->away = false;
	snprintf(following->started, sizeof(following->started), "%s", started);
	if (!same)
		following->from = 0;
	return same;
}

/* Whoever read the output may have gone while nothing happened. */
static bool output_is_read(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO };

	return !ferror(stdout) && (poll(&output, 1, 0) <= 0 || !(output.revents & POLLERR));
}

static int events_follow(struct following *following)
{
	bool more = true;

	while (more && output_is_read()) {
		_cleanup_diag_ struct diag diag = { 0 };
		struct json_object *reply;
		int error = ask(following, &reply, &diag);

		if (error && !may_come_back(following, error)) {
			ctl_report(following->ctl, &diag);
			return error == -ENOTCONN ? CTL_NO_DAEMON : CTL_FAILED;
		}
		if (error) {
			away_tell(following, &diag);
			pause_take();
			continue;
		}
		if (numbering_take(following, reply))
			more = answer_print(following, reply) || following->follow;
		json_object_put(reply);
	}
	return CTL_DONE;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* So many milliseconds ago, as the time of an event: in UTC, where text sorts as time does. */
static void stamp_ago(uint64_t ms, char text[STAMP_MAX])
{
	struct timespec now;
	int64_t at_ms;
	time_t second;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	at_ms = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000 - (int64_t)ms;
	second = (time_t)(at_ms > 0 ? at_ms / 1000 : 0);
	strftime(text, STAMP_MAX, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &utc));
	snprintf(text + strlen(text), STAMP_MAX - strlen(text), ".%03dZ",
		 (int)(at_ms > 0 ? at_ms % 1000 : 0));
}

static int since_take(struct following *following, const char *since)
{
	uint64_t ms;

	if (!since)
		return CTL_DONE;
	if (unit_parse(UNIT_TIME, since, &ms))
		return ctl_usage(following->ctl, "--since wants a time such as \"10m\", not \"%s\"",
				 since);
	stamp_ago(ms, following->since);
	return CTL_DONE;
}

#define X(kind, name) " " name
static const char kinds_text[] = LB_EVENT_KINDS(X);
#undef X

static int kinds_take(struct following *following, const struct ctl_values *names)
{
	for (size_t i = 0; i < names->count; i++) {
		int kind = 0;

		while (kind < EVENT_KINDS && strcmp(event_kind_name(kind), names->text[i]) != 0)
			kind++;
		if (kind == EVENT_KINDS)
			return ctl_usage(following->ctl, "there is no kind \"%s\":%s",
					 names->text[i], kinds_text);
		following->kinds[kind] = true;
	}
	return CTL_DONE;
}

int cmd_events(struct ctl *ctl, int argc, char **argv)
{
	struct following following = { .ctl = ctl };
	const struct sigaction end = { .sa_handler = on_end };
	struct ctl_values kinds = { .count = 0 };
	const char *since = NULL;
	const struct ctl_option options[] = {
		{ "-f", .flag = &following.follow },
		{ "--follow", .flag = &following.follow },
		{ "--since", .value = &since },
		{ "--kind", .values = &kinds },
		{ 0 },
	};
	int code = ctl_options(ctl, &argc, argv, options);

	if (!code && argc != 1)
		code = ctl_usage(ctl, "events takes options only");
	if (!code)
		code = since_take(&following, since);
	if (!code)
		code = kinds_take(&following, &kinds);
	if (code)
		return code;
	stamp_ago(0, following.until);
	if (following.follow) {
		sigaction(SIGINT, &end, NULL);
		sigaction(SIGTERM, &end, NULL);
	}
	return events_follow(&following);
}
