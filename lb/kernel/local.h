/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs for local clients of a vip (policy/local.bpf.c): where they stand, and which network
 * namespaces they help. They stand at the root of cgroup v2, each by a link that is pinned beside
 * the tables: it outlives the daemon, and is gone with the pins. */
#ifndef LB_KERNEL_LOCAL_H
#define LB_KERNEL_LOCAL_H

#include "lb/kernel/dataplane.h"

struct local;

/* Loads and attaches them, each in the place of an older one of ours by one exchange. On failure
 * none stands that did not before; -ENOENT: no cgroup v2. Sentences in diag. */
int local_attach(struct dataplane *dataplane, struct local **ret_local, struct diag *diag);

/* Lets go of them; they stay attached. NULL is fine. */
void local_close(struct local *local);

/* Takes away those of this pin directory, whoever attached them. */
void local_detach(struct dataplane *dataplane);

/* From now on sockets of these namespaces are helped, and no others: cookies, ascending. Returns 0
 * or -errno of the first that could not be told. */
int local_serve(struct local *local, const uint64_t *cookies, size_t count);

#endif
