/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real lbd in the edge namespace, with pins, socket and state in the bench's own mounts. */
#ifndef BENCH_BALANCER_H
#define BENCH_BALANCER_H

#include "bench/ground.h"

struct balancer {
	pid_t pid;
};

/* Starts the lbd that stands beside this program, and waits until it is ready: the tables are
 * written and the programs attached. Returns 0, or -errno with what lbd said in diag. */
int balancer_start(const struct ground *ground, struct balancer *ret_balancer, struct diag *diag);
void balancer_stop(struct balancer *balancer);

#endif
