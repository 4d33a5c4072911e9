/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long ways between two namespaces: a process with a TUN device at each end takes every packet,
 * holds it for half the round trip, drops some, and lets no more through than a bottleneck would.
 *
 *     near 10.77.0.1 ── path0 ── the relay ── path0 ── far 10.77.1.2, 10.77.2.2, ...
 *
 * Each way has a network of its own, 10.77.N.0/24 from 1 on, so that what is kept by destination
 * is kept of each alone. What comes back is delayed, and neither limited nor dropped. */
#ifndef BENCH_PATH_H
#define BENCH_PATH_H

#include <stdint.h>
#include <sys/types.h>

#include "bench/space.h"

#define PATHS_MAX   16
#define PATH_MBIT   20	/* of each way's bottleneck */
#define PATH_QUEUE_MS 30 /* that its queue holds; what comes then is dropped */

struct path {
	unsigned int rtt_ms;
	unsigned int loss;	/* of 1,000 packets to the far end, at random */
};

struct paths {
	const struct path *path;
	size_t count;
	struct space near, far;
	pid_t relay;
	uint64_t *late_ns;	/* by which the relay was late at worst, since it was set to 0 */
};

static inline uint32_t path_address(size_t number) /* of the far end, host order */
{
	return 0x0a4d0002 + (uint32_t)(number + 1) * 0x100;
}

/* `path` must outlive it. Returns 0 or -errno with a sentence. */
int paths_make(const struct path *path, size_t count, struct paths *ret_paths, struct diag *diag);
void paths_unmake(struct paths *paths);

#endif
