/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows, over their tables under PIN/flows. Only here are records freed, and
 * only behind a grace period of RCU: a program that found a record before it was taken away still
 * writes to it, and what it writes must be nobody else's. */
#include "policy/flows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/flows.skel.h"
#include "config/clock.h"
#include "lb/kernel/pinned.h"
#include "policy/attach.h"
#include "policy/flows_peers.h"

_Static_assert(offsetof(struct flow, life) == 64, "what a packet needs is one line of the cache");
_Static_assert(sizeof(struct flow) == 192, "so are the sizes of either direction");
_Static_assert(sizeof(struct flow_record) == 320, "what flow_records has of a flow");
_Static_assert(sizeof(struct flow_socket) == 32, "what the socket storage has");

#define PROGRAMS 4

/* A record on its way to being another's. */
struct flow_leaving {
	uint32_t number;
	enum flow_outcome outcome;	/* of a LIVE one */
	uint64_t cookie;		/* it had, and was not in flow_peers; else 0 */
};

struct flow_kernel {
	char *pin, *pins;		/* PIN, PIN/flows */
	struct flows_bpf *skel;
	struct flow_settings *settings;	/* mapped, as the records are */
	struct flow_record *records;
	size_t count;
	int sampler;			/* link of the iterator; -1: this kernel has none */
	int grace;			/* array of maps: see grace_wait() */
	struct ring_buffer *ring;
	void (*told)(uint64_t cgroup, void *data);
	void *told_data;
	struct flow_leaving *leaving;	/* room for all */
	size_t leaving_count;
};

/* ---- pins ------------------------------------------------------------------------------------ */

/* Shared with the programs that help local clients of a vip, who have them beside their own. */
static bool is_asked(const char *name)
{
	return !strncmp(name, "local_", strlen("local_"));
}

static int pins_remove(const char *pins)
{
	DIR *dir = opendir(pins);
	struct dirent *entry;
	char path[PATH_MAX];
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", pins, entry->d_name);
		if (entry->d_name[0] != '.' && unlink(path))
			err = -errno;
	}
	closedir(dir);
	if (!err && rmdir(pins))
		err = -errno;
	return err;
}

static int tables_remove(const char *pins, struct diag *diag)
{
	char links[PATH_MAX];
	int err;

	snprintf(links, sizeof(links), "%s/links", pins);
	err = policy_detach(links, diag);
	if (err)
		return err;
	err = pins_remove(pins);
	if (err)
		diag_add(diag, NULL, 0, "pins %s: cannot be removed: %s", pins, strerror(-err));
	return err;
}

/* Nobody else has the tables of who asked for a vip while local_connect4 is not pinned. */
static void asked_remove(const char *pin)
{
	static const char *const names[] = { "local_sockets", "local_datagrams" };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/local_connect4", pin);
	for (size_t i = 0; access(path, F_OK) && i < sizeof(names) / sizeof(names[0]); i++) {
		char table[PATH_MAX];

		snprintf(table, sizeof(table), "%s/%s", pin, names[i]);
		unlink(table);
	}
}

/* Whether the tables that are pinned are ours as they stand: this layout, as many records. */
static bool tables_fit(const char *pins, size_t records)
{
	struct bpf_map_info info = { 0 };
	struct flow_settings settings = { 0 };
	__u32 size = sizeof(info), zero = 0;
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/flow_settings", pins);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.value_size == sizeof(settings))
		bpf_map_lookup_elem(fd, &zero, &settings);
	close(fd);
	return settings.version == FLOWS_LAYOUT_VERSION && settings.mask == records - 1;
}

/* ---- loading --------------------------------------------------------------------------------- */

static int maps_prepare(struct flow_kernel *kernel, struct diag *diag)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int err = 0;

	bpf_map__set_max_entries(kernel->skel->maps.flow_records, kernel->count);
	bpf_map__set_max_entries(kernel->skel->maps.flow_peers, kernel->count);
	bpf_object__for_each_map(map, kernel->skel->obj) {
		const char *name = bpf_map__name(map);

		if (err || bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s",
			 is_asked(name) ? kernel->pin : kernel->pins, name);
		if (is_asked(name))
			err = bpf_map__set_pin_path(map, path);
		else
			err = pinned_map_reuse(map, path, diag);
	}
	return err;
}

static int maps_keep(struct flow_kernel *kernel, struct diag *diag)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int err = 0;

	bpf_object__for_each_map(map, kernel->skel->obj) {
		const char *name = bpf_map__name(map);

		if (err || bpf_map__is_internal(map) || is_asked(name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", kernel->pins, name);
		err = pinned_map_keep(map, path, diag);
	}
	return err;
}

/* `cookies`: this kernel can tell the network namespace of a packet. `samples`: it has the iterator
 * over sockets. */
static int programs_load(struct flow_kernel *kernel, bool cookies, bool samples, struct diag *diag)
{
	int err;

	flows_bpf__destroy(kernel->skel);
	kernel->skel = flows_bpf__open();
	if (!kernel->skel)
		return -errno;
	kernel->skel->rodata->flow_mask = (uint32_t)kernel->count - 1;
	kernel->skel->rodata->flow_cookie_of_packets = cookies;
	bpf_program__set_autoload(kernel->skel->progs.flow_sample, samples);
	err = maps_prepare(kernel, diag);
	return err ? err : flows_bpf__load(kernel->skel);
}

/* What a kernel lacks it says by refusing the programs. */
static int programs_load_any(struct flow_kernel *kernel, bool *ret_samples, struct diag *diag)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int err = -EINVAL;

	for (int without = 0; err && err != -EPROTO && without < 4; without++) {
		if (without == 3)
			libbpf_set_print(print);
		*ret_samples = without < 2;
		err = programs_load(kernel, !(without & 1), *ret_samples, diag);
	}
	libbpf_set_print(print);
	return err;
}

static int table_map(struct bpf_map *map, size_t bytes, void **ret_memory)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

static int told_take(void *context, void *data, size_t size)
{
	struct flow_kernel *kernel = context;
	uint64_t cgroup;

	if (size >= sizeof(cgroup)) {
		memcpy(&cgroup, data, sizeof(cgroup));
		kernel->told(cgroup, kernel->told_data);
	}
	return 0;
}

static int sampler_open(struct flow_kernel *kernel)
{
	union bpf_iter_link_info of = {
		.map.map_fd = (uint32_t)bpf_map__fd(kernel->skel->maps.flow_sockets),
	};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &of, .iter_info_len = sizeof(of));

	return bpf_link_create(bpf_program__fd(kernel->skel->progs.flow_sample), 0, BPF_TRACE_ITER,
			       &options);
}

/* Records that a daemon before us had taken out of use, and did not live to free. */
static void leaving_find(struct flow_kernel *kernel)
{
	for (size_t i = 0; i < kernel->count; i++) {
		const struct flow *flow = &kernel->records[i].flow;
		uint32_t life = __atomic_load_n(&flow->life, __ATOMIC_ACQUIRE);

		if (life == FLOW_SPENT || (life == FLOW_LIVE && !flow->cookie))
			kernel->leaving[kernel->leaving_count++] = (struct flow_leaving){
				.number = (uint32_t)i, .outcome = FLOW_GONE,
			};
	}
}

static int tables_open(struct flow_kernel *kernel)
{
	int err = table_map(kernel->skel->maps.flow_settings, sizeof(*kernel->settings),
			    (void **)&kernel->settings);

	if (!err)
		err = table_map(kernel->skel->maps.flow_records,
				kernel->count * sizeof(*kernel->records),
				(void **)&kernel->records);
	kernel->leaving = calloc(kernel->count, sizeof(*kernel->leaving));
	kernel->ring = ring_buffer__new(bpf_map__fd(kernel->skel->maps.flow_news), told_take,
					kernel, NULL);
	if (!err && (!kernel->leaving || !kernel->ring))
		err = -ENOMEM;
	if (err)
		return err;
	leaving_find(kernel);
	kernel->settings->mask = (uint32_t)kernel->count - 1;
	__atomic_store_n(&kernel->settings->version, FLOWS_LAYOUT_VERSION, __ATOMIC_RELEASE);
	return 0;
}

/* ---- a grace period -------------------------------------------------------------------------- */

/* The kernel waits for one whenever it changes an array of maps (maybe_wait_bpf_programs()). */
static int grace_open(void)
{
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(__u32), sizeof(__u64), 1, NULL);
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = (uint32_t)inner);
	int outer;

	if (inner < 0)
		return inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, sizeof(__u32), sizeof(__u32), 1,
			       &options);
	close(inner);
	return outer;
}

static int grace_wait(const struct flow_kernel *kernel)
{
	__u32 zero = 0;
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(__u32), sizeof(__u64), 1, NULL);
	int err = inner < 0 ? inner : bpf_map_update_elem(kernel->grace, &zero, &inner, BPF_ANY);

	if (inner >= 0)
		close(inner);
	return err;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int kernel_open(struct flow_kernel *kernel, struct diag *diag)
{
	bool samples = true;
	int err;

	if (!tables_fit(kernel->pins, kernel->count)) {
		err = tables_remove(kernel->pins, diag);
		if (err && err != -ENOENT)
			return err;
	}
	if (mkdir(kernel->pins, 0700) && errno != EEXIST)
		return -errno;
	err = programs_load_any(kernel, &samples, diag);
	if (!err)
		err = maps_keep(kernel, diag);
	if (!err)
		err = tables_open(kernel);
	if (err)
		return err;
	kernel->grace = grace_open();
	if (kernel->grace < 0)
		return kernel->grace;
	kernel->sampler = samples ? sampler_open(kernel) : -EOPNOTSUPP;
	if (kernel->sampler < 0)
		diag_add(diag, NULL, 0,
			 "flows: this kernel has no iterator over sockets; what a TCP connection "
			 "has done is known when it ends");
	return 0;
}

int flow_kernel_open(const char *pin, size_t records, struct flow_kernel **ret_kernel,
		     struct diag *diag)
{
	struct flow_kernel *kernel;
	int err;

	if (records < FLOWS_MIN || records > FLOWS_MAX || records & (records - 1))
		return -EINVAL;
	kernel = calloc(1, sizeof(*kernel));
	if (!kernel)
		return -ENOMEM;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	kernel->count = records;
	kernel->sampler = kernel->grace = -1;
	kernel->pin = strdup(pin);
	err = !kernel->pin || asprintf(&kernel->pins, "%s/flows", pin) < 0 ? -ENOMEM : 0;
	if (!err)
		err = kernel_open(kernel, diag);
	if (err) {
		diag_add(diag, NULL, 0, "flows: cannot load what sees them: %s", strerror(-err));
		flow_kernel_close(kernel);
		return err;
	}
	*ret_kernel = kernel;
	return 0;
}

void flow_kernel_close(struct flow_kernel *kernel)
{
	if (!kernel)
		return;
	ring_buffer__free(kernel->ring);
	if (kernel->settings)
		munmap(kernel->settings, sizeof(*kernel->settings));
	if (kernel->records)
		munmap(kernel->records, kernel->count * sizeof(*kernel->records));
	if (kernel->sampler >= 0)
		close(kernel->sampler);
	if (kernel->grace >= 0)
		close(kernel->grace);
	flows_bpf__destroy(kernel->skel);
	free(kernel->leaving);
	free(kernel->pins);
	free(kernel->pin);
	free(kernel);
}

int flow_kernel_attach(struct flow_kernel *kernel, const char *const *cgroups, size_t count,
		       struct diag *diag)
{
	struct bpf_program *const ours[PROGRAMS] = {
		kernel->skel->progs.flow_sock_ops, kernel->skel->progs.flow_sock_release,
		kernel->skel->progs.flow_egress, kernel->skel->progs.flow_ingress,
	};
	struct policy_program programs[PROGRAMS];
	struct policy_stand stand = { .tables = kernel->pins, .table = "flow_records",
				      .programs = programs, .program_count = PROGRAMS };
	char links[PATH_MAX];

	for (int i = 0; i < PROGRAMS; i++)
		programs[i] = (struct policy_program){
			.name = bpf_program__name(ours[i]), .fd = bpf_program__fd(ours[i]),
			.type = bpf_program__expected_attach_type(ours[i]),
		};
	snprintf(links, sizeof(links), "%s/links", kernel->pins);
	stand.pins = links;
	return policy_attach(&stand, cgroups, count, diag);
}

int flow_kernel_unload(const char *pin, struct diag *diag)
{
	char pins[PATH_MAX];
	int err;

	if (!flow_kernel_is_loaded(pin))
		return 0;
	snprintf(pins, sizeof(pins), "%s/flows", pin);
	err = tables_remove(pins, diag);
	if (!err)
		asked_remove(pin);
	return err;
}

bool flow_kernel_is_loaded(const char *pin)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/flows", pin);
	return !access(path, F_OK);
}

/* ---- records --------------------------------------------------------------------------------- */

struct flow_record *flow_kernel_records(struct flow_kernel *kernel, size_t *ret_count)
{
	*ret_count = kernel->count;
	return kernel->records;
}

/* The end of datagrams was the last of them. */
static void record_end(struct flow *flow, enum flow_outcome outcome)
{
	if (flow->outcome == FLOW_RUNS)
		flow->outcome = outcome;
	flow->end_ns = flow->seen_ns ? flow->seen_ns : clock_ns();
	__atomic_store_n(&flow->life, FLOW_ENDED, __ATOMIC_RELEASE);
}

void flow_kernel_settle(struct flow_kernel *kernel)
{
	if (!kernel->leaving_count || grace_wait(kernel))
		return; /* the next call tries again */
	for (size_t i = 0; i < kernel->leaving_count; i++) {
		const struct flow_leaving *leaving = &kernel->leaving[i];
		struct flow *flow = &kernel->records[leaving->number].flow;

		if (leaving->cookie && flow->in_peers)
			flow_peer_forget_late(bpf_map__fd(kernel->skel->maps.flow_peers), flow,
					      leaving->cookie, leaving->number);
		if (flow->life == FLOW_LIVE && !flow->cookie)
			record_end(flow, leaving->outcome);
		else if (flow->life == FLOW_SPENT)
			__atomic_store_n(&flow->life, FLOW_FREE, __ATOMIC_RELEASE);
	}
	kernel->leaving_count = 0;
}

static void record_leave(struct flow_kernel *kernel, size_t number, enum flow_outcome outcome)
{
	struct flow *flow = &kernel->records[number].flow;

	if (kernel->leaving_count == kernel->count) /* some are there twice: they ended meanwhile */
		flow_kernel_settle(kernel);
	kernel->leaving[kernel->leaving_count++] = (struct flow_leaving){
		.number = (uint32_t)number, .outcome = outcome,
		.cookie = flow->in_peers ? 0 : flow->cookie,
	};
	if (flow->in_peers)
		flow_peer_forget(bpf_map__fd(kernel->skel->maps.flow_peers), flow);
	__atomic_store_n(&flow->cookie, 0, __ATOMIC_RELEASE);
}

void flow_kernel_disown(struct flow_kernel *kernel, size_t number, enum flow_outcome outcome)
{
	const struct flow *flow = &kernel->records[number].flow;

	if (__atomic_load_n(&flow->life, __ATOMIC_ACQUIRE) == FLOW_LIVE && flow->cookie)
		record_leave(kernel, number, outcome);
}

void flow_kernel_free(struct flow_kernel *kernel, size_t number)
{
	struct flow *flow = &kernel->records[number].flow;

	if (__atomic_load_n(&flow->life, __ATOMIC_ACQUIRE) != FLOW_ENDED)
		return;
	__atomic_store_n(&flow->life, FLOW_SPENT, __ATOMIC_RELEASE);
	record_leave(kernel, number, FLOW_RUNS);
}

/* ---- samples --------------------------------------------------------------------------------- */

static int sockets_walk(struct flow_kernel *kernel)
{
	char nothing[64];
	ssize_t got;
	int fd, err;

	if (kernel->sampler < 0)
		return -EOPNOTSUPP;
	fd = bpf_iter_create(kernel->sampler);
	if (fd < 0)
		return fd;
	do
		got = read(fd, nothing, sizeof(nothing));
	while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
	err = got < 0 ? -errno : 0;
	close(fd);
	return err;
}

long flow_kernel_sample(struct flow_kernel *kernel, uint32_t *ret_sample)
{
	uint32_t sample = kernel->settings->sample + 1;
	int err;

	__atomic_store_n(&kernel->settings->sample, sample, __ATOMIC_RELEASE);
	kernel->skel->bss->flow_sampled = 0;
	err = sockets_walk(kernel);
	flow_kernel_settle(kernel);
	*ret_sample = sample;
	return err ? err : (long)kernel->skel->bss->flow_sampled;
}

/* ---- what else there is ---------------------------------------------------------------------- */

void flow_kernel_other(const struct flow_kernel *kernel, struct flow_other *ret_other)
{
	int cpus = libbpf_num_possible_cpus();
	struct flow_other values[cpus > 0 ? cpus : 1];
	__u32 zero = 0;

	memset(ret_other, 0, sizeof(*ret_other));
	if (cpus < 0 ||
	    bpf_map_lookup_elem(bpf_map__fd(kernel->skel->maps.flow_other), &zero, values))
		return;
	for (int cpu = 0; cpu < cpus; cpu++) {
		ret_other->flows += values[cpu].flows;
		ret_other->packets_in += values[cpu].packets_in;
		ret_other->packets_out += values[cpu].packets_out;
		ret_other->bytes_in += values[cpu].bytes_in;
		ret_other->bytes_out += values[cpu].bytes_out;
		ret_other->no_memory += values[cpu].no_memory;
	}
}

int flow_kernel_fd(const struct flow_kernel *kernel)
{
	return ring_buffer__epoll_fd(kernel->ring);
}

void flow_kernel_news(struct flow_kernel *kernel, void (*told)(uint64_t cgroup, void *data),
		      void *data)
{
	kernel->told = told;
	kernel->told_data = data;
	ring_buffer__consume(kernel->ring);
}

size_t flow_kernel_cgroups(const struct flow_kernel *kernel, uint64_t *ret_ids, size_t room)
{
	int fd = bpf_map__fd(kernel->skel->maps.flow_cgroups);
	uint64_t id, *before = NULL;
	size_t count = 0;

	while (count < room && !bpf_map_get_next_key(fd, before, &id)) {
		ret_ids[count] = id;
		before = &ret_ids[count++];
	}
	return count;
}

void flow_kernel_cgroup_forget(struct flow_kernel *kernel, uint64_t cgroup)
{
	bpf_map_delete_elem(bpf_map__fd(kernel->skel->maps.flow_cgroups), &cgroup);
}
