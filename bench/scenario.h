/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured: one kind of traffic against one config. The names of figures, the packets and
 * the configs all come from here; a new dimension of the matrix is a new field here. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/bench_abi.h"
#include "config/config.h"
#include "lb/model/state.h"

enum traffic {
	TRAFFIC_SERVICE,	/* TCP to a vip and a port of it */
	TRAFFIC_NEW,		/* the same, SYNs only, of flows that were never seen */
	TRAFFIC_FLOOD,		/* the same, where the records are full of such flows */
	TRAFFIC_OTHER_PORT,	/* TCP that is nobody's: for the stack */
	TRAFFIC_ICMP,		/* echo requests to a vip: for the stack */
	TRAFFIC_ARP,
};

/* Which slots are moving. Their flows are recorded before anything is measured. */
enum motion { AT_REST, TENTH_MOVING, ALL_MOVING };

struct scenario {
	enum traffic traffic;
	int family;		/* IPV4 or IPV6 */
	enum config_forward forward;
	uint32_t flows;		/* a power of two, 2^20 at most */
	enum motion motion;
};

#define SCENARIO_NAME_MAX 32
#define SCENARIO_BACKENDS 10	/* of every service, all up, of the same weight */
#define SCENARIO_BEFORE "before" /* one more, of weight 0: the previous of moving slots */

/* The matrix, in the order in which it is measured and printed. */
extern const struct scenario scenarios[];
extern const size_t scenario_count;

bool scenario_is_steady(const struct scenario *scenario); /* TCP to a service at rest */
bool scenario_wraps(const struct scenario *scenario); /* puts a header before each packet */
bool scenario_is_of_new_flows(const struct scenario *scenario);

/* "ipv4.nat.64k", "ipv4.nat.1m.moving", "arp": into name[SCENARIO_NAME_MAX], and returns it. */
const char *scenario_name(const struct scenario *scenario, char *name);

/* "IPv4 nat", "ICMP", without flows and motion; valid until the next call. */
const char *scenario_title(const struct scenario *scenario);
const char *flows_title(uint32_t flows);	/* "1", "64k", "1M" */

/* Prepares a run of its packets; returns their size in bytes. */
size_t scenario_frame(const struct scenario *scenario, struct bench_run *run);

/* An lb.conf with one service for each way of forwarding that is named, both families on it.
 * `interface` NULL: the backends name no next hop. */
struct scenario_config {
	const char *fronts[2];		/* NULL: fewer */
	const char *interface[4];	/* of the backends: by enum config_forward */
	bool forward[4];		/* which services there are: by enum config_forward */
	bool before;			/* they have SCENARIO_BEFORE too */
};
void scenario_config_write(const struct scenario_config *config, FILE *to);

#endif
