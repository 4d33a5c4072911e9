/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/kernel/program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int program_of_fd(int fd, struct program *ret_program)
{
	struct program program = { 0 };
	struct bpf_prog_info info = {
		.map_ids = (uintptr_t)program.maps,
		.nr_map_ids = PROGRAM_MAPS_MAX,
	};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	program.id = info.id;
	memcpy(program.tag, info.tag, sizeof(program.tag));
	program.map_count = info.nr_map_ids < PROGRAM_MAPS_MAX ? info.nr_map_ids
								: PROGRAM_MAPS_MAX;
	*ret_program = program;
	return 0;
}

int program_of_id(uint32_t id, struct program *ret_program)
{
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return -errno;
	err = program_of_fd(fd, ret_program);
	close(fd);
	return err;
}

int program_of_pinned_link(const char *path, struct program *ret_program)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	close(fd);
	return err ? err : program_of_id(info.prog_id, ret_program);
}

static uint32_t pinned_map_id(const char *pin, const char *table)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin, table);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		info.id = 0;
	close(fd);
	return info.id;
}

bool program_uses(const struct program *program, const char *pin, const char *table)
{
	uint32_t id = pinned_map_id(pin, table);

	for (uint32_t i = 0; id && i < program->map_count; i++)
		if (program->maps[i] == id)
			return true;
	return false;
}

bool program_is_current(const struct program *program, int fd, const char *pin, const char *table)
{
	struct program ours;

	return !program_of_fd(fd, &ours) &&
	       !memcmp(program->tag, ours.tag, sizeof(ours.tag)) &&
	       program_uses(program, pin, table);
}
