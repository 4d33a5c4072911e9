/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/watch/cgroup_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Mounts of v2 that show the whole tree; of several the first one. /proc/self/mountinfo has, field
 * by field: id, parent, device, root within it, mount point, options, optional ones, "-", type. */
int cgroup_fs_root(char ret_path[CGROUP_PATH_MAX])
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[2 * CGROUP_PATH_MAX], path[CGROUP_PATH_MAX], root[CGROUP_PATH_MAX];
	int err = -ENOENT;

	if (!mounts)
		return -errno;
	while (err && fgets(line, sizeof(line), mounts)) {
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, path) != 2 ||
		    strcmp(root, "/"))
			continue;
		memcpy(ret_path, path, sizeof(path));
		err = 0;
	}
	fclose(mounts);
	return err;
}

int cgroup_fs_path(const char *cgroup, char ret_path[CGROUP_PATH_MAX])
{
	char root[CGROUP_PATH_MAX];
	int err = cgroup_fs_root(root), length;

	if (err)
		return err;
	while (*cgroup == '/')
		cgroup++;
	length = snprintf(ret_path, CGROUP_PATH_MAX, "%s%s%s", root, *cgroup ? "/" : "", cgroup);
	return length < CGROUP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int cgroup_fs_id(const char *cgroup, uint64_t *ret_id)
{
	char path[CGROUP_PATH_MAX];
	struct stat status;
	int err = cgroup_fs_path(cgroup, path);

	if (!err && stat(path, &status))
		err = -errno;
	if (!err)
		*ret_id = status.st_ino;
	return err;
}

int cgroup_fs_open(const char *cgroup)
{
	char path[CGROUP_PATH_MAX];
	int err = cgroup_fs_path(cgroup, path), fd;

	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
