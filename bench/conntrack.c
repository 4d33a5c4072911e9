/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only the machine's own network namespace may write these values: the keeper goes there. It lives
 * as long as the bench does, and longer than a Ctrl-C: it must come to putting things back. */
#include "bench/conntrack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT	"/proc/sys/net/netfilter/nf_conntrack_max"
#define BUCKETS "/proc/sys/net/netfilter/nf_conntrack_buckets"

static uint64_t value_read(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static void value_write(const char *path, uint64_t value)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fprintf(file, "%llu", (unsigned long long)value);
	fclose(file);
}

/* The limit first: where only that can be raised, the table is slower, but none is turned away. */
static void keeper_live(int origin, uint64_t flows, int ready, int leash)
{
	uint64_t limit, buckets;
	char byte;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (!setns(origin, CLONE_NEWNET)) {
		limit = value_read(LIMIT);
		buckets = value_read(BUCKETS);
		if (limit && limit < flows)
			value_write(LIMIT, flows);
		if (buckets && buckets < flows)
			value_write(BUCKETS, flows);
		if (write(ready, "", 1) == 1)
			while (read(leash, &byte, 1) < 0 && errno == EINTR)
				;
		if (buckets && buckets < flows)
			value_write(BUCKETS, buckets);
		if (limit && limit < flows)
			value_write(LIMIT, limit);
	}
	_exit(0);
}

uint64_t conntrack_raise(int origin, uint64_t flows, struct conntrack *ret_conntrack)
{
	struct conntrack conntrack = { .leash = -1 };
	int ready[2], leash[2];
	char byte;

	*ret_conntrack = conntrack;
	if (pipe2(ready, O_CLOEXEC))
		return value_read(LIMIT);
	if (pipe2(leash, O_CLOEXEC)) {
		close(ready[0]);
		close(ready[1]);
		return value_read(LIMIT);
	}
	conntrack.keeper = fork();
	if (!conntrack.keeper) {
		close(ready[0]);
		close(leash[1]);
		keeper_live(origin, flows, ready[1], leash[0]);
	}
	close(ready[1]);
	close(leash[0]);
	if (conntrack.keeper > 0 && read(ready[0], &byte, 1) < 0)
		perror("bench: conntrack");
	close(ready[0]);
	conntrack.leash = leash[1];
	*ret_conntrack = conntrack;
	return value_read(LIMIT);
}

void conntrack_restore(struct conntrack *conntrack)
{
	if (conntrack->keeper <= 0)
		return;
	close(conntrack->leash);
	waitpid(conntrack->keeper, NULL, 0);
	conntrack->keeper = 0;
}
