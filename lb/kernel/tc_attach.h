/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of ours in tc, on one side of an interface. Each pin directory has a handle of its own,
 * so that those of several can stand on the same interface. Isolation's has the lower priority,
 * which runs first, and ends in TC_ACT_UNSPEC where a packet may go on. */
#ifndef LB_KERNEL_TC_ATTACH_H
#define LB_KERNEL_TC_ATTACH_H

#include <stdbool.h>

#define TC_PRIORITY_POLICY	0xed1a
#define TC_PRIORITY_LB	0xed1b

struct tc_kind {
	const char *pin, *table; /* whoever uses the table that is pinned there is ours */
	unsigned int priority;	/* TC_PRIORITY_* */
	bool egress;
};

/* Attaches it, or puts it in the place of an older one of ours by one exchange; leaves the same one
 * as it is. Returns 0 or -errno. */
int tc_attach(const struct tc_kind *kind, unsigned int ifindex, int fd);
int tc_detach(const struct tc_kind *kind, unsigned int ifindex);

/* Whether a program stands under the handle of the pin directory. */
bool tc_is_ours(const struct tc_kind *kind, unsigned int ifindex);

#endif
