/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of one group, as the daemon would fill them, and its cgroup. */
#include "bench/tuned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/ground.h"
#include "build/tuning.skel.h"

#define CGROUPS	  GROUND_DIR "/cgroups" /* the machine's, by a mount of the bench's own */
#define GROUP_SET 2			/* the first that is a group's */

static int cgroup_make(struct tuned *tuned, uint64_t *ret_id)
{
	struct stat status;
	int err;

	if ((mkdir(CGROUPS, 0700) && errno != EEXIST) ||
	    mount("cgroup2", CGROUPS, "cgroup2", 0, NULL))
		return -errno;
	snprintf(tuned->cgroup, sizeof(tuned->cgroup), CGROUPS "/edgelb-bench-%d", getpid());
	if (mkdir(tuned->cgroup, 0700) || stat(tuned->cgroup, &status)) {
		err = -errno;
		umount(CGROUPS);
		tuned->cgroup[0] = '\0';
		return err;
	}
	*ret_id = status.st_ino; /* the inode of its directory */
	return 0;
}

/* Half 0 of a table of tables gets one with this entry. */
static int entry_put(struct bpf_map *outer, enum bpf_map_type type, const void *key,
		     uint32_t key_size, const void *value, uint32_t value_size, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = type == BPF_MAP_TYPE_HASH ?
								       BPF_F_NO_PREALLOC :
								       BPF_F_INNER_MAP);
	uint32_t half = 0;
	int fd = bpf_map_create(type, NULL, key_size, value_size, entries, &options);
	int err = fd < 0 ? fd : bpf_map_update_elem(fd, key, value, BPF_ANY);

	if (!err)
		err = bpf_map_update_elem(bpf_map__fd(outer), &half, &fd, BPF_ANY);
	if (fd >= 0)
		close(fd);
	return err;
}

static int tables_fill(struct tuning_bpf *programs, uint64_t id, const struct policy_tcp *tuning)
{
	struct policy_settings settings = {
		.current = 1 << 1, .version = POLICY_LAYOUT_VERSION,
		.dims[0] = { .set_count = GROUP_SET + 1, .level = { 4, 3, 2, 1 } },
	};
	struct policy_sockets sockets = { .tcp = 1 };
	uint32_t zero = 0, set = GROUP_SET;
	int err = entry_put(programs->maps.policy_cgroups, BPF_MAP_TYPE_HASH, &id, sizeof(id),
			    &set, sizeof(set), POLICY_MEMBERS_MAX);

	if (!err)
		err = entry_put(programs->maps.policy_sockets, BPF_MAP_TYPE_ARRAY, &set,
				sizeof(set), &sockets, sizeof(sockets), POLICY_SETS);
	if (!err)
		err = entry_put(programs->maps.policy_tcp, BPF_MAP_TYPE_ARRAY, &zero, sizeof(zero),
				tuning, sizeof(*tuning), POLICY_TCP_MAX);
	return err ? err :
		     bpf_map_update_elem(bpf_map__fd(programs->maps.policy_settings), &zero,
					 &settings, BPF_ANY);
}

static int program_attach(struct tuned *tuned)
{
	int fd = open(tuned->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	tuned->programs->links.policy_tcp_ops =
		bpf_program__attach_cgroup(tuned->programs->progs.policy_tcp_ops, fd);
	err = tuned->programs->links.policy_tcp_ops ? 0 : -errno;
	close(fd);
	return err;
}

int tuned_make(const struct policy_tcp *tuning, struct tuned *ret_tuned, struct diag *diag)
{
	struct tuned tuned = { .programs = tuning_bpf__open_and_load() };
	uint64_t id = 0;
	int err = tuned.programs ? 0 : -errno;

	if (!err)
		err = cgroup_make(&tuned, &id);
	if (!err)
		err = tables_fill(tuned.programs, id, tuning);
	if (!err)
		err = program_attach(&tuned);
	if (!err) {
		*ret_tuned = tuned;
		return 0;
	}
	diag_add(diag, NULL, 0, "cannot make a group whose TCP is tuned: %s", strerror(-err));
	tuned_unmake(&tuned);
	return err;
}

void tuned_unmake(struct tuned *tuned)
{
	tuning_bpf__destroy(tuned->programs);
	if (!tuned->cgroup[0])
		return;
	rmdir(tuned->cgroup);
	umount(CGROUPS);
}

int tuned_enter(const struct tuned *tuned)
{
	char path[sizeof(tuned->cgroup) + 16];
	int fd, err;

	snprintf(path, sizeof(path), "%s/cgroup.procs", tuned->cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	err = fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -errno;
	if (fd >= 0)
		close(fd);
	return err;
}
