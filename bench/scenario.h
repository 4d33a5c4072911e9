/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured: one kind of traffic against one config. The names of figures, the packets
 * (packet.c) and the configs (scenario_config.c) all come from here; a new dimension of the matrix
 * is a new field here. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/bench_abi.h"
#include "config/config.h"
#include "lb/model/state.h"

enum traffic {
	TRAFFIC_SERVICE,	/* TCP to a vip and a port of it */
	TRAFFIC_SYN,		/* the same, SYNs only */
	TRAFFIC_NEW,		/* the same, of flows that were never seen, in moving slots */
	TRAFFIC_FLOOD,		/* the same, where the records are full of such flows */
	TRAFFIC_OTHER_PORT,	/* TCP that is nobody's: for the stack */
	TRAFFIC_ICMP,		/* echo requests to a vip: for the stack */
	TRAFFIC_ARP,
};

/* Frames as they are counted on the wire, but for their checksum. */
enum size {
	SIZE_64,		/* the smallest */
	SIZE_512,
	SIZE_1500,		/* packets of 1,500 bytes, in frames of 1,518 */
	SIZE_IMIX,		/* 7 of 64, 4 of 594 and 1 of 1,518 */
};

/* Which slots are moving, in percent. Their flows are recorded before anything is measured. */
#define AT_REST	     0
#define TENTH_MOVING 10
#define ALL_MOVING   100

/* The parts that measure a scenario; LATER: only in the whole matrix. */
#define IN_COST	      1
#define IN_COST_LATER 2
#define IN_MPPS	      4
#define IN_MPPS_LATER 8

struct scenario {
	enum traffic traffic;
	int family;		/* IPV4 or IPV6 */
	enum config_forward forward;
	uint32_t flows;		/* a power of two, 2^20 at most */
	unsigned int moving;
	unsigned int parts;
	enum size size;
	bool zipf;		/* flows come by Zipf's law, not each in its turn */
	unsigned int services;	/* 0: one */
	unsigned int backends;	/* of each service; 0: SCENARIO_BACKENDS */
};

#define SCENARIO_NAME_MAX 40
#define SCENARIO_BACKENDS 10	/* of a service, all up, of the same weight */
#define SCENARIO_BEFORE "before" /* one more, of weight 0: the previous of moving slots */
#define SCENARIO_EXPONENT 1.0	/* Zipf's */

/* The matrix, in the order in which it is measured and printed. */
extern const struct scenario scenarios[];
extern const size_t scenario_count;

unsigned int scenario_services(const struct scenario *scenario);
unsigned int scenario_backends(const struct scenario *scenario);

/* `part`: IN_COST or IN_MPPS. */
bool scenario_is_in(const struct scenario *scenario, unsigned int part, bool whole_matrix);
/* One of the rows of 1, 64k and 1M flows: nothing but family, forward, flows and motion is said. */
bool scenario_is_plain(const struct scenario *scenario);
bool scenario_wraps(const struct scenario *scenario); /* puts a header before each packet */
bool scenario_is_of_new_flows(const struct scenario *scenario);

/* "ipv4.nat.64k", "ipv4.nat.1m.moving", "ipv4.dsr.1m.s1000", "arp": into name[SCENARIO_NAME_MAX],
 * and returns it. */
const char *scenario_name(const struct scenario *scenario, char *name);

/* "IPv4 nat", "ICMP", without flows and motion; valid until the next call. */
const char *scenario_title(const struct scenario *scenario);
/* What it has that plain ones have not: "1,000 services"; valid until the next call. */
const char *scenario_variation(const struct scenario *scenario);
const char *flows_title(uint32_t flows);	/* "1", "64k", "1M"; valid until the next call */

/* Prepares a run of its packets; returns their size in bytes, or that of the largest. */
size_t scenario_frame(const struct scenario *scenario, struct bench_run *run);
/* Draws flows by Zipf's law into draws[BENCH_DRAWS]. */
void scenario_draw(const struct scenario *scenario, __u32 *draws);

/* The vip of a service, of the `forward` that all of a config's have: a place of 16 bits, in
 * 198.18.0.0/16 and 2001:db8::/112. */
unsigned int scenario_vip(enum config_forward forward, unsigned int service);
#define SCENARIO_VIP4	"198.18."
#define SCENARIO_PORT	80

enum before {
	NO_BEFORE,
	BEFORE_OWNS,		/* SCENARIO_BEFORE has its percentage of the slots */
	BEFORE_OWNED,		/* it has no weight: who inherits from it has moving slots */
};

/* An lb.conf with services for each way of forwarding that is named. One service of a way has both
 * families, several have IPv4: of thousands of addresses in no network of this host lbd remembers
 * only so many (LB_MAX_DIRECT).
 * `interface` NULL: the backends name no next hop. */
struct scenario_config {
	const char *fronts[2];		/* NULL: fewer */
	const char *interface[4];	/* of the backends: by enum config_forward */
	bool forward[4];		/* which services there are: by enum config_forward */
	unsigned int services, backends; /* of each way, of each service; 0: 1 and 10 */
	enum before before;
	unsigned int before_share;	/* percent */
};
void scenario_config_write(const struct scenario_config *config, FILE *to);

#endif
