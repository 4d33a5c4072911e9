/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables are made first, from the object without its programs; then each program is loaded over
 * them. A rule is in its table before the word that asks for it is written, and goes after. */
#include "lb/kernel/decap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "build/decap.skel.h"
#include "config/mem.h"
#include "lb/kernel/dataplane.h"
#include "lb/kernel/stats.h"
#include "lb/kernel/tc_attach.h"
#include "lb/kernel/xdp_attach.h"
#include "lb/watch/netlink.h"

#define TABLE "decap_settings"

struct decap {
	const char *pin;
	struct bpf_object *tables;
	int lock;		/* the pin directory: one lbctl at a time */
};

#define EXIT_ROW(name, action, text) { #name, text, (action) == DECAP_PASS },
static const struct {
	const char *name, *text;
	bool passes;
} exits[] = { DECAP_EXITS(EXIT_ROW) };

const char *decap_exit_name(enum decap_exit number)
{
	return exits[number].name;
}

const char *decap_exit_text(enum decap_exit number)
{
	return exits[number].text;
}

bool decap_exit_passes(enum decap_exit number)
{
	return exits[number].passes;
}

/* ---- tables --------------------------------------------------------------------------------- */

static struct bpf_object *object_open(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "decap_bpf");
	const void *elf;
	size_t size;

	elf = decap_bpf__elf_bytes(&size);
	return bpf_object__open_mem(elf, size, &options);
}

/* For one of its programs, over the tables that are there. */
static struct bpf_object *program_open(const struct decap *decap, const char *name)
{
	struct bpf_object *object = object_open();
	struct bpf_program *program;
	struct bpf_map *map, *table;
	int err = 0;

	if (!object)
		return NULL;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
	bpf_object__for_each_map(map, object) {
		table = bpf_object__find_map_by_name(decap->tables, bpf_map__name(map));
		if (!err && !bpf_map__is_internal(map))
			err = bpf_map__reuse_fd(map, bpf_map__fd(table));
	}
	if (!err)
		return object;
	bpf_object__close(object);
	errno = -err;
	return NULL;
}

static struct bpf_object *xdp_open(const void *context)
{
	return program_open(context, "decap");
}

static struct xdp_kind xdp_kind_of(const struct decap *decap)
{
	return (struct xdp_kind){ .program = "decap", .pin = decap->pin, .table = TABLE,
				  .rival = "a decap with other pins stands there",
				  .open = xdp_open, .context = decap };
}

static struct tc_kind tc_kind_of(const struct decap *decap)
{
	return (struct tc_kind){ .pin = decap->pin, .table = TABLE, .priority = TC_PRIORITY_LB,
				 .egress = true };
}

static int table_fd(const struct decap *decap, const char *name)
{
	return bpf_object__find_map_fd_by_name(decap->tables, name);
}

static void decap_close(struct decap *decap)
{
	bpf_object__close(decap->tables);
	if (decap->lock >= 0)
		close(decap->lock);
}

static int tables_load(struct decap *decap)
{
	struct bpf_program *program;
	char path[PATH_MAX];
	struct bpf_map *map;
	int err = 0;

	decap->tables = object_open();
	if (!decap->tables)
		return -errno;
	bpf_object__for_each_program(program, decap->tables)
		bpf_program__set_autoload(program, false);
	bpf_object__for_each_map(map, decap->tables) {
		snprintf(path, sizeof(path), "%s/%s", decap->pin, bpf_map__name(map));
		if (!err && !bpf_map__is_internal(map))
			err = bpf_map__set_pin_path(map, path);
	}
	return err ? err : bpf_object__load(decap->tables);
}

static int layout_check(const struct decap *decap)
{
	struct decap_settings settings;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(table_fd(decap, TABLE), &zero, &settings))
		return -errno;
	return settings.version && settings.version != DECAP_LAYOUT_VERSION ? -EPROTO : 0;
}

/* The tables under `pin`, made where there are none. */
static int decap_open(const char *pin, struct decap *ret_decap, struct diag *diag)
{
	struct decap decap = { .pin = pin, .lock = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	int err = decap.lock < 0 || flock(decap.lock, LOCK_EX) ? -errno : 0;

	if (!err)
		err = tables_load(&decap);
	if (!err)
		err = layout_check(&decap);
	if (!err) {
		*ret_decap = decap;
		return 0;
	}
	diag_add(diag, NULL, 0, "pins %s: %s%s", pin,
		 err == -EPROTO ? "tables of another version of lbctl, which has to take them away"
				: strerror(-err),
		 err == -EPERM ? " (this needs root)" : "");
	decap_close(&decap);
	return err;
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* Makes the table hold these keys and no other. */
static int keys_write(int fd, const void *keys, size_t count, size_t size)
{
	unsigned char key[sizeof(struct lb_direct_key)], next[sizeof(key)];
	const unsigned char *wanted = keys;
	__u32 one = 1;
	int more;

	for (size_t i = 0; i < count; i++)
		if (bpf_map_update_elem(fd, wanted + i * size, &one, BPF_ANY))
			return -errno;
	for (more = !bpf_map_get_next_key(fd, NULL, key); more; memcpy(key, next, size)) {
		bool found = false;

		more = !bpf_map_get_next_key(fd, key, next);
		for (size_t i = 0; !found && i < count; i++)
			found = !memcmp(wanted + i * size, key, size);
		if (!found)
			bpf_map_delete_elem(fd, key);
	}
	return 0;
}

/* This host's own; what means something on one link only is nobody's tunnel end. */
static int addresses_write(const struct decap *decap)
{
	union lb_addr addresses[DECAP_MAX_ADDRESSES] = { 0 };
	struct net_view view = { 0 };
	struct net *net;
	size_t count = 0;
	int err = net_open(&net);

	if (err)
		return err;
	do
		err = net_read(net, &view);
	while (err == -EAGAIN);
	for (size_t i = 0; !err && i < view.address_count; i++) {
		if (!view.addresses[i].global)
			continue;
		if (count == DECAP_MAX_ADDRESSES)
			err = -E2BIG;
		else
			memcpy(addresses[count++].byte, view.addresses[i].addr.byte, 16);
	}
	if (!err)
		err = keys_write(table_fd(decap, "decap_addresses"), addresses, count,
				 sizeof(addresses[0]));
	net_view_clear(&view);
	net_close(net);
	return err;
}

static int sources_write(const struct decap *decap, const struct decap_rules *rules)
{
	struct lb_direct_key keys[DECAP_MAX_SOURCES] = { 0 };

	if (rules->source_count > DECAP_MAX_SOURCES)
		return -E2BIG;
	for (size_t i = 0; i < rules->source_count; i++) {
		keys[i].prefix_len = rules->sources[i].len;
		memcpy(keys[i].addr, rules->sources[i].addr.byte, sizeof(keys[i].addr));
	}
	return keys_write(table_fd(decap, "decap_sources"), keys, rules->source_count,
			  sizeof(keys[0]));
}

static int rules_write(const struct decap *decap, const struct decap_rules *rules)
{
	struct decap_settings settings = {
		.version = DECAP_LAYOUT_VERSION,
		.flags = rules->source_count ? DECAP_CHECK_SOURCE : 0,
		.mss = rules->mss,
	};
	__u32 zero = 0;
	int err = addresses_write(decap);

	/* The last source goes after nobody is asked for one any more. */
	if (!err && rules->source_count)
		err = sources_write(decap, rules);
	if (!err && bpf_map_update_elem(table_fd(decap, TABLE), &zero, &settings, BPF_ANY))
		err = -errno;
	return err || rules->source_count ? err : sources_write(decap, rules);
}

/* ---- attaching ------------------------------------------------------------------------------ */

static int mss_attach(const struct decap *decap, const char *interface, unsigned int ifindex,
		      struct diag *diag)
{
	struct bpf_object *object = program_open(decap, "decap_mss");
	struct tc_kind kind = tc_kind_of(decap);
	int err = object ? bpf_object__load(object) : -errno;

	if (!err)
		err = tc_attach(&kind, ifindex,
				bpf_program__fd(bpf_object__find_program_by_name(object,
										 "decap_mss")));
	bpf_object__close(object);
	if (err)
		diag_add(diag, NULL, 0, "interface %s: cannot attach decap_mss to tc egress: %s",
			 interface, strerror(-err));
	return err;
}

/* With the clamp or without it on every interface that decap stands on: the rule is theirs all. */
static int mss_follow(const struct decap *decap, bool wanted, struct diag *diag)
{
	struct xdp_kind xdp = xdp_kind_of(decap);
	struct tc_kind tc = tc_kind_of(decap);
	struct if_nameindex *all = if_nameindex();
	int err = 0;

	for (struct if_nameindex *at = all; !err && at && at->if_index; at++) {
		bool here = wanted && xdp_is_ours(&xdp, at->if_index, NULL);

		if (here)
			err = mss_attach(decap, at->if_name, at->if_index, diag);
		else if (tc_is_ours(&tc, at->if_index))
			tc_detach(&tc, at->if_index);
	}
	if_freenameindex(all);
	return err;
}

static int interface_find(const char *name, unsigned int *ret_ifindex, struct diag *diag)
{
	*ret_ifindex = if_nametoindex(name);
	if (*ret_ifindex)
		return 0;
	diag_add(diag, NULL, 0, "interface %s does not exist", name);
	return -ENODEV;
}

static bool stands_anywhere(const struct decap *decap)
{
	struct xdp_kind kind = xdp_kind_of(decap);
	struct if_nameindex *all = if_nameindex();
	bool found = false;

	for (struct if_nameindex *at = all; !found && at && at->if_index; at++)
		found = xdp_is_ours(&kind, at->if_index, NULL);
	if_freenameindex(all);
	return found;
}

/* The directory that the pins' own stands in, which a daemon may have its tables in. */
static const char *above(const char *pin, char *path)
{
	const char *slash = strrchr(pin, '/');

	snprintf(path, PATH_MAX, "%.*s", slash ? (int)(slash - pin) : 0, pin);
	return path;
}

static int pin_dirs_make(const char *pin, struct diag *diag)
{
	char path[PATH_MAX];
	int err = pin_dir_make(above(pin, path), diag);

	return err ? err : pin_dir_make(pin, diag);
}

static void tables_remove(const char *pin, struct diag *diag)
{
	char path[PATH_MAX];

	dataplane_unpin(pin, diag);
	rmdir(above(pin, path)); /* unless there is something else in it */
}

int decap_attach(const char *pin, const char *interface, const struct decap_rules *rules,
		 bool *ret_generic, struct diag *diag)
{
	struct xdp_place place = { .name = interface, .mode = CONFIG_MODE_AUTO };
	struct decap decap;
	struct xdp_kind kind;
	int err = interface_find(interface, &place.ifindex, diag);

	if (!err)
		err = pin_dirs_make(pin, diag);
	if (!err)
		err = decap_open(pin, &decap, diag);
	if (err)
		return err;
	kind = xdp_kind_of(&decap);
	err = rules_write(&decap, rules);
	if (err)
		diag_add(diag, NULL, 0, "pins %s: cannot write the rules: %s", pin,
			 err == -E2BIG ? "too many addresses or sources" : strerror(-err));
	if (!err)
		err = xdp_attach(&kind, &place, ret_generic, diag);
	if (!err)
		err = mss_follow(&decap, rules->mss > 0, diag);
	if (err && !stands_anywhere(&decap))
		tables_remove(pin, diag);
	decap_close(&decap);
	return err;
}

int decap_detach(const char *pin, const char *interface, struct diag *diag)
{
	struct xdp_kind xdp;
	struct tc_kind tc;
	struct decap decap;
	unsigned int ifindex;
	int err = interface_find(interface, &ifindex, diag);

	if (err)
		return err;
	if (!access(pin, F_OK))
		err = decap_open(pin, &decap, diag);
	else
		err = -ENOENT;
	if (err == -ENOENT)
		diag_add(diag, NULL, 0, "interface %s: no decap stands there (pins %s)", interface,
			 pin);
	if (err)
		return err;
	xdp = xdp_kind_of(&decap);
	tc = tc_kind_of(&decap);
	if (tc_is_ours(&tc, ifindex))
		tc_detach(&tc, ifindex);
	if (xdp_is_ours(&xdp, ifindex, NULL)) {
		err = xdp_detach(&xdp, ifindex, diag);
	} else {
		err = -ENOENT;
		diag_add(diag, NULL, 0, "interface %s: no decap stands there (pins %s)", interface,
			 pin);
	}
	if (!stands_anywhere(&decap))
		tables_remove(pin, diag);
	decap_close(&decap);
	return err;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void interfaces_read(const struct decap *decap, struct decap_view *view)
{
	struct xdp_kind xdp = xdp_kind_of(decap);
	struct tc_kind tc = tc_kind_of(decap);
	struct if_nameindex *all = if_nameindex();
	size_t count = 0;

	while (all && all[count].if_index)
		count++;
	view->interfaces = mem_array(count, sizeof(*view->interfaces));
	for (size_t i = 0; i < count; i++) {
		struct decap_interface *interface = &view->interfaces[view->interface_count];

		if (!xdp_is_ours(&xdp, all[i].if_index, &interface->generic))
			continue;
		snprintf(interface->name, sizeof(interface->name), "%s", all[i].if_name);
		interface->mss = tc_is_ours(&tc, all[i].if_index);
		view->interface_count++;
	}
	if_freenameindex(all);
}

static void rules_read(const struct decap *decap, struct decap_view *view)
{
	int addresses = table_fd(decap, "decap_addresses");
	int sources = table_fd(decap, "decap_sources");
	struct lb_direct_key source, *source_before = NULL;
	union lb_addr address, *address_before = NULL;
	struct decap_settings settings = { 0 };
	__u32 zero = 0;

	view->addresses = mem_array(DECAP_MAX_ADDRESSES, sizeof(*view->addresses));
	view->sources = mem_array(DECAP_MAX_SOURCES, sizeof(*view->sources));
	for (; view->address_count < DECAP_MAX_ADDRESSES &&
	       !bpf_map_get_next_key(addresses, address_before, &address);
	     address_before = &address)
		memcpy(view->addresses[view->address_count++].byte, address.byte, 16);
	for (; view->source_count < DECAP_MAX_SOURCES &&
	       !bpf_map_get_next_key(sources, source_before, &source);
	     source_before = &source) {
		struct prefix *prefix = &view->sources[view->source_count++];

		prefix->len = source.prefix_len;
		memcpy(prefix->addr.byte, source.addr, sizeof(prefix->addr.byte));
	}
	bpf_map_lookup_elem(table_fd(decap, TABLE), &zero, &settings);
	view->mss = settings.mss;
	for (__u32 number = 0; number < DECAP_EXIT_COUNT; number++)
		view->exits[number] = stats_sum(table_fd(decap, "decap_exits"), &number);
}

int decap_read(const char *pin, struct decap_view *ret_view, struct diag *diag)
{
	char path[PATH_MAX];
	struct decap decap;
	int err;

	memset(ret_view, 0, sizeof(*ret_view));
	snprintf(path, sizeof(path), "%s/%s", pin, TABLE);
	if (access(path, F_OK))
		return 0;
	err = decap_open(pin, &decap, diag);
	if (err)
		return err;
	interfaces_read(&decap, ret_view);
	rules_read(&decap, ret_view);
	decap_close(&decap);
	return 0;
}

void decap_view_clear(struct decap_view *view)
{
	free(view->interfaces);
	free(view->addresses);
	free(view->sources);
	*view = (struct decap_view){ 0 };
}
