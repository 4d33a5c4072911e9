/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another network namespace: finding one by its id here, and using it without living in it. */
#ifndef LB_WATCH_NETNS_H
#define LB_WATCH_NETNS_H

#include "lb/watch/net_private.h"

/* Opens the namespace that has the id `nsid` in this one and says by which path, one under
 * /run/netns or /run/docker/netns before one of a process. Returns 0; -ENOENT if nothing names
 * it; -EPERM if it may be one that could not be looked at; another -errno. */
int netns_open(struct net *net, int nsid, int *ret_fd, char ret_path[NETNS_PATH_MAX]);

/* A socket (domain, type and protocol as in socket(2)) that belongs to that namespace. The calling
 * thread is back in its own when
 * this returns; a program that could not get back is ended here. Returns 0, -EPERM without
 * CAP_SYS_ADMIN, or another -errno. */
int netns_socket(int netns_fd, int domain, int type, int protocol, int *ret_fd);

#endif
