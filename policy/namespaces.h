/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was read of network namespaces, kept for as long as somebody is in them: to look into one
 * takes a thread there and two dumps. */
#ifndef POLICY_NAMESPACES_H
#define POLICY_NAMESPACES_H

#include <sys/types.h>

#include "lb/model/container.h"
#include "lb/watch/netns_look.h"

struct namespaces {
	dev_t own_dev;		/* of the one that this process is in */
	ino_t own_ino;
	struct known_namespace *list;
	size_t count;
};

int namespaces_init(struct namespaces *namespaces);	/* 0 or -errno */

/* What the namespace behind the path has; NULL: it is our own, or cannot be entered. It is read
 * again while it is young, and where the runtime tells of an address (`container`, or NULL) that it
 * did not have. Valid until the next call. */
const struct netns_look *namespaces_look(struct namespaces *namespaces, const char *path,
					 const struct container *container);

/* Forgets those that were not asked for since the last time: nobody is in them any more. */
void namespaces_keep_used(struct namespaces *namespaces);
void namespaces_forget(struct namespaces *namespaces); /* all */

#endif
