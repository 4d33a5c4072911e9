/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stand on which programs are measured: private tables made from a scenario's config as lbd
 * makes its own, the programs over them, and drivers that write their packets (cost.bpf.c). */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "bench/scenario.h"
#include "config/diag.h"
#include "lb/kernel/dataplane.h"
#include "lb/model/state.h"

/* lb; the bare program and one that does nothing; the test run without any; and lb with an LRU map
 * for its records (lb_lru.bpf.c), which is there where slots are moving. */
enum subject { LB, BARE, EMPTY, HARNESS, LRU, SUBJECTS };

struct rig {
	const struct scenario *scenario;
	struct config *config;
	struct dataplane *dataplane;
	struct state *state;
	struct lb_bpf *lb;
	struct lb_lru_bpf *lru;		/* NULL where nothing moves */
	struct bare_bpf *bare;
	struct cost_bpf *drivers;
	size_t frame_size;
	uint64_t balanced;		/* packets that lb and its twin have been given */
};

int rig_open(const struct scenario *scenario, struct rig *ret_rig, struct diag *diag);
void rig_close(struct rig *rig); /* also after a rig_open() that failed */

/* One test run; ret_ns is what a packet took, driver and harness with it. A run that was disturbed
 * is one to be made again. */
int rig_run(struct rig *rig, enum subject subject, unsigned int packets, double *ret_ns,
	    bool *ret_disturbed);

/* LB and LRU only. Every flow's SYN and the packet behind it, flow by flow; and one packet of every
 * flow. */
int rig_open_flows(struct rig *rig, enum subject subject);
int rig_pass_flows(struct rig *rig, enum subject subject);

const struct service *rig_service(const struct rig *rig); /* the first */
const struct backend *rig_before(const struct rig *rig); /* NULL where nothing moves */
uint64_t rig_packets_at(const struct rig *rig, const struct backend *backend); /* NULL: at all */

#endif
