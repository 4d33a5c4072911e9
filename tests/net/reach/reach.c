/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reach: one attempt to reach somebody, by whatever way a process could find, and how it ended, as
 * one line of JSON. The tests of isolation run it inside cgroups and containers: it needs no other
 * file. tests/net/reach.py starts it. */
#include "tests/net/reach/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS   1000
#define TAKE_WAIT_MS 30000
#define MULTIPATH    262

static const char *const step_names[] = { "socket", "connect", "answer" };

struct wishes {
	struct attempt attempt;
	enum step after;		/* of which step pause, give and take speak */
	bool pause, again;
	const char *give, *take;	/* paths, or NULL */
};

int address_parse(const char *text, int port, union address *ret_address)
{
	char host[INET6_ADDRSTRLEN];
	size_t size = strcspn(text, "%");
	union address address = { 0 };

	if (size >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, size);
	host[size] = 0;
	address.in.sin_port = htons(port);	/* at the same place in both families */
	if (inet_pton(AF_INET, host, &address.in.sin_addr) == 1)
		address.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &address.in6.sin6_addr) == 1)
		address.any.sa_family = AF_INET6;
	else
		return -EINVAL;
	if (text[size]) {
		address.in6.sin6_scope_id = if_nametoindex(text + size + 1);
		if (address.any.sa_family != AF_INET6 || !address.in6.sin6_scope_id)
			return -EINVAL;
	}
	*ret_address = address;
	return 0;
}

/* ---- the attempt ---------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Until whoever started us says so. */
static void go_await(void)
{
	sigset_t go;
	int number;

	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigwait(&go, &number);
}

static int step_do(struct wishes *wishes, enum step step)
{
	struct attempt *attempt = &wishes->attempt;
	const struct way *way = attempt->way;

	/* What is taken has these steps behind it. */
	if (wishes->take && step <= wishes->after)
		return step < wishes->after ? 0 : descriptor_take(wishes->take, TAKE_WAIT_MS,
								  &attempt->fd);
	if (step == STEP_SOCKET)
		return way->open(attempt);
	if (step == STEP_CONNECT)
		return way->connect ? way->connect(attempt) : 0;
	return way->answer ? way->answer(attempt) : 0;
}

static void result_print(const struct wishes *wishes, enum step step, int error, double begin_ms)
{
	const struct attempt *attempt = &wishes->attempt;

	printf("{\"event\": \"result\", \"way\": \"%s\", \"ok\": %s, ", attempt->way->name,
	       error ? "false" : "true");
	if (error)
		printf("\"errno\": \"%s\", \"step\": \"%s\", ", strerrorname_np(-error),
		       step_names[step]);
	else
		printf("\"errno\": null, \"step\": null, ");
	if (attempt->fact)
		printf("\"%s\": %s, ", attempt->fact, attempt->fact_value ? "true" : "false");
	printf("\"text\": \"%s\", \"ms\": %.3f}\n", attempt->text, now_ms() - begin_ms);
	fflush(stdout);
}

/* The texts of two attempts differ, whichever processes make them. */
static void text_choose(struct attempt *attempt)
{
	static unsigned int count;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(attempt->text, sizeof(attempt->text), MARK "%llx-%x",
		 now.tv_sec * 1000000000ULL + now.tv_nsec, ++count);
}

/* What was asked for behind a step that succeeded. */
static int step_after(struct wishes *wishes, enum step step, double *begin_ms)
{
	if (wishes->pause) {
		printf("{\"event\": \"paused\", \"after\": \"%s\"}\n", step_names[step]);
		fflush(stdout);
		go_await();
		*begin_ms = now_ms();
	}
	return wishes->give ? descriptor_give(wishes->give, wishes->attempt.fd, TAKE_WAIT_MS) : 0;
}

/* The steps from the first one on, up to the last or to a descriptor that is given away. Where to
 * begin another time: at the step that failed, or saying something else. */
static enum step attempt_make(struct wishes *wishes, enum step first, int *ret_error)
{
	double begin_ms = now_ms();
	enum step step;
	int error;

	text_choose(&wishes->attempt);
	for (step = first;; step++) {
		error = step_do(wishes, step);
		if (!error && step == wishes->after)
			error = step_after(wishes, step, &begin_ms);
		if (error || step == STEP_ANSWER || (wishes->give && step == wishes->after))
			break;
	}
	result_print(wishes, step, error, begin_ms);
	*ret_error = error;
	return step;
}

/* ---- the command line ----------------------------------------------------------------------- */

static int usage(void)
{
	fputs("reach serve PORT [mptcp]\n"
	      "reach WAY ADDRESS PORT [--from ADDRESS [--port PORT]] [--timeout MS]\n"
	      "      [--device NAME --mac MAC] [--after socket|connect] [--pause]\n"
	      "      [--give PATH] [--take PATH] [--again]\n"
	      "Pauses, and waits to try again, until SIGUSR1.\n", stderr);
	return 2;
}

static const struct way *way_find(const char *name)
{
	const struct way *way = socket_way(name);

	if (!way)
		way = header_way(name);
	return way ? way : uring_way(name);
}

static int option_take(struct wishes *wishes, int option, const char *value)
{
	struct attempt *attempt = &wishes->attempt;
	const struct ether_addr *mac;

	switch (option) {
	case 'f':
		return address_parse(value, 0, &attempt->from);
	case 's':	/* at the same place in both families */
		attempt->from.in.sin_port = htons(atoi(value));
		return attempt->from.any.sa_family ? 0 : -EINVAL;
	case 'd':
		attempt->device = if_nametoindex(value);
		return attempt->device ? 0 : -ENODEV;
	case 'm':
		mac = ether_aton(value);
		if (mac)
			memcpy(attempt->mac, mac, sizeof(attempt->mac));
		return mac ? 0 : -EINVAL;
	case 't':
		attempt->timeout_ms = atol(value);
		return attempt->timeout_ms > 0 ? 0 : -EINVAL;
	case 'a':
		wishes->after = strcmp(value, "socket") ? STEP_CONNECT : STEP_SOCKET;
		return strcmp(value, step_names[wishes->after]) ? -EINVAL : 0;
	case 'p':
		wishes->pause = true;
		return 0;
	case 'g':
		wishes->give = value;
		return 0;
	case 'k':
		wishes->take = value;
		return 0;
	case 'n':
		wishes->again = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int wishes_parse(int argc, char **argv, struct wishes *ret_wishes)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' }, { "port", required_argument, NULL, 's' },
		{ "device", required_argument, NULL, 'd' }, { "mac", required_argument, NULL, 'm' },
		{ "timeout", required_argument, NULL, 't' },
		{ "after", required_argument, NULL, 'a' }, { "pause", no_argument, NULL, 'p' },
		{ "give", required_argument, NULL, 'g' }, { "take", required_argument, NULL, 'k' },
		{ "again", no_argument, NULL, 'n' }, { 0 },
	};
	struct attempt *attempt = &ret_wishes->attempt;
	int option;

	*ret_wishes = (struct wishes){ .attempt = { .timeout_ms = TIMEOUT_MS, .fd = -1,
						    .answer_fd = -1 } };
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option_take(ret_wishes, option, optarg))
			return -EINVAL;
	if (argc - optind != 3)
		return -EINVAL;
	attempt->way = way_find(argv[optind]);
	/* The others have more than one descriptor. */
	if (!attempt->way || (ret_wishes->take && !socket_way(attempt->way->name)))
		return -EINVAL;
	return address_parse(argv[optind + 1], atoi(argv[optind + 2]), &attempt->to);
}

int main(int argc, char **argv)
{
	struct wishes wishes;
	enum step step;
	sigset_t go;
	int error;

	if (argc > 2 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]), argc > 3 ? MULTIPATH : IPPROTO_TCP);
	if (wishes_parse(argc, argv, &wishes))
		return usage();
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	step = attempt_make(&wishes, STEP_SOCKET, &error);
	while (wishes.again) {
		go_await();
		step = attempt_make(&wishes, step, &error);
	}
	return !!error;
}
