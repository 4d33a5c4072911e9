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

/* The kernel's file handle of a cgroup is its id, of this type (fs/kernfs/mount.c). */
#define KERNFS_HANDLE 0xfe

static int handle_open(const char *root, uint64_t id)
{
	char room[sizeof(struct file_handle) + sizeof(id)] __attribute__((aligned(8))) = { 0 };
	struct file_handle *handle = (struct file_handle *)room;
	int mount = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, err;

	if (mount < 0)
		return -errno;
	handle->handle_bytes = sizeof(id);
	handle->handle_type = KERNFS_HANDLE;
	memcpy(handle->f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mount, handle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	close(mount);
	return !err ? fd : err == -ESTALE ? -ENOENT : err;
}

int cgroup_fs_of_id(uint64_t id, char ret_path[CGROUP_PATH_MAX])
{
	char root[CGROUP_PATH_MAX], link[32], path[CGROUP_PATH_MAX];
	int err = cgroup_fs_root(root), fd;
	size_t stem = err ? 0 : strlen(root);
	struct stat status;
	ssize_t length;

	fd = err ? err : handle_open(root, id);
	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (length < 0)
		return -errno;
	path[length] = '\0';
	/* A directory that was removed while we looked is shown with a mark behind its name. */
	if (strncmp(path, root, stem) || (path[stem] && path[stem] != '/') ||
	    stat(path, &status) || status.st_ino != id)
		return -ENOENT;
	strcpy(ret_path, path + stem + (path[stem] == '/'));
	return 0;
}
