/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client of the TCP measurements: full load from a namespace for a while, and what came of it.
 * A process for each CPU; each opens connections to its targets in turn. */
#ifndef BENCH_TCP_LOAD_H
#define BENCH_TCP_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "bench/space.h"
#include "bench/tcp_server.h"

/* Clients are 198.18.0.1 to .TCP_CLIENTS (RFC 2544), so that no run lacks ports. */
#define TCP_CLIENTS    64
#define TCP_CLIENT_NET "198.18.0.0/24"

struct tcp_load {
	enum tcp_wish wish;
	unsigned int parallel;		/* connections at a time */
	const uint32_t *targets;	/* IPv4 addresses, host order */
	size_t target_count;
	uint16_t port;
	unsigned int warm_ms, run_ms;
	const struct tcp_served *served; /* of the backends, for uploads */
	size_t served_count;
	const pid_t *others;		/* who works for it beside the clients */
	size_t other_count;
};

struct tcp_result {
	double rate;		/* a second: connections, to the end of the answer; or bits */
	double cpu;		/* seconds of CPU for each: clients, `others`, softirqs */
	double foreign;		/* share of the CPUs that others than those had meanwhile */
	uint64_t failed;	/* connections that did not get what they wished */
};

/* Returns 0 or -errno; -EPROTO: nothing came through. */
int tcp_load_run(const struct space *client, const struct tcp_load *load,
		 struct tcp_result *ret_result);

#endif
