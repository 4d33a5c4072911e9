/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of cgroup v2 as the file system shows it. A cgroup's id, as programs see it, is the
 * inode number of its directory; an id never comes again. */
#ifndef LB_WATCH_CGROUP_FS_H
#define LB_WATCH_CGROUP_FS_H

#include <stdint.h>

#define CGROUP_PATH_MAX 4096

/* Where it is mounted: /sys/fs/cgroup, or below it on a hybrid host. -ENOENT: nowhere. */
int cgroup_fs_root(char ret_path[CGROUP_PATH_MAX]);

/* The absolute path of one below the root, "" or "/" being the root itself. */
int cgroup_fs_path(const char *cgroup, char ret_path[CGROUP_PATH_MAX]);

/* Its id; -ENOENT if it is not there. */
int cgroup_fs_id(const char *cgroup, uint64_t *ret_id);

/* The other way round: the path below the root, "" for the root itself, of the one that has the id
 * now, without a walk over the tree. -ENOENT: it is gone; -EPERM without CAP_DAC_READ_SEARCH. */
int cgroup_fs_of_id(uint64_t id, char ret_path[CGROUP_PATH_MAX]);

/* An fd of its directory (close-on-exec), or -errno. */
int cgroup_fs_open(const char *cgroup);

#endif
