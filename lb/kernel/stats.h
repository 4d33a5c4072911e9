/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters, summed over CPUs. Verdicts of packets that reached a backend are made from the
 * backends' counters; what a removed backend had counted is kept in their place. */
#ifndef LB_KERNEL_STATS_H
#define LB_KERNEL_STATS_H

#include "lb/kernel/dataplane.h"

/* The element of a per-CPU map of 64-bit counters, over all CPUs; 0 where there is none. */
uint64_t stats_sum(int fd, const void *key);

int stats_backend(const struct dataplane *dataplane, uint32_t id, struct lb_counters *ret_counters);

/* Local connections, and peers of local UDP sockets that are not connected, that were given this
 * backend. */
uint64_t stats_local(const struct dataplane *dataplane, uint32_t id);

/* All verdicts; ret_counts has LB_VERDICT_COUNT places. */
int stats_verdicts(const struct dataplane *dataplane, uint64_t *ret_counts);

/* Drops that a service is blamed for, by verdict; 0 where there were none. */
uint64_t stats_drops(const struct dataplane *dataplane, uint32_t service, uint32_t verdict);

/* A backend's id becomes free: its packets stay in the verdicts, its counters start at zero. */
void stats_retire(const struct dataplane *dataplane, uint32_t id);
void stats_forget_service(const struct dataplane *dataplane, uint32_t service);

/* Frames lost behind a redirect to a device of this network namespace. */
void losses_watch(const struct dataplane *dataplane, uint32_t ifindex);
void losses_forget(const struct dataplane *dataplane, uint32_t ifindex);
uint64_t losses_read(const struct dataplane *dataplane, uint32_t ifindex);

#endif
