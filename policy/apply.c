/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A generation put in force: patched into the half in use (patch.c), or made beside it and turned
 * to with one store. All that can fail comes before anything is touched that programs read. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/kernel_private.h"

#define ROOM_MIN 256	/* entries that a hash takes more than it begins with, at least */

/* ---- what a half is made of ------------------------------------------------------------------ */

/* An array is written as a whole; the others an item at a time. */
struct content {
	const char *what;	/* for people, in the plural */
	const void *items;
	size_t count, size;	/* size of an item, where `put` takes it */
	size_t max;
	int (*put)(int fd, const void *item);
};

struct generation {
	struct content contents[POLICY_TABLES];
};

static struct generation generation_of(const struct policy_tables *tables,
				       const struct policy_backstop *ports, size_t port_count)
{
	size_t sets = tables->dims.set_count;

	return (struct generation){ .contents = {
		[TABLE_CGROUPS] = { "cgroups", tables->cgroups, tables->cgroup_count,
				    sizeof(*tables->cgroups), POLICY_MEMBERS_MAX,
				    policy_put_member },
		[TABLE_NETNS] = { "network namespaces", tables->namespaces,
				  tables->namespace_count, sizeof(*tables->namespaces),
				  POLICY_MEMBERS_MAX, policy_put_member },
		[TABLE_PARENTS] = { "governed cgroups", tables->parents, tables->parent_count,
				    sizeof(*tables->parents), POLICY_MEMBERS_MAX,
				    policy_put_parent },
		[TABLE_PLACES] = { "prefixes", tables->prefixes, tables->prefix_count,
				   sizeof(*tables->prefixes), POLICY_PLACES_MAX,
				   policy_put_prefix },
		[TABLE_PORTS] = { "interfaces", ports, port_count, sizeof(*ports),
				  POLICY_PORTS_MAX, policy_put_port },
		[TABLE_UNIONS] = { "classes of sets and places", tables->unions,
				   sets * tables->dims.class_count, .max = POLICY_CELLS_MAX },
		[TABLE_CELLS] = { "pairs of classes", tables->cells,
				  (size_t)tables->rows * tables->dims.columns,
				  .max = POLICY_CELLS_MAX },
		[TABLE_SPANS] = { "ranges of ports", tables->spans, tables->span_count,
				  .max = POLICY_SPANS_MAX },
		[TABLE_SOCKETS] = { "sets of groups", tables->sockets, sets,
				    .max = POLICY_SETS },
		[TABLE_TCP] = { "entries of policy.tcp", tables->tcp, tables->tcp_count,
				.max = POLICY_TCP_MAX },
		[TABLE_PAIRS] = { "pairs of sets", NULL, sets * sets,
				  .max = POLICY_SETS * POLICY_SETS },
	} };
}

static int array_fill(int fd, const void *values, size_t count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t *keys = malloc(count * sizeof(*keys)), done = count;
	int err = 0;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		keys[i] = i;
	if (bpf_map_update_batch(fd, keys, values, &done, &options))
		err = -errno;
	free(keys);
	return err;
}

static int content_fill(int fd, const struct content *content)
{
	int err = 0;

	if (!content->put)
		return content->count ? array_fill(fd, content->items, content->count) : 0;
	for (size_t i = 0; !err && i < content->count; i++)
		err = content->put(fd, (const char *)content->items + i * content->size);
	return err;
}

/* An array has its length; a trie takes no memory for what is not in it; a hash has room for those
 * that come, and a swap makes a larger one. */
static uint32_t entries_of(const struct content *content, uint32_t type)
{
	size_t room = content->count + content->count / 2 + ROOM_MIN;

	if (type == BPF_MAP_TYPE_ARRAY)
		return content->count ? content->count : 1;
	return type == BPF_MAP_TYPE_HASH && room < content->max ? room : content->max;
}

static int half_make(const struct policy_halves *halves, enum policy_table table,
		     const struct content *content, int *ret_fd, struct diag *diag)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = halves->flags);
	int fd, err;

	if (content->count > content->max) {
		diag_add(diag, NULL, 0, "policy: %zu %s are too many: %zu is the most",
			 content->count, content->what, content->max);
		return -E2BIG;
	}
	fd = bpf_map_create(halves->type, policy_table_name(table), halves->key_size,
			    halves->value_size, entries_of(content, halves->type), &options);
	err = fd < 0 ? -errno : content_fill(fd, content);
	if (!err) {
		*ret_fd = fd;
		return 0;
	}
	diag_add(diag, NULL, 0, "policy: cannot make the table of %zu %s: %s", content->count,
		 content->what, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

static void halves_close(int *fds)
{
	for (int i = 0; i < POLICY_TABLES; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int halves_make(const struct policy_kernel *kernel, const struct generation *generation,
		       int *ret_fds, struct diag *diag)
{
	int fds[POLICY_TABLES], err = 0;

	for (int i = 0; i < POLICY_TABLES; i++)
		fds[i] = -1;
	for (int i = 0; !err && i < POLICY_TABLES; i++)
		err = half_make(&kernel->halves[i], i, &generation->contents[i], &fds[i], diag);
	if (err)
		halves_close(fds);
	else
		memcpy(ret_fds, fds, sizeof(fds));
	return err;
}

/* ---- turning --------------------------------------------------------------------------------- */

/* One place of a map of maps. The kernel answers when every program that ran before has ended
 * (maybe_wait_bpf_programs() in kernel/bpf/syscall.c), so they are set side by side: all wait for
 * the same grace period. */
struct setting {
	pthread_t thread;
	bool threaded;
	int outer, inner, err;
	uint32_t half;
};

static void *setting_do(void *context)
{
	struct setting *setting = context;

	if (bpf_map_update_elem(setting->outer, &setting->half, &setting->inner, BPF_ANY))
		setting->err = -errno;
	return NULL;
}

static int halves_set(const struct policy_kernel *kernel, uint32_t half, const int *fds)
{
	struct setting settings[POLICY_TABLES] = { 0 };
	int err = 0;

	for (int i = 0; i < POLICY_TABLES; i++) {
		settings[i].outer = kernel->halves[i].outer;
		settings[i].inner = fds[i];
		settings[i].half = half;
		settings[i].threaded = !pthread_create(&settings[i].thread, NULL, setting_do,
						       &settings[i]);
		if (!settings[i].threaded)
			setting_do(&settings[i]);
	}
	for (int i = 0; i < POLICY_TABLES; i++) {
		if (settings[i].threaded)
			pthread_join(settings[i].thread, NULL);
		if (!err)
			err = settings[i].err;
	}
	return err;
}

/* Waits until every program that runs now has ended: a map is set once more in its own place. */
static int grace(const struct policy_kernel *kernel)
{
	uint64_t current = policy_kernel_current(kernel);
	struct setting setting = { .outer = kernel->halves[0].outer,
				   .half = POLICY_HALF(current) };

	if (!current)
		return 0;
	setting.inner = policy_half_open(kernel, 0, setting.half);
	if (setting.inner < 0)
		return setting.inner;
	setting_do(&setting);
	close(setting.inner);
	return setting.err;
}

static int counts_clear(const struct policy_kernel *kernel, uint32_t half)
{
	size_t size = (sizeof(struct policy_count) + 7) / 8 * 8 * libbpf_num_possible_cpus();
	int fd = policy_kernel_map(kernel, "policy_counts"), err = 0;
	void *zero = calloc(1, size);

	if (!zero)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < POLICY_RULES; i++) {
		uint32_t key = half * POLICY_RULES + i;

		err = bpf_map_update_elem(fd, &key, zero, BPF_ANY) ? -errno : 0;
	}
	free(zero);
	return err;
}

/* Nothing of the half in use is touched before `current` turns, and it turns last. Whoever read it
 * before an earlier turn may be judging by the other half still, so the first wait. The second one
 * ends those who count in the half that was left. */
static int turn(struct policy_kernel *kernel, const int *fds, const struct policy_dims *dims)
{
	uint64_t current = policy_kernel_current(kernel);
	uint32_t half = !POLICY_HALF(current);
	int err = grace(kernel);

	if (!err)
		err = counts_clear(kernel, half);
	if (!err)
		err = halves_set(kernel, half, fds);
	if (err)
		return err;
	kernel->settings->dims[half] = *dims;
	__atomic_store_n(&kernel->settings->current, ((current >> 1) + 1) << 1 | half,
			 __ATOMIC_RELEASE);
	grace(kernel);
	return 0;
}

/* ---- both ways ------------------------------------------------------------------------------- */

int policy_half_open(const struct policy_kernel *kernel, enum policy_table table, uint32_t half)
{
	uint32_t id;
	int fd;

	if (bpf_map_lookup_elem(kernel->halves[table].outer, &half, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

/* The compiler's pairs are of 16 bits. */
static uint32_t *pairs_widen(const struct policy_tables *tables)
{
	size_t count = (size_t)tables->dims.set_count * tables->dims.set_count;
	uint32_t *wide = calloc(count + 1, sizeof(*wide));

	for (size_t i = 0; wide && i < count; i++)
		wide[i] = tables->pairs[i];
	return wide;
}

static int swap(struct policy_kernel *kernel, const struct policy_tables *tables,
		const struct policy_backstop *ports, size_t port_count, struct diag *diag)
{
	struct generation generation = generation_of(tables, ports, port_count);
	uint32_t *pairs = pairs_widen(tables);
	int fds[POLICY_TABLES], err;

	if (!pairs)
		return -ENOMEM;
	generation.contents[TABLE_PAIRS].items = pairs;
	err = halves_make(kernel, &generation, fds, diag);
	free(pairs);
	if (err)
		return err;
	err = turn(kernel, fds, &tables->dims);
	halves_close(fds);
	if (err)
		diag_add(diag, NULL, 0, "policy: cannot turn to the new tables: %s",
			 strerror(-err));
	return err;
}

static int port_compare(const void *a, const void *b)
{
	unsigned int x = ((const struct policy_backstop *)a)->ifindex;
	unsigned int y = ((const struct policy_backstop *)b)->ifindex;

	return (x > y) - (x < y);
}

int policy_kernel_apply(struct policy_kernel *kernel, const struct policy_tables *before,
			const struct policy_tables *tables, const struct policy_backstop *ports,
			size_t port_count, struct diag *diag)
{
	struct policy_backstop *sorted = calloc(port_count + 1, sizeof(*sorted));
	int err = -ESTALE;

	if (!sorted)
		return -ENOMEM;
	if (port_count)
		memcpy(sorted, ports, port_count * sizeof(*sorted));
	qsort(sorted, port_count, sizeof(*sorted), port_compare);
	if (before && policy_kernel_current(kernel))
		err = policy_patch(kernel, before, tables, sorted, port_count);
	if (err) /* a half without room for those that came is one reason */
		err = swap(kernel, tables, sorted, port_count, diag);
	if (err) {
		free(sorted);
		return err;
	}
	free(kernel->ports);
	kernel->ports = sorted;
	kernel->port_count = port_count;
	return 0;
}
