/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection on each way of bench/path.h at the same time, sending as fast as it may. */
#ifndef BENCH_PATH_LOAD_H
#define BENCH_PATH_LOAD_H

#include <stdint.h>

#include "bench/path.h"
#include "bench/tuned.h"

struct path_load {
	const struct paths *paths;
	const char *congestion;		/* set by the sender; NULL: */
	const struct tuned *tuned;	/* as the sender's group has it */
	unsigned int run_ms;
};

struct path_result {
	double mbit[PATHS_MAX];		/* a second, of data that came, from connect to the end */
	char congestion[PATHS_MAX][16];	/* as the kernel had it */
};

/* 0 or -errno. */
int path_load_run(const struct path_load *load, struct path_result *ret_result);

#endif
