/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network namespace without a name: a process holds it, and with that process, which dies with
 * the bench, all is gone that was made in it. */
#ifndef BENCH_SPACE_H
#define BENCH_SPACE_H

#include <sys/types.h>

#include "config/diag.h"

struct space {
	int net;		/* fd of the namespace */
	pid_t holder;		/* 0: there is none */
};

/* What the holder does: writes a byte to `ready` once others may go on, and never returns. */
typedef void space_life(int ready, void *data);
void space_idle(int ready, void *data);

/* Without IPv6, so that no neighbour discovery is among what is measured. Returns 0 or -errno. */
int space_make(space_life *life, void *data, struct space *ret_space);
void space_unmake(struct space *space);

int space_silence(void); /* no IPv6 on devices to come, where this process is; 0 or -errno */

/* Calls a function there, in a child. Returns what it returns, 0 or -errno. */
int space_call(const struct space *space, int (*function)(void *data), void *data);

/* Runs a shell script there. Returns 0, or -EIO with its last line of stderr in diag. */
int space_run(const struct space *space, const char *script, struct diag *diag);

/* Starts a program there, on all CPUs, as the first process of a PID namespace of its own: ended by
 * space_kill(), it takes its own children with it. What it says goes to the file `log`. */
int space_start(const struct space *space, const char *const argv[], const char *log,
		pid_t *ret_pid);
void space_kill(pid_t *pid);

#endif
