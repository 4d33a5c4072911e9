/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real lbd in a namespace of the bench, with pins, socket and state in the bench's own mounts. */
#ifndef BENCH_BALANCER_H
#define BENCH_BALANCER_H

#include <stdio.h>

#include "bench/ground.h"

struct balancer {
	pid_t pid;
};

/* Starts the lbd that stands beside this program, and waits until it is ready: the tables are
 * written and the programs attached. Returns 0, or -errno with what lbd said in diag. */
int balancer_start(const struct ground *ground, struct balancer *ret_balancer, struct diag *diag);
void balancer_stop(struct balancer *balancer);

/* The same in any namespace, with a config of its own. Several stand side by side, each under its
 * own `name`, which is that of its folder in GROUND_DIR and of its pins in GROUND_BPFFS. `config`
 * NULL: as lb.conf stands in the folder. */
typedef void balancer_config(const void *data, FILE *to);
int balancer_start_in(const struct space *space, const char *name, balancer_config *config,
		      const void *data, struct balancer *ret_balancer, struct diag *diag);

#endif
