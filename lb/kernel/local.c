/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One object over the tables of the data plane, and four of its own that are pinned with them: what
 * a socket asked for must be known to the next version of the programs too. */
#include "lb/kernel/local.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/local.skel.h"
#include "lb/kernel/program.h"
#include "lb/watch/cgroup_fs.h"

struct local {
	struct local_bpf *skel;
	char *pin;
};

static void pin_path(const char *pin, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", pin, name);
}

/* ---- tables of its own ----------------------------------------------------------------------- */

static bool is_own(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) &&
	       !strncmp(bpf_map__name(map), "local_", strlen("local_"));
}

/* Who asked for which vip, is read by the programs that see flows too (policy/flows.c): while they
 * are there, these stay. */
static bool is_asked(const struct bpf_map *map)
{
	return !strcmp(bpf_map__name(map), "local_sockets") ||
	       !strcmp(bpf_map__name(map), "local_datagrams");
}

/* The pinned ones go on, if they are of the same shape; libbpf looks. */
static int tables_pin_at(struct local *local)
{
	char path[PATH_MAX];
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, local->skel->obj) {
		if (err || !is_own(map))
			continue;
		pin_path(local->pin, bpf_map__name(map), path);
		err = bpf_map__set_pin_path(map, path);
	}
	return err;
}

/* ---- links ----------------------------------------------------------------------------------- */

/* The program of the pinned link becomes ours. -ENOENT: there is none; -ENOLINK: it stands nowhere
 * any more. */
static int link_exchange(const struct local *local, const char *path, int program)
{
	struct program old;
	int fd, err;

	if (!program_of_pinned_link(path, &old) &&
	    program_is_current(&old, program, local->pin, "local_sockets"))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	err = bpf_link_update(fd, program, NULL) ? -errno : 0;
	close(fd);
	return err;
}

static int link_new(const char *path, const struct bpf_program *program, int cgroup)
{
	struct bpf_link *link = bpf_program__attach_cgroup(program, cgroup);
	int err;

	if (!link)
		return -errno;
	unlink(path); /* of one that stands nowhere */
	err = bpf_link__pin(link, path);
	bpf_link__destroy(link); /* the pin holds it */
	return err;
}

static int program_attach(const struct local *local, const struct bpf_program *program, int cgroup,
			  bool *ret_new)
{
	char path[PATH_MAX];
	int err;

	pin_path(local->pin, bpf_program__name(program), path);
	err = link_exchange(local, path, bpf_program__fd(program));
	*ret_new = err == -ENOENT || err == -ENOLINK;
	return *ret_new ? link_new(path, program, cgroup) : err;
}

static void program_detach(const struct local *local, const struct bpf_program *program)
{
	char path[PATH_MAX];

	pin_path(local->pin, bpf_program__name(program), path);
	unlink(path);
}

/* All or none: half of them would send to a backend, and show its address in the answer. */
static int programs_attach(const struct local *local, int cgroup)
{
	const struct bpf_program *made[16];
	struct bpf_program *program;
	size_t count = 0;
	int err = 0;

	bpf_object__for_each_program(program, local->skel->obj) {
		bool is_new = false;

		if (err)
			break;
		err = program_attach(local, program, cgroup, &is_new);
		if (!err && is_new && count < sizeof(made) / sizeof(made[0]))
			made[count++] = program;
	}
	while (err && count)
		program_detach(local, made[--count]);
	return err;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int local_load(const struct dataplane *dataplane, struct local *local)
{
	int err;

	local->pin = strdup(dataplane->pin);
	if (!local->pin)
		return -ENOMEM;
	local->skel = local_bpf__open();
	if (!local->skel)
		return -errno;
	err = dataplane_share(dataplane, local->skel->obj);
	if (!err)
		err = tables_pin_at(local);
	return err ? err : local_bpf__load(local->skel);
}

int local_attach(struct dataplane *dataplane, struct local **ret_local, struct diag *diag)
{
	struct local *local = calloc(1, sizeof(*local));
	int cgroup = local ? cgroup_fs_open("") : -ENOMEM;
	int err = cgroup < 0 ? cgroup : 0;

	if (err) {
		diag_add(diag, NULL, 0, "the root of cgroup v2: %s",
			 err == -ENOENT ? "it is not mounted here" : strerror(-err));
		goto fail;
	}
	err = local_load(dataplane, local);
	if (!err)
		err = programs_attach(local, cgroup);
	close(cgroup);
	if (!err) {
		dataplane->local_connections = bpf_map__fd(local->skel->maps.local_connections);
		*ret_local = local;
		return 0;
	}
	diag_add(diag, NULL, 0, "the root of cgroup v2: cannot attach there: %s", strerror(-err));
fail:
	local_close(local);
	return err;
}

void local_close(struct local *local)
{
	if (!local)
		return;
	local_bpf__destroy(local->skel);
	free(local->pin);
	free(local);
}

void local_detach(struct dataplane *dataplane)
{
	struct local_bpf *skel = local_bpf__open();
	struct bpf_program *program;
	struct bpf_map *map;
	char path[PATH_MAX];
	bool flows;

	dataplane->local_connections = -1;
	pin_path(dataplane->pin, "flows", path);
	flows = !access(path, F_OK);
	if (!skel)
		return;
	bpf_object__for_each_program(program, skel->obj) {
		pin_path(dataplane->pin, bpf_program__name(program), path);
		unlink(path);
	}
	bpf_object__for_each_map(map, skel->obj) {
		if (!is_own(map) || (flows && is_asked(map)))
			continue;
		pin_path(dataplane->pin, bpf_map__name(map), path);
		unlink(path);
	}
	local_bpf__destroy(skel);
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static int compare_cookies(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The key after each is asked for before it goes. */
static void cookies_drop(int fd, const uint64_t *cookies, size_t count)
{
	uint64_t cookie, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &cookie);

	while (more) {
		more = !bpf_map_get_next_key(fd, &cookie, &next);
		if (!count || !bsearch(&cookie, cookies, count, sizeof(cookie), compare_cookies))
			bpf_map_delete_elem(fd, &cookie);
		cookie = next;
	}
}

int local_serve(struct local *local, const uint64_t *cookies, size_t count)
{
	int fd = bpf_map__fd(local->skel->maps.local_netns), err = 0;
	__u32 one = 1;

	cookies_drop(fd, cookies, count);
	for (size_t i = 0; i < count; i++)
		if (bpf_map_update_elem(fd, &cookies[i], &one, BPF_ANY) && !err)
			err = -errno;
	return err;
}
