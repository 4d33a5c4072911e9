/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop of lbctl top. Signals come in only while it waits, so that none comes between a look at
 * its flag and the wait. */
#include "lb/ctl/top_run.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/mem.h"

#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL
#define SILENCE_NS (3 * NSEC_PER_SEC) /* after which a daemon that hangs is told of */

struct run {
	struct top *top;
	struct top_look *look;
	struct top_sheet sheet;
	struct top_poller *poller;
	uint64_t asked_ns;	/* when it was asked last */
	uint64_t answered_ns;	/* when it answered last */
	char *trouble;		/* of the last answer; NULL: none */
	uint64_t trouble_ns;	/* since when */
	bool ended, hung_up;
};

static volatile sig_atomic_t signalled;

static void end_asked(int number)
{
	(void)number;
	signalled = 1;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void trouble_begin(struct run *run, const char *reason)
{
	if (!run->trouble)
		run->trouble_ns = clock_ns();
	free(run->trouble);
	run->trouble = mem_text(reason);
	for (size_t view = 0; view < TOP_VIEWS; view++)
		top_interrupt(run->top, (enum top_view)view);
}

static void run_ask(struct run *run)
{
	if (top_poller_busy(run->poller))
		return;
	if (run->look->view != TOP_CONTAINERS)
		top_interrupt(run->top, TOP_CONTAINERS);
	top_poller_ask(run->poller, run->look->view == TOP_CONTAINERS);
	run->asked_ns = clock_ns();
}

static void run_arrange(struct run *run)
{
	top_sheet_clear(&run->sheet);
	top_sheet_make(run->top, run->look, &run->sheet);
}

/* What comes after a pause began is for the time after it. */
static void run_answer(struct run *run)
{
	struct top_answer answer;

	if (!top_poller_take(run->poller, &answer))
		return;
	run->answered_ns = clock_ns();
	if (answer.error) {
		trouble_begin(run, answer.reason);
		top_answer_clear(&answer);
		return;
	}
	free(run->trouble);
	run->trouble = NULL;
	if (run->look->paused) {
		top_answer_clear(&answer);
		return;
	}
	top_sheet_clear(&run->sheet); /* before the rows go that it holds */
	top_answer_take(&answer, run->top);
	run_arrange(run);
}

/* ---- the wait -------------------------------------------------------------------------------- */

/* When the next question is due: a daemon that needs long for an answer has half of an interval for
 * other work. */
static uint64_t due_ns(const struct run *run)
{
	uint64_t interval_ns = run->look->interval_ms * NSEC_PER_MSEC;
	uint64_t in_time = run->asked_ns + interval_ns;
	uint64_t in_peace = run->answered_ns + interval_ns / 2;

	return in_time > in_peace ? in_time : in_peace;
}

/* Until the next question or the next second of the clock, whichever is sooner. */
static struct timespec wait_time(const struct run *run)
{
	uint64_t now = clock_ns(), due = due_ns(run), ns = NSEC_PER_SEC;

	if (!run->look->paused && !top_poller_busy(run->poller))
		ns = due <= now ? 0 : due - now;
	if (ns > NSEC_PER_SEC)
		ns = NSEC_PER_SEC;
	return (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(ns % NSEC_PER_SEC) };
}

static void run_wait(struct run *run, const sigset_t *open_mask)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = top_poller_fd(run->poller), .events = POLLIN } };
	struct timespec timeout = wait_time(run);

	if (ppoll(fds, 2, &timeout, open_mask) < 0)
		return; /* a signal: its flag tells */
	run->hung_up = fds[0].revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void run_draw(struct run *run)
{
	uint64_t now = clock_ns();
	struct top_link link = { .trouble = run->trouble };

	if (run->trouble) {
		link.trouble_s = (now - run->trouble_ns) / NSEC_PER_SEC;
	} else if (top_poller_busy(run->poller) && now - run->asked_ns > SILENCE_NS) {
		link.trouble = "the daemon does not answer";
		link.trouble_s = (now - run->asked_ns) / NSEC_PER_SEC;
	}
	top_screen_draw(run->top, run->look, &run->sheet, &link);
}

static void run_keys(struct run *run)
{
	bool was_paused = run->look->paused;
	unsigned int wishes = top_keys_take(run->look);

	if (wishes & TOP_QUIT)
		run->ended = true;
	if (wishes & TOP_ARRANGE)
		run_arrange(run);
	if (run->look->paused && !was_paused)
		for (size_t view = 0; view < TOP_VIEWS; view++)
			top_interrupt(run->top, (enum top_view)view);
	if ((wishes & TOP_ASK) && !run->look->paused)
		run_ask(run);
}

static int run_loop(struct run *run, const sigset_t *open_mask, struct diag *diag)
{
	run_arrange(run);
	run_draw(run);
	while (!run->ended && !signalled) {
		run_wait(run, open_mask);
		if (run->hung_up) {
			diag_add(diag, NULL, 0, "the terminal is gone");
			return -EIO;
		}
		run_answer(run);
		run_keys(run);
		if (!run->look->paused && clock_ns() >= due_ns(run))
			run_ask(run);
		run_draw(run);
	}
	return 0;
}

/* ---- signals --------------------------------------------------------------------------------- */

/* Blocks what is let in by run_wait() only, for the thread of the poller too. */
static void signals_take(sigset_t *ret_open_mask)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = end_asked };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], &action, NULL);
		sigaddset(&blocked, ends[i]);
	}
	sigaddset(&blocked, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &blocked, ret_open_mask);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigdelset(ret_open_mask, ends[i]);
	sigdelset(ret_open_mask, SIGWINCH);
}

int top_run(const struct client *client, struct top *top, struct top_look *look, struct diag *diag)
{
	struct run run = { .top = top, .look = look, .asked_ns = clock_ns() };
	sigset_t open_mask;
	int error;

	signals_take(&open_mask);
	error = top_poller_open(client, &run.poller, diag);
	if (!error)
		error = top_screen_open(diag);
	if (!error)
		error = run_loop(&run, &open_mask, diag);
	top_screen_close();
	top_poller_close(run.poller);
	top_sheet_clear(&run.sheet);
	free(run.trouble);
	return error;
}
