/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of lb.conf from the flows that were seen. */
#ifndef LB_CTL_SUGGEST_H
#define LB_CTL_SUGGEST_H

#include <stdio.h>

struct json_object;

/* `seen` is the daemon's list of kinds of flows: groups, direction, remote, remote_groups,
 * protocol, port, flows, passed (what was refused is not suggested). Writes policy.rules that allow
 * each of them, and then one that denies the rest for each group that was seen to begin anything.
 * Addresses outside all groups stand by themselves, or as "any" where there are more than a list is
 * good for. Returns the number of rules. */
size_t suggest_print(struct json_object *seen, FILE *to);

#endif
