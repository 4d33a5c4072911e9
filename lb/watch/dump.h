/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dump over a netlink socket of our own making (another namespace's, or one of so many answers
 * that libnl's copies would count): asked for, and walked through as it comes in. */
#ifndef LB_WATCH_DUMP_H
#define LB_WATCH_DUMP_H

#include <linux/netlink.h>

/* Each message of the answer but its end; it stands there until this returns. */
typedef void dump_message(const struct nlmsghdr *message, void *data);

/* Returns 0; what the kernel said of it, a -errno; or -EAGAIN: what was dumped changed meanwhile. */
int dump_ask(int fd, const struct nlmsghdr *question, dump_message *take, void *data);

#endif
