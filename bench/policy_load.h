/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that talks out of a container of the lab. It has both ends of whatever it says, those
 * of the world opened before it went into the container's cgroup; so one process on one CPU does
 * all, one step after the other, and nobody waits for a scheduler. */
#ifndef BENCH_POLICY_LOAD_H
#define BENCH_POLICY_LOAD_H

#include <sys/types.h>

#include "bench/policy_lab.h"

enum talk {
	TALK_TCP,	/* one connection: a byte there, and one back */
	TALK_PEER,	/* datagrams to one peer, and as many from it */
	TALK_KNOWN,	/* to each of TALK_PEERS peers in turn, and from each of them */
	TALK_NEW,	/* each to a peer that was never there; then each from such a one */
	TALK_SEND,	/* datagrams to one peer, which does not answer */
	TALK_CONNECT,	/* to the world's server; the time is that of connect() alone */
	TALK_CONNECT_DB, /* to the container db, which has a group too */
	TALK_OPEN,	/* as many connections to the world that stay, to RULES_PORT_CUT */
	TALK_CLOSE,	/* and their end */
};

#define TALK_PEERS 4096

struct talker {
	pid_t pid;
	int fd;
};

/* Returns 0 or -errno. */
int talker_start(const struct policy_lab *lab, enum lab_who who, struct talker *ret_talker);
void talker_end(struct talker *talker);

/* `count` times; *ret_ns is the median time of one, where calls are timed. Returns 0 or -errno. */
int talker_do(const struct talker *talker, enum talk talk, unsigned int count, double *ret_ns);

#endif
