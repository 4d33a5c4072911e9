/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/watch/cgroup_fs.h"

int cgroup_make(const char *name, uint64_t *ret_id)
{
	char path[CGROUP_PATH_MAX];
	int err = cgroup_fs_path(name, path);

	if (!err && mkdir(path, 0755) && errno != EEXIST)
		err = -errno;
	return err || !ret_id ? err : cgroup_fs_id(name, ret_id);
}

void cgroup_remove(const char *name)
{
	char path[CGROUP_PATH_MAX];

	/* A process that was waited for may be in it a moment longer. */
	for (int ms = 0; !cgroup_fs_path(name, path) && rmdir(path) && errno == EBUSY && ms < 1000;
	     ms++)
		usleep(1000);
}

int cgroup_enter(const char *name)
{
	char root[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX + 16];
	int err = cgroup_fs_path(name, root), fd;

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/cgroup.procs", root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	err = fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -errno;
	if (fd >= 0)
		close(fd);
	return err;
}
