/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which congestion controls this kernel has. A BPF program may set only those that are there
 * already, so the daemon asks for every one that policy.tcp names, once, before it is needed; one
 * that is missing is for a warning, for policy_tcp_ops leaves the socket as it is. */
#ifndef POLICY_CONGESTION_H
#define POLICY_CONGESTION_H

#include <stdbool.h>
#include <stddef.h>

#define CONGESTION_LIST_MAX 512

/* Those that are there, with spaces between them, as the kernel tells them; for messages. Returns 0
 * or -errno. */
int congestion_list(char *ret_list, size_t size);

/* Whether a socket can have it. The kernel loads its module where there is one (CAP_NET_ADMIN). */
bool congestion_has(const char *name);

#endif
