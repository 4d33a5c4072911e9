/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the subjects of a policy: containers in the cgroup tree, cgroups by pattern, namespaces by
 * name, with their addresses; and says when to look again. */
#ifndef POLICY_WHO_H
#define POLICY_WHO_H

#include "config/config.h"
#include "lb/model/container.h"
#include "policy/subject.h"

struct who_end {		/* a veth by which packets leave a subject */
	size_t subject;		/* its index */
	unsigned int ifindex;	/* of the end that should stand in this namespace */
	unsigned int peer;	/* of the end in there */
	unsigned char mac[6];	/* of that one */
};

struct found {
	struct subjects subjects;	/* containers, cgroups and namespaces; who is below a
					 * governed parent and in no group too, by its path */
	struct who_end *ends;
	size_t end_count;
	char **stands;			/* cgroups to attach the programs to, none below another */
	size_t stand_count;		/* one "" is the root: a group is a namespace */
	uint64_t *unnamed;		/* ids of cgroups of containers that are no subject yet */
	size_t unnamed_count;
};

struct who;

/* Returns 0, or -errno with a sentence. */
int who_open(struct who **ret_who, struct diag *diag);
void who_close(struct who *who); /* NULL is fine */

/* Readable when cgroups or names of namespaces have come or gone; who_drain() empties it and says
 * whether any that concern us did. */
int who_fd(const struct who *who);
bool who_drain(struct who *who);

/* Cgroups at which programs of an earlier daemon stand: what is below them stays governed until the
 * runtime has told of all its containers. */
void who_remember(struct who *who, const uint64_t *cgroups, size_t count);

/* Looks at all of them now. What a namespace has is read again while it is young, and then when
 * who_forget() was called. `complete`: these are all containers of the runtime, as of now; who
 * looks like one and is not among them is then in no group, after a moment. Returns 0 or -errno. */
int who_find(struct who *who, const struct config_policy *policy,
	     const struct container *containers, size_t container_count, bool complete,
	     struct found *ret_found);
void who_forget(struct who *who);

/* After a look that is in force: forgets what it did not meet, and says what it could not do. */
void who_tidy(struct who *who, struct diag *diag);
void found_clear(struct found *found); /* an empty one is fine */

const char *who_cgroup_root(const struct who *who);

#endif
