/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The group's cgroups are in the machine's tree, by a mount that only this process sees. */
#include "tests/prog/tuned_group.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "build/tuning.skel.h"

struct tuned_group {
	struct tuning_bpf *programs;
	char root[64];		/* where cgroup v2 is mounted */
	char home[300];		/* the cgroup that this process came from */
	char parent[96];
	bool mounted;
};

static const char *const places[TUNED_PLACES] = { "/inside", "/inside/nested", "/outside" };

static void check(int err, const char *what)
{
	if (!err)
		return;
	perror(what);
	abort();
}

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;

	if (fd >= 0)
		close(fd);
	return err;
}

static int enter(const char *cgroup)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	return file_write(path, "0");
}

static int home_find(struct tuned_group *group)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[200];
	int err = -1;

	while (file && err && fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::", 3)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(group->home, sizeof(group->home), "%s%s", group->root, line + 3);
			err = 0;
		}
	if (file)
		fclose(file);
	return err;
}

static int cgroups_make(struct tuned_group *group)
{
	char path[128];

	snprintf(group->root, sizeof(group->root), "/tmp/edgelb-test-%d", getpid());
	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
	    mkdir(group->root, 0700))
		return -1;
	group->mounted = !mount("cgroup2", group->root, "cgroup2", 0, NULL);
	if (!group->mounted || home_find(group))
		return -1;
	snprintf(group->parent, sizeof(group->parent), "%s/edgelb-test-%d", group->root, getpid());
	if (mkdir(group->parent, 0700))
		return -1;
	for (int i = 0; i < TUNED_PLACES; i++) {
		snprintf(path, sizeof(path), "%s%s", group->parent, places[i]);
		if (mkdir(path, 0700))
			return -1;
	}
	return 0;
}

static int program_attach(struct tuned_group *group)
{
	int fd = open(group->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	group->programs = tuning_bpf__open_and_load();
	if (fd < 0 || !group->programs)
		return -1;
	group->programs->links.policy_tcp_ops =
		bpf_program__attach_cgroup(group->programs->progs.policy_tcp_ops, fd);
	close(fd);
	return group->programs->links.policy_tcp_ops ? 0 : -1;
}

struct tuned_group *tuned_group_make(void)
{
	struct tuned_group *group = calloc(1, sizeof(*group));

	if (!group || (!cgroups_make(group) && !program_attach(group)))
		return group;
	perror("a group whose TCP is tuned");
	tuned_group_unmake(group);
	return NULL;
}

void tuned_group_unmake(struct tuned_group *group)
{
	char path[128];

	tuning_bpf__destroy(group->programs);
	if (group->home[0])
		check(enter(group->home), group->home);
	for (int i = TUNED_PLACES; group->parent[0] && i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", group->parent, places[i]);
		rmdir(path);
	}
	if (group->parent[0])
		rmdir(group->parent);
	if (group->mounted)
		umount(group->root);
	rmdir(group->root);
	free(group);
}

void tuned_group_move(const struct tuned_group *group, enum tuned_place place)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", group->parent, places[place]);
	check(enter(path), path);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The half of a table of tables gets a new one with this entry. */
static void entry_put(struct bpf_map *outer, uint32_t half, enum bpf_map_type type,
		      const void *key, uint32_t key_size, const void *value, uint32_t value_size,
		      uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options,
		    .map_flags = type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : BPF_F_INNER_MAP);
	int fd = bpf_map_create(type, NULL, key_size, value_size, entries, &options);

	check(fd < 0 ? fd : bpf_map_update_elem(fd, key, value, BPF_ANY), "an inner map");
	check(bpf_map_update_elem(bpf_map__fd(outer), &half, &fd, BPF_ANY), bpf_map__name(outer));
	close(fd);
}

static uint64_t cgroup_id(const struct tuned_group *group, enum tuned_place place)
{
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s%s", group->parent, places[place]);
	check(stat(path, &status), path);
	return status.st_ino;
}

static void tuning_put(struct tuned_group *group, uint32_t half, const struct policy_tcp *tuning)
{
	const struct policy_sockets sockets = { .tcp = 2 };
	uint32_t set = TUNED_SET, index = sockets.tcp - 1;

	entry_put(group->programs->maps.policy_sockets, half, BPF_MAP_TYPE_ARRAY, &set,
		  sizeof(set), &sockets, sizeof(sockets), TUNED_SET + 1);
	entry_put(group->programs->maps.policy_tcp, half, BPF_MAP_TYPE_ARRAY, &index,
		  sizeof(index), tuning, sizeof(*tuning), POLICY_TCP_MAX);
}

static void member_put(struct bpf_map *outer, uint32_t half, uint64_t id)
{
	uint32_t set = TUNED_SET;

	entry_put(outer, half, BPF_MAP_TYPE_HASH, &id, sizeof(id), &set, sizeof(set),
		  POLICY_MEMBERS_MAX);
}

void tuned_group_fill(struct tuned_group *group, uint32_t half, const struct policy_tcp *tuning)
{
	member_put(group->programs->maps.policy_cgroups, half, cgroup_id(group, TUNED_INSIDE));
	tuning_put(group, half, tuning);
}

static void turn(struct tuned_group *group, uint64_t current, const struct policy_dims *dims)
{
	const struct policy_settings settings = { .current = current, .dims = { *dims, *dims },
						  .version = POLICY_LAYOUT_VERSION };
	uint32_t zero = 0;

	check(bpf_map_update_elem(bpf_map__fd(group->programs->maps.policy_settings), &zero,
				  &settings, BPF_ANY), "policy_settings");
}

/* The group stands at whatever depth this process's mount has below the root. */
void tuned_group_turn(struct tuned_group *group, uint64_t current)
{
	const struct policy_dims dims = { .set_count = TUNED_SET + 1, .level = { 4, 3, 2, 1 } };

	turn(group, current, &dims);
}

void tuned_group_netns(struct tuned_group *group, const struct policy_tcp *tuning)
{
	const struct policy_dims dims = { .set_count = TUNED_SET + 1, .netns = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t half = 0, pair = TUNED_SET, set = TUNED_SET;
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	check(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size), "SO_NETNS_COOKIE");
	close(fd);
	member_put(group->programs->maps.policy_netns, half, cookie);
	entry_put(group->programs->maps.policy_pairs, half, BPF_MAP_TYPE_ARRAY, &pair,
		  sizeof(pair), &set, sizeof(set), dims.set_count * dims.set_count);
	tuning_put(group, half, tuning);
	turn(group, TUNED_CURRENT, &dims);
}

void tuned_group_stamp(struct tuned_group *group, int fd, uint32_t set, uint64_t identified)
{
	const struct policy_socket own = { .set = (uint16_t)set, .identified = identified };

	check(bpf_map_update_elem(bpf_map__fd(group->programs->maps.policy_socket), &fd, &own,
				  BPF_ANY), "policy_socket");
}

uint64_t tuned_group_count(const struct tuned_group *group, enum policy_tuned what)
{
	uint64_t counts[1024] = { 0 }, sum = 0;
	uint32_t key = what;

	check(bpf_map_lookup_elem(bpf_map__fd(group->programs->maps.policy_tuned), &key, counts),
	      "policy_tuned");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		sum += counts[i];
	return sum;
}

int tuned_group_path(const struct tuned_group *group, const struct adaptive_key *key,
		     struct adaptive_path *ret_path)
{
	return bpf_map_lookup_elem(bpf_map__fd(group->programs->maps.policy_paths), key, ret_path);
}

void tuned_group_path_set(struct tuned_group *group, const struct adaptive_key *key,
			  const struct adaptive_path *path)
{
	check(bpf_map_update_elem(bpf_map__fd(group->programs->maps.policy_paths), key, path,
				  BPF_ANY), "policy_paths");
}

void tuned_group_paths_forget(struct tuned_group *group)
{
	int fd = bpf_map__fd(group->programs->maps.policy_paths);
	struct adaptive_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		check(bpf_map_delete_elem(fd, &key), "policy_paths");
}
