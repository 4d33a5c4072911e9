/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over the tree of cgroup v2. `root` is where it stands (cgroup_fs_root()); paths are below
 * it and begin without "/", the root itself is "". */
#ifndef POLICY_CGROUP_TREE_H
#define POLICY_CGROUP_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The id that programs know it by: the inode of its directory. Returns 0 or -errno. */
int cgroup_id(const char *root, const char *path, uint64_t *ret_id);

/* The other way round: a walk over the tree until it is found. Returns 0 or -ENOENT. */
int cgroup_of_id(const char *root, uint64_t id, char ret_path[PATH_MAX]);

/* Seconds since it was made; 0 for one that is gone. */
time_t cgroup_age(const char *root, const char *path);

unsigned int cgroup_level(const char *path); /* 1: a child of the root */
bool cgroup_is_below(const char *path, const char *ancestor); /* or the same; all are below "" */

/* Called with each path in the order of the directory; false ends the walk. */
typedef bool cgroup_visitor(const char *path, void *data);

/* The children of a cgroup. One that is gone has none. */
void cgroup_children(const char *root, const char *path, cgroup_visitor *visit, void *data);

/* Those that a pattern of lb.conf names: "*" and "?" match within one part of a path. */
void cgroup_match(const char *root, const char *pattern, cgroup_visitor *visit, void *data);

/* The cgroup of a container, by its id: below `parent` (NULL: not known) or where Docker and Podman
 * put theirs, else `anywhere`, which takes a walk over the whole tree. Returns 0 or -ENOENT. */
int cgroup_of_container(const char *root, const char *id, const char *parent, bool anywhere,
			char ret_path[PATH_MAX]);

/* Whether the path has the id of a container in it: only a runtime can say who that is. */
bool cgroup_is_of_container(const char *path);

/* Some process in it or below it, as this process numbers it; 0: none. */
pid_t cgroup_process(const char *root, const char *path);

#endif
