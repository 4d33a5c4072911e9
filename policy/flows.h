/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows (flows.bpf.c), from the daemon's side: loaded, attached, sampled and
 * read. They ride beside isolation and need none of it. Pins stand under PIN/flows. Programs and
 * records outlive the daemon, so that a restart loses no flow. */
#ifndef POLICY_FLOWS_H
#define POLICY_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "policy/flows_abi.h"

struct flow_kernel;

/* Loads the programs over the pinned tables, or over new ones of `records` (a power of two,
 * FLOWS_MIN to FLOWS_MAX); tables of another size or layout are exchanged, and their flows are
 * forgotten. Returns 0, or -errno with a sentence. */
int flow_kernel_open(const char *pin, size_t records, struct flow_kernel **ret_kernel,
		     struct diag *diag);
void flow_kernel_close(struct flow_kernel *kernel); /* all goes on counting; NULL is fine */

/* Every program on exactly these cgroups (paths below the root of cgroup v2, "" is the root), none
 * below another. Returns 0, or -errno with sentences: all is as before. */
int flow_kernel_attach(struct flow_kernel *kernel, const char *const *cgroups, size_t count,
		       struct diag *diag);

/* Detaches all and removes PIN/flows; 0 also where none is. */
int flow_kernel_unload(const char *pin, struct diag *diag);
bool flow_kernel_is_loaded(const char *pin);

/* The records, mapped: the programs write them meanwhile. What a LIVE one tells of TCP is as of the
 * last sample. */
struct flow_record *flow_kernel_records(struct flow_kernel *kernel, size_t *ret_count);

/* Reads the kernel's figures of every socket that has a record into it, and settles. Returns how
 * many sockets there were, or -errno: -EOPNOTSUPP, this kernel has no iterator over sockets; then
 * nothing is known of live TCP. The number of the sample is `sampled` of each record that was met:
 * a LIVE one of TCP that was not met by two samples has lost its socket. */
long flow_kernel_sample(struct flow_kernel *kernel, uint32_t *ret_sample);

/* Waits until no program still has what was disowned or freed before (some 20 ms, if there is any);
 * then that is ENDED, and FREE. */
void flow_kernel_settle(struct flow_kernel *kernel);

/* For LIVE records that are over (idle, gone). Once settled, when no program can still write to it,
 * it becomes ENDED with that outcome, or with what was seen of a TCP connection's end. */
void flow_kernel_disown(struct flow_kernel *kernel, size_t number, enum flow_outcome outcome);

/* An ENDED record may be another flow's, once settled. */
void flow_kernel_free(struct flow_kernel *kernel, size_t number);

/* Sums over CPUs, since the tables were made. */
void flow_kernel_other(const struct flow_kernel *kernel, struct flow_other *ret_other);

/* Readable when a cgroup was seen for the first time; the callback gets each id. */
int flow_kernel_fd(const struct flow_kernel *kernel);
void flow_kernel_news(struct flow_kernel *kernel, void (*told)(uint64_t cgroup, void *data),
		      void *data);

/* Every cgroup that was ever seen, after a restart of the daemon. A cgroup that is gone for good is
 * forgotten, so that there is room for others. */
size_t flow_kernel_cgroups(const struct flow_kernel *kernel, uint64_t *ret_ids, size_t room);
void flow_kernel_cgroup_forget(struct flow_kernel *kernel, uint64_t cgroup);

#endif
