/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On which CPUs the bench runs, and how long they were busy. */
#ifndef BENCH_CPUS_H
#define BENCH_CPUS_H

#include <stddef.h>
#include <sys/types.h>

/* Binds this process to one CPU, for what is measured where this process is; -1: the last one on
 * which it may run. Call it once. Returns 0 or -errno. */
int cpus_bind(int wanted, int *ret_cpu);

/* In a child: back to all CPUs on which the bench was allowed to run when it began. */
void cpus_unbind(void);
unsigned int cpus_count(void); /* how many those are */

/* Seconds that these CPUs have worked, for whomever: neither idle nor with the hypervisor. Whole
 * ticks of 10 ms. Returns 0 or -errno. */
int cpus_busy(double *ret_seconds);

/* Seconds of CPU that these processes have had, with all their threads, by the scheduler's clock.
 * What the kernel did in a softirq while one of them ran is theirs. */
double cpus_had(const pid_t *pids, size_t count);

/* The kernel's threads for softirqs that nobody else finds the time for, one a CPU. Returns how
 * many, at most `most`. */
size_t cpus_softirq_threads(pid_t *pids, size_t most);

#endif
