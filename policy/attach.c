/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links of programs on cgroups. A pin is named PROGRAM-ID by the cgroup's id, so that a cgroup that
 * was made again under an old path is another one; what stood at the old was detached with it. */
#include "policy/attach.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/kernel/program.h"
#include "lb/watch/cgroup_fs.h"

/* One call: the links that are wanted, and which of them it made. */
struct attaching {
	const struct policy_stand *stand;
	struct wanted {
		char name[NAME_MAX];
		bool made;
	} *wanted;
	size_t wanted_count;
	struct diag *diag;
};

static void pin_path(const struct policy_stand *stand, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", stand->pins, name);
}

/* ---- one link -------------------------------------------------------------------------------- */

/* Whether the link that is pinned there stands at the cgroup; that of a cgroup that was removed
 * stands at none. Returns its fd, or -errno. */
static int link_standing(const char *path, uint64_t cgroup, uint32_t *ret_program)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	if (!err && (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id != cgroup))
		err = -ENOENT;
	if (err) {
		close(fd);
		return err;
	}
	*ret_program = info.prog_id;
	return fd;
}

/* The kernel exchanges the program at once: no packet is without. */
static int link_refresh(const struct policy_stand *stand, int link, uint32_t id, int program)
{
	struct program standing;

	if (!program_of_id(id, &standing) &&
	    program_is_current(&standing, program, stand->tables, stand->table))
		return 0;
	return bpf_link_update(link, program, NULL) ? -errno : 0;
}

static int link_make(const char *path, int cgroup, const struct policy_program *program)
{
	int link = bpf_link_create(program->fd, cgroup, program->type, NULL), err;

	if (link < 0)
		return -errno;
	unlink(path); /* a dead one */
	err = bpf_obj_pin(link, path) ? -errno : 0;
	close(link);
	return err;
}

static int link_keep(struct attaching *attaching, int cgroup, uint64_t id,
		     const struct policy_program *program)
{
	struct wanted *wanted = &attaching->wanted[attaching->wanted_count];
	const struct policy_stand *stand = attaching->stand;
	char path[PATH_MAX];
	uint32_t standing = 0;
	int link, err;

	snprintf(wanted->name, sizeof(wanted->name), "%s-%" PRIx64, program->name, id);
	pin_path(stand, wanted->name, path);
	link = link_standing(path, id, &standing);
	if (link >= 0) {
		err = link_refresh(stand, link, standing, program->fd);
		close(link);
	} else {
		err = link_make(path, cgroup, program);
		wanted->made = !err;
	}
	attaching->wanted_count++;
	return err;
}

static int link_remove(const char *path)
{
	int link = bpf_obj_get(path);

	if (link >= 0) {
		bpf_link_detach(link); /* of a dead one there is nothing to detach */
		close(link);
	}
	return unlink(path) ? -errno : 0;
}

/* ---- one cgroup ------------------------------------------------------------------------------ */

static int cgroup_cover(struct attaching *attaching, const char *cgroup)
{
	const struct policy_stand *stand = attaching->stand;
	int fd = cgroup_fs_open(cgroup), err = 0;
	struct stat status;

	if (fd == -ENOENT)
		return 0;
	if (fd >= 0 && fstat(fd, &status))
		err = -errno;
	if (fd < 0 || err) {
		diag_add(attaching->diag, NULL, 0, "cgroup \"%s\": cannot be opened: %s", cgroup,
			 strerror(fd < 0 ? -fd : -err));
		return fd < 0 ? fd : err;
	}
	for (size_t i = 0; !err && i < stand->program_count; i++) {
		err = link_keep(attaching, fd, status.st_ino, &stand->programs[i]);
		if (err)
			diag_add(attaching->diag, NULL, 0, "cgroup \"%s\": cannot attach %s: %s%s",
				 cgroup, stand->programs[i].name, strerror(-err),
				 err == -EPERM ? " (another program stands there or above, and "
						 "was attached without BPF_F_ALLOW_MULTI)"
					       : "");
	}
	close(fd);
	/* Removed just now: it is like one that was never there. */
	return err == -ENODEV || err == -ENOENT ? 0 : err;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_wanted(const struct attaching *attaching, const char *name)
{
	for (size_t i = 0; i < attaching->wanted_count; i++)
		if (!strcmp(attaching->wanted[i].name, name))
			return true;
	return false;
}

static void stale_remove(const struct attaching *attaching)
{
	DIR *dir = opendir(attaching->stand->pins);
	struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || is_wanted(attaching, entry->d_name))
			continue;
		pin_path(attaching->stand, entry->d_name, path);
		link_remove(path);
	}
	if (dir)
		closedir(dir);
}

static void made_undo(const struct attaching *attaching)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < attaching->wanted_count; i++)
		if (attaching->wanted[i].made) {
			pin_path(attaching->stand, attaching->wanted[i].name, path);
			link_remove(path);
		}
}

int policy_attach(const struct policy_stand *stand, const char *const *cgroups, size_t count,
		  struct diag *diag)
{
	struct attaching attaching = { .stand = stand, .diag = diag };
	int err = 0;

	if (mkdir(stand->pins, 0700) && errno != EEXIST) {
		err = -errno;
		diag_add(diag, NULL, 0, "pins %s: %s", stand->pins, strerror(-err));
		return err;
	}
	attaching.wanted = calloc(count * stand->program_count + 1, sizeof(*attaching.wanted));
	if (!attaching.wanted)
		return -ENOMEM;
	for (size_t i = 0; !err && i < count; i++)
		err = cgroup_cover(&attaching, cgroups[i]);
	if (err)
		made_undo(&attaching);
	else
		stale_remove(&attaching);
	free(attaching.wanted);
	return err;
}

int policy_detach(const char *pins, struct diag *diag)
{
	struct policy_stand stand = { .pins = pins };
	const struct attaching none = { .stand = &stand };
	int err = 0;

	stale_remove(&none);
	if (rmdir(pins) && errno != ENOENT)
		err = -errno;
	if (err)
		diag_add(diag, NULL, 0, "pins %s: cannot be removed: %s", pins, strerror(-err));
	return err;
}

size_t policy_attached(const char *pins, uint64_t *ret_ids, size_t room)
{
	DIR *dir = opendir(pins);
	struct dirent *entry;
	size_t count = 0;

	while (dir && count < room && (entry = readdir(dir))) {
		const char *dash = strrchr(entry->d_name, '-');
		uint64_t id = dash ? strtoull(dash + 1, NULL, 16) : 0;
		bool known = !id;

		for (size_t i = 0; !known && i < count; i++)
			known = ret_ids[i] == id;
		if (!known)
			ret_ids[count++] = id;
	}
	if (dir)
		closedir(dir);
	return count;
}
