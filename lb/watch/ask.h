/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request over netlink and all of its answer. Private to lb/watch; libnl's caches are not
 * used: they swallow attributes that they do not know. */
#ifndef LB_WATCH_ASK_H
#define LB_WATCH_ASK_H

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stddef.h>

#include "config/addr.h"

/* A connected socket of the caller's network namespace. Returns 0 or -errno. */
int ask_open(int protocol, struct nl_sock **ret_sock);

/* A request of one page, more than any of ours needs, so that putting attributes cannot fail.
 * `header` is the family's own (struct ifinfomsg, ...). */
struct nl_msg *ask_new(int type, int flags, const void *header, size_t header_size);

/* Sends the request, hands every message of the answer to take() (NULL: none is expected) and
 * frees the request. Returns 0, the kernel's -errno, or -EINTR for a dump that changed while it
 * was read: then take() saw an inconsistent answer and the caller asks anew. */
int ask(struct nl_sock *sock, struct nl_msg *request,
	void (*take)(struct nlmsghdr *message, void *arg), void *arg);

/* Addresses as the kernel has them: 4 or 16 bytes, by the family. */
int ask_family(const struct addr *addr);
void ask_put_addr(struct nl_msg *request, int type, const struct addr *addr);

/* False if the attribute is missing or has not the size of an address of that family. */
bool ask_get_addr(const struct nlattr *attribute, int family, struct addr *ret_addr);

#endif
