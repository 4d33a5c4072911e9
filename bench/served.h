/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A running lbd with the services of a scenario, in the edge namespace; where slots are to move, it
 * has been given the config that moves them. */
#ifndef BENCH_SERVED_H
#define BENCH_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/balancer.h"
#include "bench/scenario.h"

struct served {
	const struct ground *ground;
	struct balancer balancer;
	struct scenario scenario;	/* for which it was started */
	unsigned int number;		/* each lbd has a name of its own */
};

/* Sees to it that the lbd that runs is one for this scenario. `ret_fresh`: it was started now, and
 * knows no flow. Returns 0 or -errno with a sentence. */
int served_switch(struct served *served, const struct scenario *scenario, bool *ret_fresh,
		  struct diag *diag);
void served_stop(struct served *served); /* its program leaves the devices; once more is fine */

/* Packets that went to SCENARIO_BEFORE: in moving slots those that no record speaks for. */
int served_unrecorded(const struct served *served, uint64_t *ret_packets, struct diag *diag);

#endif
