/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation's tables and programs: loaded, pinned, taken over from pins, and taken away. */
#include "policy/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/policy.skel.h"
#include "lb/kernel/pinned.h"
#include "policy/attach.h"
#include "policy/kernel_private.h"

#define PROGRAMS_MAX 32

static const char *const table_names[POLICY_TABLES] = {
	[TABLE_CGROUPS] = "policy_cgroups", [TABLE_NETNS] = "policy_netns",
	[TABLE_PARENTS] = "policy_parents", [TABLE_PAIRS] = "policy_pairs",
	[TABLE_PLACES] = "policy_places", [TABLE_UNIONS] = "policy_unions",
	[TABLE_CELLS] = "policy_cells", [TABLE_SPANS] = "policy_spans",
	[TABLE_SOCKETS] = "policy_sockets", [TABLE_TCP] = "policy_tcp",
	[TABLE_PORTS] = "policy_ports",
};

const char *policy_table_name(enum policy_table table)
{
	return table_names[table];
}

/* ---- pins ----------------------------------------------------------------------------------- */

static int directory_make(const char *path, struct diag *diag)
{
	int err = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;

	if (err)
		diag_add(diag, NULL, 0, "pins %s: %s", path, strerror(-err));
	return err;
}

/* Removes the pins of a directory, but not the directories in it. */
static int files_remove(const char *pins)
{
	DIR *dir = opendir(pins);
	struct dirent *entry;
	char path[PATH_MAX];
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", pins, entry->d_name);
		if (entry->d_name[0] != '.' && entry->d_type != DT_DIR && unlink(path))
			err = -errno;
	}
	closedir(dir);
	return err;
}

/* Settings of another layout may be of any size, and the kernel answers with all of them; where the
 * version stands is the same in all. 0: there are none, or whoever made them did not get so far. */
static int version_read(const char *pins, uint32_t *ret_version)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info), zero = 0;
	char path[PATH_MAX], *value;
	int fd, err;

	snprintf(path, sizeof(path), "%s/policy_settings", pins);
	fd = bpf_obj_get(path);
	if (fd < 0) {
		*ret_version = 0;
		return errno == ENOENT ? 0 : -errno;
	}
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	value = calloc(1, info.value_size + sizeof(struct policy_settings));
	if (!err)
		err = !value ? -ENOMEM : bpf_map_lookup_elem(fd, &zero, value) ? -errno : 0;
	if (!err)
		memcpy(ret_version, value + offsetof(struct policy_settings, version),
		       sizeof(*ret_version));
	free(value);
	close(fd);
	return err;
}

static int layout_check(const char *pins, struct diag *diag)
{
	uint32_t version;
	int err = version_read(pins, &version);

	/* Half made by a daemon that died: nothing is attached, so nobody misses them. */
	if (!err && !version)
		err = files_remove(pins);
	if (err) {
		diag_add(diag, NULL, 0, "pins %s: cannot read their layout: %s", pins,
			 strerror(-err));
		return err;
	}
	if (!version || version == POLICY_LAYOUT_VERSION)
		return 0;
	diag_add(diag, NULL, 0,
		 "pins %s: policy tables of layout %u, this lbd has layout %u; they stay as they "
		 "are (\"lbctl unload --all\" of the old version takes them away)",
		 pins, version, POLICY_LAYOUT_VERSION);
	return -EPROTO;
}

static int maps_visit(struct policy_kernel *kernel,
		      int (*visit)(struct bpf_map *map, const char *path, struct diag *diag),
		      struct diag *diag)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int err = 0;

	bpf_object__for_each_map(map, kernel->skel->obj) {
		if (err || bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", kernel->pins, bpf_map__name(map));
		err = visit(map, path, diag);
	}
	return err;
}

/* ---- open and close ------------------------------------------------------------------------- */

/* Of what kind the map of a half is; known only until the object is loaded. */
static int halves_read(struct policy_kernel *kernel)
{
	for (int i = 0; i < POLICY_TABLES; i++) {
		struct policy_halves *halves = &kernel->halves[i];
		struct bpf_map *map, *inner;

		map = bpf_object__find_map_by_name(kernel->skel->obj, table_names[i]);
		inner = map ? bpf_map__inner_map(map) : NULL;
		if (!inner)
			return -ENOENT;
		halves->type = bpf_map__type(inner);
		halves->key_size = bpf_map__key_size(inner);
		halves->value_size = bpf_map__value_size(inner);
		halves->flags = bpf_map__map_flags(inner);
	}
	return 0;
}

static int settings_map(struct policy_kernel *kernel)
{
	int fd = bpf_map__fd(kernel->skel->maps.policy_settings);
	void *memory;

	if (fd < 0)
		return fd;
	memory = mmap(NULL, sizeof(struct policy_settings), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      0);
	if (memory == MAP_FAILED)
		return -errno;
	kernel->settings = memory;
	for (int i = 0; i < POLICY_TABLES; i++)
		kernel->halves[i].outer = policy_kernel_map(kernel, table_names[i]);
	return 0;
}

/* `cookies`: this kernel can tell the network namespace of a packet; 6.1 cannot, and says so by
 * refusing the programs. */
static int programs_load(struct policy_kernel *kernel, bool cookies, struct diag *diag)
{
	int err;

	policy_bpf__destroy(kernel->skel);
	kernel->skel = policy_bpf__open();
	if (!kernel->skel)
		return -errno;
	kernel->skel->rodata->policy_cookie_of_packets = cookies;
	err = halves_read(kernel);
	if (!err)
		err = maps_visit(kernel, pinned_map_reuse, diag);
	return err ? err : policy_bpf__load(kernel->skel);
}

static int tables_load(struct policy_kernel *kernel, struct diag *diag)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int err = programs_load(kernel, true, diag);

	libbpf_set_print(print);
	if (err && err != -EPROTO)
		err = programs_load(kernel, false, diag);
	if (!err)
		err = maps_visit(kernel, pinned_map_keep, diag);
	if (!err)
		err = settings_map(kernel);
	if (!err)
		err = policy_ring_open(kernel);
	if (err)
		diag_add(diag, NULL, 0, "cannot load the policy programs: %s", strerror(-err));
	else
		__atomic_store_n(&kernel->settings->version, POLICY_LAYOUT_VERSION,
				 __ATOMIC_RELEASE);
	return err;
}

static int pins_name(const char *pin, char **ret_pins)
{
	return asprintf(ret_pins, "%s/policy", pin) < 0 ? -ENOMEM : 0;
}

int policy_kernel_open(const char *pin, struct policy_kernel **ret_kernel, struct diag *diag)
{
	struct policy_kernel *kernel = calloc(1, sizeof(*kernel));
	int err;

	if (!kernel)
		return -ENOMEM;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	err = pins_name(pin, &kernel->pins);
	if (!err)
		err = directory_make(kernel->pins, diag);
	if (!err)
		err = layout_check(kernel->pins, diag);
	if (!err)
		err = tables_load(kernel, diag);
	if (err) {
		policy_kernel_close(kernel);
		return err;
	}
	*ret_kernel = kernel;
	return 0;
}

void policy_kernel_close(struct policy_kernel *kernel)
{
	if (!kernel)
		return;
	ring_buffer__free(kernel->ring);
	if (kernel->settings)
		munmap(kernel->settings, sizeof(*kernel->settings));
	policy_bpf__destroy(kernel->skel);
	free(kernel->ports);
	free(kernel->attached);
	free(kernel->pins);
	free(kernel);
}

int policy_unload(const char *pin, struct diag *diag)
{
	char *pins, links[PATH_MAX], tuning[PATH_MAX];
	int err = pins_name(pin, &pins);

	if (err)
		return err;
	snprintf(links, sizeof(links), "%s/links", pins);
	snprintf(tuning, sizeof(tuning), "%s/tuning", pins); /* policy/companions.c */
	err = policy_detach(links, diag);
	if (!err)
		err = policy_detach(tuning, diag);
	if (!err) {
		policy_backstop_remove(pins);
		err = files_remove(pins);
		if (!err && rmdir(pins) && errno != ENOENT)
			err = -errno;
		if (err)
			diag_add(diag, NULL, 0, "pins %s: cannot be removed: %s", pins,
				 strerror(-err));
	}
	free(pins);
	return err;
}

bool policy_is_loaded(const char *pin)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/policy", pin);
	return !access(path, F_OK);
}

/* ---- small things ---------------------------------------------------------------------------- */

uint64_t policy_kernel_current(const struct policy_kernel *kernel)
{
	return __atomic_load_n(&kernel->settings->current, __ATOMIC_ACQUIRE);
}

void policy_kernel_set_audit(struct policy_kernel *kernel, bool audit)
{
	__atomic_store_n(&kernel->settings->audit, audit, __ATOMIC_RELEASE);
}

bool policy_kernel_audit(const struct policy_kernel *kernel)
{
	return __atomic_load_n(&kernel->settings->audit, __ATOMIC_ACQUIRE);
}

const char *policy_kernel_pins(const struct policy_kernel *kernel)
{
	return kernel->pins;
}

int policy_kernel_map(const struct policy_kernel *kernel, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(kernel->skel->obj, name);

	return map ? bpf_map__fd(map) : -ENOENT;
}

int policy_kernel_share(const struct policy_kernel *kernel, struct bpf_object *object)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, object) {
		int fd = policy_kernel_map(kernel, bpf_map__name(map));

		if (!err && fd >= 0 && !bpf_map__is_internal(map))
			err = bpf_map__reuse_fd(map, fd);
	}
	return err;
}

/* All of the object that stand at cgroups. */
int policy_kernel_attach(struct policy_kernel *kernel, const char *const *cgroups, size_t count,
			 struct diag *diag)
{
	struct policy_program programs[PROGRAMS_MAX];
	struct policy_stand stand = { .tables = kernel->pins, .table = "policy_settings",
				      .programs = programs };
	struct bpf_program *program;
	char links[PATH_MAX];

	bpf_object__for_each_program(program, kernel->skel->obj) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_SCHED_CLS ||
		    stand.program_count == PROGRAMS_MAX)
			continue;
		programs[stand.program_count++] = (struct policy_program){
			.name = bpf_program__name(program), .fd = bpf_program__fd(program),
			.type = bpf_program__expected_attach_type(program),
		};
	}
	snprintf(links, sizeof(links), "%s/links", kernel->pins);
	stand.pins = links;
	return policy_attach(&stand, cgroups, count, diag);
}

size_t policy_kernel_stands(const struct policy_kernel *kernel, uint64_t *ret_ids, size_t room)
{
	char links[PATH_MAX];

	snprintf(links, sizeof(links), "%s/links", kernel->pins);
	return policy_attached(links, ret_ids, room);
}
