/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl flows: who talks to whom at this moment, once or every second. While it follows, a daemon
 * that ends is waited for: its flows go on without it. */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/ctl/client.h"
#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flow_query.h"
#include "lb/ctl/flows_known.h"
#include "lb/ctl/flows_text.h"
#include "lb/ctl/screen.h"

#define PERIOD_MS 1000
#define FOLLOW_TIMEOUT_MS 10000

static volatile sig_atomic_t ended;

static void end_asked(int number)
{
	(void)number;
	ended = 1;
}

/* ---- once ----------------------------------------------------------------------------------- */

static int flows_once(const struct ctl *ctl, const struct flow_query *query)
{
	char *path = flow_query_path(query);
	struct json_object *reply, *flows;
	int code = ctl_call(ctl, "GET", path, NULL, &reply);

	free(path);
	if (code)
		return code;
	flows = field(reply, "flows");
	if (ctl->json) {
		for (size_t i = 0; i < list_length(flows); i++)
			ctl_print_json(list_at(flows, i));
		flows_lack_print(reply, "lbctl: ", stderr);
	} else {
		flows_print(reply, stdout);
		if (list_length(flows))
			putchar('\n');
		flows_sum_print(reply, stdout);
	}
	json_object_put(reply);
	return CTL_DONE;
}

/* ---- followed ------------------------------------------------------------------------------- */

struct following {
	const struct ctl *ctl;
	struct flow_query query;
	uint64_t since_s;	/* as it was asked for */
	struct flows_known *known; /* with --json */
	bool terminal, begun, away;
	uint64_t asked_ms;	/* when the last answer was asked for */
	char *lack;		/* what the last answer lacked; NULL: no answer yet */
	bool lack_told;
};

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* As one text that the caller frees. */
static char *text_of(struct json_object *reply, void (*print)(struct json_object *reply, FILE *to))
{
	size_t size;
	char *text;
	FILE *to = mem_must(open_memstream(&text, &size));

	print(reply, to);
	if (fclose(to))
		abort();
	return text;
}

static void lack_print(struct json_object *reply, FILE *to)
{
	flows_lack_print(reply, "lbctl: ", to);
}

/* On stderr, as soon as there is something and at the end: on a busy host it grows all the time. */
static void lack_note(struct following *following, struct json_object *reply)
{
	free(following->lack);
	following->lack = text_of(reply, lack_print);
	if (!following->lack_told && *following->lack) {
		fputs(following->lack, stderr);
		following->lack_told = true;
	}
}

static void foot_print(struct json_object *reply, FILE *to)
{
	time_t now = time(NULL);
	char text[32];
	struct tm utc;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	fprintf(to, "\n%s  ", text);
	flows_sum_print(reply, to);
}

static void answer_show(struct following *following, struct json_object *reply)
{
	char *body, *foot;

	if (following->ctl->json) {
		flows_known_news(following->known, field(reply, "flows"), following->since_s > 0,
				 ctl_print_json);
		lack_note(following, reply);
		return;
	}
	body = text_of(reply, flows_print);
	foot = text_of(reply, foot_print);
	if (following->terminal) {
		const struct screen screen = screen_of(STDOUT_FILENO);

		screen_draw(&screen, body, foot, stdout);
	} else {
		printf("%s%s%s", following->begun ? "\n" : "", body,
		       *body ? foot : foot + strspn(foot, "\n"));
	}
	free(body);
	free(foot);
}

/* What did not work, once for each time that the daemon goes away. Returns whether to go on: a
 * refusal is an answer, and who never was there is not waited for. */
static bool failure_tell(struct following *following, int error, const struct diag *diag)
{
	bool away = error == -ENOTCONN || error == -ECONNRESET || error == -ETIMEDOUT;

	if (!following->begun || !away) {
		ctl_report(following->ctl, diag);
		return false;
	}
	if (!following->away) {
		if (following->terminal)
			fputc('\n', stdout);
		fflush(stdout);
		diag_print(diag, stderr);
		fputs("lbctl: waiting for the daemon\n", stderr);
	}
	following->away = true;
	return true;
}

/* With --json an answer must reach back to the last one. */
static uint64_t since_of(const struct following *following, uint64_t now)
{
	uint64_t elapsed_s = following->begun ? (now - following->asked_ms + 999) / 1000 : 0;
	uint64_t needed = flows_known_since(elapsed_s);

	if (!following->ctl->json)
		return following->since_s;
	return following->begun || following->since_s < needed ? needed : following->since_s;
}

/* One question and what comes of it. Returns 0, or an error that ends the following. */
static int follow_once(struct following *following)
{
	const struct client client = { .socket = following->ctl->socket,
				       .timeout_ms = FOLLOW_TIMEOUT_MS };
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t now = now_ms();
	struct json_object *reply;
	char *path;
	int error;

	following->query.since_s = since_of(following, now);
	path = flow_query_path(&following->query);
	error = client_call(&client, "GET", path, NULL, &reply, &diag);
	free(path);
	if (error)
		return failure_tell(following, error, &diag) ? 0 : error;
	answer_show(following, reply);
	fflush(stdout);
	json_object_put(reply);
	following->away = false;
	following->begun = true;
	following->asked_ms = now;
	return 0;
}

/* Signals are let in nowhere but in the wait and in the question, so that none comes between a look
 * at `ended` and the wait. A second one ends the program at once. */
static void period_wait(uint64_t began_ms)
{
	uint64_t passed = now_ms() - began_ms, left = passed < PERIOD_MS ? PERIOD_MS - passed : 0;
	const struct timespec timeout = { .tv_sec = (time_t)(left / 1000),
					  .tv_nsec = (long)(left % 1000) * 1000000 };
	sigset_t signals, before;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	if (!ended)
		ppoll(NULL, 0, &timeout, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int flows_follow(const struct ctl *ctl, const struct flow_query *query)
{
	const struct sigaction action = { .sa_handler = end_asked, .sa_flags = (int)SA_RESETHAND };
	struct following following = { .ctl = ctl, .query = *query, .since_s = query->since_s,
				       .known = flows_known_new(),
				       .terminal = !ctl->json && isatty(STDOUT_FILENO) };
	int error = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!error && !ended && !ferror(stdout)) {
		uint64_t began_ms = now_ms();

		error = follow_once(&following);
		if (!error)
			period_wait(began_ms);
	}
	if (following.terminal && following.begun)
		fputc('\n', stdout);
	if (following.lack_told)
		fputs(following.lack, stderr);
	flows_known_free(following.known);
	free(following.lack);
	if (error)
		return error == -ENOTCONN ? CTL_NO_DAEMON : CTL_FAILED;
	return CTL_DONE;
}

int cmd_flows(struct ctl *ctl, int argc, char **argv)
{
	struct flow_query query = { 0 };
	const char *since = NULL, *port = NULL;
	bool follow = false;
	const struct ctl_option options[] = {
		{ "--since", .value = &since },
		{ "--container", .value = &query.container },
		{ "--peer", .value = &query.peer },
		{ "--port", .value = &port },
		{ "-f", .flag = &follow },
		{ "--follow", .flag = &follow },
		{ 0 },
	};
	_cleanup_diag_ struct diag diag = { 0 };
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage(ctl, "flows takes no names: --container %s, --peer %s", argv[1],
				 argv[1]);
	if ((since && since_parse(since, &query.since_s, &diag)) ||
	    (port && port_parse(port, &query.port, &diag)) ||
	    (query.peer && peer_check(query.peer, &diag)))
		return ctl_usage(ctl, "%s", diag.entries[0].text);
	return follow ? flows_follow(ctl, &query) : flows_once(ctl, &query);
}
