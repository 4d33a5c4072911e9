/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of the daemon and of its tables, as the kernel counts it. */
#ifndef BENCH_CONTROL_MEMORY_H
#define BENCH_CONTROL_MEMORY_H

#include <stddef.h>
#include <sys/types.h>

/* What the process has in RAM beside the tables that it has mapped: the sum of Rss in
 * /proc/PID/smaps over all mappings but those of BPF maps. Shared libraries are counted in full.
 * In MB of 1,000,000 bytes, as all here; 0: it cannot be read. */
double process_memory_mb(pid_t pid);

struct map_memory {
	char name[16];
	double mb;
};

/* What the kernel holds for each pinned map (memlock in fdinfo), the largest first, `most` at
 * most; the sum over all of them in *ret_sum. */
size_t maps_memory(const char *pin, struct map_memory *maps, size_t most, double *ret_sum);

#endif
