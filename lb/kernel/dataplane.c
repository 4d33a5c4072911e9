/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables' life. They are made by loading xdp/lb.bpf.c without its program, so that they exist
 * before any interface does and outlive every program. A table that is pinned is taken as it is,
 * after its layout was checked. */
#include "lb/kernel/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "build/lb.skel.h"
#include "build/losses.skel.h"
#include "build/reply.skel.h"
#include "lb/kernel/pinned.h"

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif
#define BPFFS "/sys/fs/bpf"

/* ---- the pin directory ---------------------------------------------------------------------- */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == (__typeof__(fs.f_type))BPF_FS_MAGIC;
}

int pin_dir_make(const char *pin, struct diag *diag)
{
	if (!strncmp(pin, BPFFS "/", strlen(BPFFS "/")) && !is_bpffs(BPFFS) &&
	    mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		diag_add(diag, NULL, 0, "%s: cannot mount the BPF file system: %s", BPFFS,
			 strerror(errno));
	if (mkdir(pin, 0700) && errno != EEXIST) {
		int err = -errno;

		diag_add(diag, NULL, 0, "pins %s: %s", pin, strerror(errno));
		return err;
	}
	if (is_bpffs(pin))
		return 0;
	diag_add(diag, NULL, 0, "pins %s: not on a BPF file system (mount -t bpf bpf %s)", pin,
		 BPFFS);
	return -EINVAL;
}

static int pin_dir_lock(struct dataplane *dataplane, const char *pin, struct diag *diag)
{
	dataplane->lock = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dataplane->lock < 0 || flock(dataplane->lock, LOCK_EX | LOCK_NB)) {
		int err = -errno;

		diag_add(diag, NULL, 0, "pins %s: %s", pin,
			 err == -EWOULDBLOCK ? "another lbd works with them" : strerror(-err));
		return err == -EWOULDBLOCK ? -EBUSY : err;
	}
	return 0;
}

/* ---- mapping -------------------------------------------------------------------------------- */

static void *map_memory(struct dataplane *dataplane, struct bpf_map *map, int *ret_err)
{
	size_t page = sysconf(_SC_PAGESIZE);
	/* The kernel rounds a value up to 8 bytes and the whole up to pages. */
	size_t size = ((bpf_map__value_size(map) + 7) / 8 * 8) * (size_t)bpf_map__max_entries(map);
	void *memory;

	size = (size + page - 1) / page * page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED) {
		*ret_err = -errno;
		return NULL;
	}
	dataplane->maps[dataplane->map_count] = memory;
	dataplane->map_sizes[dataplane->map_count++] = size;
	return memory;
}

static int maps_open(struct dataplane *dataplane, struct lb_bpf *skel)
{
	int err = 0;

	dataplane->layout = map_memory(dataplane, skel->maps.lb_layout, &err);
	dataplane->settings = map_memory(dataplane, skel->maps.lb_settings, &err);
	dataplane->services = map_memory(dataplane, skel->maps.lb_services, &err);
	dataplane->replies = map_memory(dataplane, skel->maps.lb_replies, &err);
	dataplane->services_disp = map_memory(dataplane, skel->maps.lb_services_disp, &err);
	dataplane->replies_disp = map_memory(dataplane, skel->maps.lb_replies_disp, &err);
	dataplane->slots = map_memory(dataplane, skel->maps.lb_slots, &err);
	dataplane->owners = map_memory(dataplane, skel->maps.lb_owners, &err);
	dataplane->clocks = map_memory(dataplane, skel->maps.lb_clocks, &err);
	dataplane->records = map_memory(dataplane, skel->maps.lb_records, &err);
	dataplane->backends = map_memory(dataplane, skel->maps.lb_backends, &err);
	dataplane->service_info = map_memory(dataplane, skel->maps.lb_service_info, &err);
	dataplane->backend_info = map_memory(dataplane, skel->maps.lb_backend_info, &err);
	dataplane->direct_list = map_memory(dataplane, skel->maps.lb_direct_list, &err);
	dataplane->trace = map_memory(dataplane, skel->maps.lb_trace, &err);
	dataplane->counters = bpf_map__fd(skel->maps.lb_counters);
	dataplane->verdicts = bpf_map__fd(skel->maps.lb_verdicts);
	dataplane->drops = bpf_map__fd(skel->maps.lb_drops);
	dataplane->records_lost = bpf_map__fd(skel->maps.lb_records_lost);
	dataplane->devices = bpf_map__fd(skel->maps.lb_devices);
	dataplane->direct = bpf_map__fd(skel->maps.lb_direct);
	dataplane->capture = bpf_map__fd(skel->maps.lb_capture);
	return err;
}

/* ---- layout --------------------------------------------------------------------------------- */

/* The version stands first in every layout; the rest of another one may be of any size, and the
 * kernel answers with all of it. */
static int layout_copy(int fd, struct lb_layout *ret_layout)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info), zero = 0;
	void *value;
	int err;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	value = calloc(1, info.value_size);
	if (!value)
		return -ENOMEM;
	err = bpf_map_lookup_elem(fd, &zero, value) ? -errno : 0;
	if (!err)
		memcpy(ret_layout, value, info.value_size < sizeof(*ret_layout)
						  ? info.value_size
						  : sizeof(*ret_layout));
	free(value);
	return err;
}

/* What pins are there says with which layout they were made: read before anything else. */
static int layout_read(const char *pin, struct lb_layout *ret_layout)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/lb_layout", pin);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	err = layout_copy(fd, ret_layout);
	close(fd);
	return err;
}

static int layout_check(const char *pin, uint32_t *max_slots, struct diag *diag)
{
	struct lb_layout layout = { 0 };
	int err = layout_read(pin, &layout);

	if (err == -ENOENT)
		return 0;
	if (err) {
		diag_add(diag, NULL, 0, "pins %s: cannot read their layout: %s", pin,
			 strerror(-err));
		return err;
	}
	if (layout.version != LB_LAYOUT_VERSION) {
		diag_add(diag, NULL, 0,
			 "pins %s: tables of layout %u, this lbd has layout %u; they stay as they "
			 "are (\"lbctl --pin %s unload\" of the old version takes them away)",
			 pin, layout.version, LB_LAYOUT_VERSION, pin);
		return -EPROTO;
	}
	if (!*max_slots)
		*max_slots = layout.max_slots;
	if (layout.max_slots != *max_slots) {
		diag_add(diag, NULL, 0,
			 "tuning.max_slots is %u, but the tables under %s were made with %u: "
			 "another size takes an \"lbctl unload\" first",
			 *max_slots, pin, layout.max_slots);
		return -EINVAL;
	}
	return 0;
}

static void layout_write(struct dataplane *dataplane)
{
	/* An empty table is a table too: the smallest half, with seed 1. */
	const uint64_t empty = LB_TABLE_WORD(0, (1 << LB_TABLE_LOG2_MIN) - 1, LB_TABLE_FLAT, 1);
	struct timespec now;

	if (dataplane->layout->version)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	dataplane->settings->services = empty;
	dataplane->settings->replies = empty;
	dataplane->settings->record_mask = (1U << LB_BUCKETS_LOG2) - 1;
	if (getrandom(dataplane->settings->record_key, sizeof(dataplane->settings->record_key),
		      0) < 0)
		dataplane->settings->record_key[0] = now.tv_nsec;
	dataplane->layout->max_slots = dataplane->max_slots;
	dataplane->layout->created_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	__atomic_store_n(&dataplane->layout->version, LB_LAYOUT_VERSION, __ATOMIC_RELEASE);
}

/* ---- open and close ------------------------------------------------------------------------- */

typedef int map_function(struct bpf_map *map, const char *path, struct diag *diag);

/* What a program only works with while it has a packet at hand: nobody else's business, and a
 * private copy must not find in it what a running program left there. */
static bool is_scratch(const struct lb_bpf *skel, const struct bpf_map *map)
{
	return map == skel->maps.lb_trace || map == skel->maps.lb_scratch ||
	       map == skel->maps.lb_flow || map == skel->maps.lb_encap ||
	       map == skel->maps.lb_pmtu || map == skel->maps.lb_captured ||
	       map == skel->maps.lb_syn;
}

/* Calls `visit` for every table that is pinned. */
static int pinned_maps_visit(struct dataplane *dataplane, map_function *visit, struct diag *diag)
{
	struct lb_bpf *skel = dataplane->tables;
	struct bpf_map *map;
	char path[PATH_MAX];
	int err = 0;

	if (!dataplane->pin)
		return 0;
	bpf_object__for_each_map(map, skel->obj) {
		if (err || bpf_map__is_internal(map) || is_scratch(skel, map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dataplane->pin, bpf_map__name(map));
		err = visit(map, path, diag);
	}
	return err;
}

/* Only opened: that its table fits is known before any other is made. */
static int losses_open(struct dataplane *dataplane, struct diag *diag)
{
	struct losses_bpf *skel = losses_bpf__open();
	char path[PATH_MAX];

	if (!skel)
		return -errno;
	dataplane->loss_counter = skel;
	snprintf(path, sizeof(path), "%s/lb_losses", dataplane->pin);
	return pinned_map_reuse(skel->maps.lb_losses, path, diag);
}

static uint32_t owners_lines(uint32_t slots)
{
	return (slots + LB_OWNERS - 1) / LB_OWNERS;
}

static int tables_load(struct dataplane *dataplane, struct diag *diag)
{
	struct lb_bpf *skel = lb_bpf__open();
	int err;

	if (!skel)
		return -errno;
	dataplane->tables = skel;
	bpf_program__set_autoload(skel->progs.lb, false);
	err = bpf_map__set_max_entries(skel->maps.lb_slots, dataplane->max_slots);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.lb_clocks, dataplane->max_slots);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.lb_owners,
					       owners_lines(dataplane->max_slots));
	if (!err)
		err = pinned_maps_visit(dataplane, pinned_map_reuse, diag);
	if (!err && dataplane->pin)
		err = losses_open(dataplane, diag);
	if (!err)
		err = lb_bpf__load(skel);
	if (!err)
		err = pinned_maps_visit(dataplane, pinned_map_keep, diag);
	if (!err)
		err = maps_open(dataplane, skel);
	if (err)
		diag_add(diag, NULL, 0, "cannot make the tables: %s%s", strerror(-err),
			 err == -EPERM ? " (lbd needs root, or CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON "
					 "and CAP_SYS_ADMIN)"
				       : "");
	else
		layout_write(dataplane);
	return err;
}

static struct dataplane *dataplane_new(const char *pin, uint32_t max_slots)
{
	struct dataplane *dataplane = calloc(1, sizeof(*dataplane));

	if (!dataplane)
		return NULL;
	dataplane->lock = -1;
	dataplane->losses = -1;
	dataplane->local_connections = -1;
	dataplane->max_slots = max_slots;
	dataplane->pin = pin ? strdup(pin) : NULL;
	return dataplane;
}

static int dataplane_make(const char *pin, uint32_t max_slots, bool lock,
			  struct dataplane **ret_dataplane, struct diag *diag)
{
	struct dataplane *dataplane;
	int err = 0;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	dataplane = dataplane_new(pin, max_slots);
	if (!dataplane)
		return -ENOMEM;
	if (lock)
		err = pin_dir_lock(dataplane, pin, diag);
	if (!err && pin)
		err = layout_check(pin, &dataplane->max_slots, diag);
	if (!err)
		err = tables_load(dataplane, diag);
	if (err) {
		dataplane_close(dataplane);
		return err;
	}
	*ret_dataplane = dataplane;
	return 0;
}

int dataplane_open(const char *pin, uint32_t max_slots, struct dataplane **ret_dataplane,
		   struct diag *diag)
{
	int err = pin_dir_make(pin, diag);

	return err ? err : dataplane_make(pin, max_slots, true, ret_dataplane, diag);
}

int dataplane_open_existing(const char *pin, struct dataplane **ret_dataplane, struct diag *diag)
{
	struct lb_layout layout;
	int err = layout_read(pin, &layout);

	if (err) {
		diag_add(diag, NULL, 0, "pins %s: %s", pin,
			 err == -ENOENT ? "no lbd has been here" : strerror(-err));
		return err;
	}
	return dataplane_make(pin, 0, false, ret_dataplane, diag);
}

int dataplane_open_private(uint32_t max_slots, struct dataplane **ret_dataplane,
			   struct diag *diag)
{
	return dataplane_make(NULL, max_slots, false, ret_dataplane, diag);
}

void dataplane_close(struct dataplane *dataplane)
{
	if (!dataplane)
		return;
	for (size_t i = 0; i < dataplane->map_count; i++)
		munmap(dataplane->maps[i], dataplane->map_sizes[i]);
	losses_bpf__destroy(dataplane->loss_counter);
	reply_bpf__destroy(dataplane->reply);
	lb_bpf__destroy(dataplane->tables);
	if (dataplane->lock >= 0)
		close(dataplane->lock);
	free(dataplane->pin);
	free(dataplane);
}

int dataplane_share(const struct dataplane *dataplane, struct bpf_object *object)
{
	struct bpf_map *map, *table;

	bpf_object__for_each_map(map, object) {
		int err;

		if (bpf_map__is_internal(map))
			continue;
		table = bpf_object__find_map_by_name(dataplane->tables->obj, bpf_map__name(map));
		if (!table)
			continue;
		err = bpf_map__reuse_fd(map, bpf_map__fd(table));
		if (err)
			return err;
	}
	return 0;
}

/* ---- losses --------------------------------------------------------------------------------- */

int dataplane_count_losses(struct dataplane *dataplane, struct diag *diag)
{
	struct losses_bpf *skel = dataplane->loss_counter;
	char path[PATH_MAX];
	int err = losses_bpf__load(skel);

	snprintf(path, sizeof(path), "%s/lb_losses", dataplane->pin);
	if (!err)
		err = pinned_map_keep(skel->maps.lb_losses, path, diag);
	if (err)
		return err;
	dataplane->losses = bpf_map__fd(skel->maps.lb_losses);
	err = pinned_tracepoint_keep(skel->progs.lb_lost_in_batch, dataplane->pin, "lb_losses");
	if (err)
		return err;
	return pinned_tracepoint_keep(skel->progs.lb_lost_at_once, dataplane->pin, "lb_losses");
}

/* ---- grace ---------------------------------------------------------------------------------- */

/* The kernel waits for a grace period of RCU before it answers an update of a map of maps
 * (maybe_wait_bpf_programs() in kernel/bpf/syscall.c): every program that ran before has ended. */
void dataplane_grace(struct dataplane *dataplane)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct timespec rest = { .tv_nsec = 20 * 1000 * 1000 };
	int inner, outer;
	__u32 zero = 0;

	(void)dataplane;
	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lb_grace_inner", 4, 4, 1, NULL);
	options.inner_map_fd = inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "lb_grace", 4, 4, 1, &options);
	if (inner < 0 || outer < 0 || bpf_map_update_elem(outer, &zero, &inner, BPF_ANY))
		nanosleep(&rest, NULL);
	if (outer >= 0)
		close(outer);
	if (inner >= 0)
		close(inner);
}

int dataplane_unpin(const char *pin, struct diag *diag)
{
	DIR *dir = opendir(pin);
	struct dirent *entry;
	char path[PATH_MAX];
	bool shared = false;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", pin, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR) /* of decap, which stays */
			shared = true;
		else if (unlink(path))
			err = -errno;
	}
	closedir(dir);
	if (!err && !shared && rmdir(pin))
		err = -errno;
	if (err)
		diag_add(diag, NULL, 0, "pins %s: cannot be removed: %s", pin, strerror(-err));
	return err;
}
