/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections for the daemon to see: so many that stay, and so many new ones a second, each of
 * which carries a question and an answer and is closed. All on the loopback of a namespace, by
 * processes of a cgroup. */
#ifndef BENCH_SEEN_LOAD_H
#define BENCH_SEEN_LOAD_H

#include <stdint.h>

#include "bench/space.h"

#define SEEN_LOADS 2	/* processes: one alone may not open so many files */

struct seen_load {
	pid_t pids[SEEN_LOADS];
	volatile uint64_t *done;	/* connections that were made and closed, of each; shared */
};

/* Returns once those that stay are open; then there are no new ones yet. 0 or -errno. */
int seen_load_start(const struct space *space, const char *cgroup, unsigned int live,
		    unsigned int a_second, struct seen_load *ret_load);
void seen_load_begin(const struct seen_load *load);	/* new ones from now on */
uint64_t seen_load_done(const struct seen_load *load);
void seen_load_stop(struct seen_load *load);

#endif
