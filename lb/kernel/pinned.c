/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/kernel/pinned.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lb/kernel/program.h"

int pinned_map_reuse(struct bpf_map *map, const char *path, struct diag *diag)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	if (!err && (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
		     info.value_size != bpf_map__value_size(map) ||
		     info.max_entries != bpf_map__max_entries(map))) {
		diag_add(diag, NULL, 0, "%s is not the table that this lbd knows by that name",
			 path);
		err = -EPROTO;
	}
	if (!err)
		err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

int pinned_map_keep(struct bpf_map *map, const char *path, struct diag *diag)
{
	(void)diag;
	return access(path, F_OK) ? bpf_map__pin(map, path) : 0;
}

int pinned_tracepoint_keep(const struct bpf_program *program, const char *pin, const char *table)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	struct program standing;
	struct bpf_link *link;
	int err;

	snprintf(path, sizeof(path), "%s/%s", pin, bpf_program__name(program));
	snprintf(fresh, sizeof(fresh), "%s/%s_new", pin, bpf_program__name(program));
	if (!program_of_pinned_link(path, &standing) &&
	    program_is_current(&standing, bpf_program__fd(program), pin, table))
		return 0;
	link = bpf_program__attach(program);
	if (!link)
		return -errno;
	unlink(fresh); /* of a daemon that died here */
	err = bpf_link__pin(link, fresh);
	if (!err && rename(fresh, path))
		err = -errno;
	bpf_link__destroy(link); /* the pin holds it */
	return err;
}
