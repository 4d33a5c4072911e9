/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the bench measures: two network namespaces joined by veths, and mounts of its own. None
 * of it has a name outside of these processes, so all of it is gone with them, however they end.
 *
 *     outside (this process)            edge
 *     front-gen   ───────────────────── front    lbd
 *     inside-end  ───────────────────── inside   containers of the edge host
 *     link-end    ───────────────────── link     hosts on its link
 *     barein-gen  ───────────────────── barein   the bare program
 *     bareout-end ───────────────────── bareout
 *     drop-gen    ───────────────────── drop     nothing: what comes there is dropped
 */
#ifndef BENCH_GROUND_H
#define BENCH_GROUND_H

#include "bench/space.h"
#include "config/diag.h"

#define GROUND_BPFFS "/sys/fs/bpf"	/* a BPF file system of its own */
#define GROUND_DIR   "/run"		/* an empty directory of its own */

struct ground {
	int origin;		/* fd of the network namespace in which the bench was started */
	int outside;		/* fd of the namespace */
	struct space edge;	/* its holder does nothing but be there */
};

/* Moves this process into the outside namespace. Returns 0 or -errno with a sentence. */
int ground_make(struct ground *ret_ground, struct diag *diag);
void ground_unmake(struct ground *ground);

/* This thread goes into the edge namespace, and comes back. */
int ground_enter_edge(const struct ground *ground);
void ground_leave_edge(const struct ground *ground);

#endif
