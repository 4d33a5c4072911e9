/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room in the kernel's connection tracking, which is the machine's and not a namespace's. */
#ifndef BENCH_CONNTRACK_H
#define BENCH_CONNTRACK_H

#include <stdint.h>
#include <sys/types.h>

struct conntrack {
	pid_t keeper;		/* who puts the old values back, also when this process is killed */
	int leash;		/* it does so when this closes */
};

/* Raises the limit, and the hash table with it as the kernel relates them, to this many flows a
 * namespace; returns how many it now takes, 0 where there is no connection tracking. Call it when
 * the module is loaded. `origin`: fd of the network namespace that may do so. */
uint64_t conntrack_raise(int origin, uint64_t flows, struct conntrack *ret_conntrack);
void conntrack_restore(struct conntrack *conntrack);

#endif
