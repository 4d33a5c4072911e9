/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator would otherwise forward packets with, each as a router in a namespace of its
 * own: the generator sends to NAME-gen, and what the router forwards arrives at NAME-end. */
#ifndef BENCH_RIVALS_H
#define BENCH_RIVALS_H

#include <stdbool.h>

#include "bench/conntrack.h"
#include "bench/ground.h"

/* The kernel's own routing; nftables, which translates to a backend that a hash chooses, or a
 * counter. All for IPv4. */
enum rival { RIVAL_FORWARD, RIVAL_NFT, RIVAL_NUMGEN, RIVALS };
extern const char *const rival_names[RIVALS];

struct rivals {
	struct space spaces[RIVALS];
	bool stands[RIVALS];	/* else this machine has not what it takes: diag says so */
	struct conntrack conntrack;
	uint64_t flows_max;	/* that connection tracking has room for */
};

/* From the outside namespace. Returns 0 or -errno with a sentence; 0 also where one does not
 * stand. */
int rivals_open(const struct ground *ground, struct rivals *ret_rivals, struct diag *diag);
void rivals_close(struct rivals *rivals);

#endif
