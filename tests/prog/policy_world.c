/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables by hand, a cgroup that goes with its test. */
#include "tests/prog/policy_world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/policy.skel.h"
#include "tests/prog/fixture.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define TIME_LIMIT_S 300 /* software emulation is slow */

/* ---- a cgroup of its own --------------------------------------------------------------------- */

static char hierarchy[] = "/tmp/policy-world-XXXXXX"; /* cgroup v2, mounted for us alone */
static char own[sizeof(hierarchy) + 32];

static int word_write(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY);
	int err = fd < 0 || write(fd, word, strlen(word)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int cgroup_make(void)
{
	if (!mkdtemp(hierarchy) || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", hierarchy, "cgroup2", 0, NULL))
		return -errno;
	snprintf(own, sizeof(own), "%s/edgelb-test-%d", hierarchy, (int)getpid());
	return mkdir(own, 0755) ? -errno : 0;
}

static int cgroup_enter(const char *cgroup)
{
	char path[sizeof(own) + 16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	return word_write(path, "0");
}

int policy_world_leave(void)
{
	return cgroup_enter(hierarchy);
}

int policy_world_join(void)
{
	return cgroup_enter(own);
}

int policy_world_run(int (*tests)(void))
{
	int status = 0, err;
	pid_t child;

	if (geteuid() != 0) {
		printf("skipped: running BPF programs needs root\n");
		return 77;
	}
	err = cgroup_make();
	child = err ? -1 : fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TIME_LIMIT_S);
		exit(cgroup_enter(own) ? 1 : tests());
	}
	if (child > 0)
		waitpid(child, &status, 0);
	rmdir(own);
	umount(hierarchy);
	rmdir(hierarchy);
	if (child < 0)
		printf("Bail out! cannot make a cgroup\n");
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct table {
	const char *name;
	uint32_t entries;
};

static const struct table tables[] = {
	{ "policy_cgroups", POLICY_MEMBERS_MAX },
	{ "policy_netns", POLICY_MEMBERS_MAX },
	{ "policy_parents", 64 },
	{ "policy_pairs", WORLD_SETS * WORLD_SETS },
	{ "policy_places", POLICY_PLACES_MAX },
	{ "policy_unions", WORLD_SETS * PARTIES },
	{ "policy_cells", (PARTIES + WORLD_SETS) * (PARTIES + WORLD_SETS) },
	{ "policy_spans", 4096 },
	{ "policy_sockets", WORLD_SETS },
	{ "policy_tcp", 1 },
	{ "policy_ports", POLICY_PORTS_MAX },
};

static int outer_fd(struct policy_world *world, const char *map)
{
	int fd = bpf_object__find_map_fd_by_name(world->skel->obj, map);

	assert_true(fd >= 0);
	return fd;
}

int policy_world_table(struct policy_world *world, const char *map, uint32_t half)
{
	uint32_t id;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(outer_fd(world, map), &half, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	return fd;
}

/* As its template says, which libbpf forgets when it loads. */
static int table_create(struct policy_world *world, const struct table *table)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(world->skel->obj, table->name);
	struct bpf_map *like = bpf_map__inner_map(outer);
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(like));
	int fd = bpf_map_create(bpf_map__type(like), table->name, bpf_map__key_size(like),
				bpf_map__value_size(like), table->entries, &options);

	assert_true(fd >= 0);
	return fd;
}

static void programs_load(struct policy_world *world)
{
	int fds[ARRAY_SIZE(tables)][2];

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (uint32_t half = 0; half < 2; half++)
			fds[i][half] = table_create(world, &tables[i]);
	assert_int_equal(policy_bpf__load(world->skel), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (uint32_t half = 0; half < 2; half++) {
			assert_int_equal(bpf_map_update_elem(outer_fd(world, tables[i].name),
							     &half, &fds[i][half], 0), 0);
			close(fds[i][half]);
		}
}

static void entry_write(struct policy_world *world, const char *map, uint32_t half,
			const void *key, const void *value)
{
	int fd = policy_world_table(world, map, half);

	assert_int_equal(bpf_map_update_elem(fd, key, value, 0), 0);
	close(fd);
}

static void entry_write_both(struct policy_world *world, const char *map, const void *key,
			     const void *value)
{
	entry_write(world, map, 0, key, value);
	entry_write(world, map, 1, key, value);
}

struct policy_world *policy_world_open(void)
{
	struct policy_world *world = calloc(1, sizeof(*world));
	socklen_t size = sizeof(world->cookie);
	struct stat at;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_non_null(world);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &world->cookie, &size), 0);
	close(fd);
	world->skel = policy_bpf__open();
	assert_non_null(world->skel);
	programs_load(world);
	world->settings = mmap(NULL, sizeof(*world->settings), PROT_READ | PROT_WRITE, MAP_SHARED,
			       bpf_map__fd(world->skel->maps.policy_settings), 0);
	assert_true(world->settings != MAP_FAILED);
	world->cgroup_fd = open(own, O_RDONLY | O_DIRECTORY);
	assert_true(world->cgroup_fd >= 0 && !fstat(world->cgroup_fd, &at));
	world->cgroup = at.st_ino;
	world->level = 1;
	return world;
}

void policy_world_close(struct policy_world *world)
{
	if (!world)
		return;
	policy_world_detach(world);
	munmap(world->settings, sizeof(*world->settings));
	close(world->cgroup_fd);
	policy_bpf__destroy(world->skel);
	free(world);
}

void policy_world_attach(struct policy_world *world)
{
	struct bpf_program *program;
	size_t count = 0;

	bpf_object__for_each_program(program, world->skel->obj)
		if (bpf_program__type(program) != BPF_PROG_TYPE_SCHED_CLS) {
			world->links[count] = bpf_program__attach_cgroup(program,
									 world->cgroup_fd);
			assert_non_null(world->links[count]);
			count++;
		}
}

void policy_world_detach(struct policy_world *world)
{
	for (size_t i = 0; i < ARRAY_SIZE(world->links); i++) {
		bpf_link__destroy(world->links[i]);
		world->links[i] = NULL;
	}
}

/* ---- a generation ---------------------------------------------------------------------------- */

static void key_of(const char *prefix, struct policy_key *ret_key)
{
	char text[64];
	char *slash;

	memset(ret_key, 0, sizeof(*ret_key));
	snprintf(text, sizeof(text), "%s", prefix);
	slash = strchr(text, '/');
	assert_non_null(slash);
	*slash = 0;
	ret_key->prefix_len = strtoul(slash + 1, NULL, 10);
	if (inet_pton(AF_INET6, text, ret_key->address) == 1)
		return;
	ret_key->prefix_len += 96;
	ret_key->address[10] = 0xff;
	ret_key->address[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, text, ret_key->address + 12), 1);
}

void policy_world_place(struct policy_world *world, const char *prefix, uint32_t class,
			uint32_t netns)
{
	struct policy_place place = { .class = class, .as = { class, class }, .netns = netns };
	struct policy_key key;

	key_of(prefix, &key);
	entry_write_both(world, "policy_places", &key, &place);
}

void policy_world_member(struct policy_world *world, const char *map, uint64_t id, uint32_t set)
{
	entry_write_both(world, map, &id, &set);
}

void policy_world_sockets(struct policy_world *world, uint32_t set,
			  const struct policy_sockets *sockets)
{
	entry_write_both(world, "policy_sockets", &set, sockets);
}

void policy_world_port(struct policy_world *world, uint32_t ifindex,
		       const struct policy_port *port)
{
	entry_write_both(world, "policy_ports", &ifindex, port);
}

/* Whoever is in a set is its own class, behind those of the parties. */
static void unions_fill(struct policy_world *world, uint32_t half)
{
	for (uint32_t set = 0; set < WORLD_SETS; set++)
		for (uint32_t class = 0; class < PARTIES; class++) {
			uint16_t as = set ? PARTIES + set : class;
			struct policy_class value = { as, as };
			uint32_t key = set * PARTIES + class;

			entry_write(world, "policy_unions", half, &key, &value);
		}
	for (uint32_t a = 0; a < WORLD_SETS; a++)
		for (uint32_t b = 0; b < WORLD_SETS; b++) {
			uint32_t key = a * WORLD_SETS + b, set = a && b ? BOTH_SET : a + b;

			entry_write(world, "policy_pairs", half, &key, &set);
		}
}

static uint32_t verdict_of(const struct rule *rules, size_t count, enum party other,
			   bool initiates, uint32_t point)
{
	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = &rules[i];
		bool any_port = !rule->first && !rule->last;

		if (rule->other != other || rule->initiates != initiates ||
		    (rule->protocol && rule->protocol != point >> 16))
			continue;
		if (any_port || ((point & 0xffff) >= rule->first && (point & 0xffff) <= rule->last))
			return POLICY_VERDICT(i, rule->action, rule->audit);
	}
	return POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_ALLOW, 0);
}

/* A span begins where some rule begins or ends. */
static int point_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static struct policy_cell cell_fill(int fd, const struct rule *rules, size_t count,
				    enum party other, bool initiates, uint32_t *next)
{
	struct policy_cell cell = { .first = *next };
	uint32_t points[256], last = ~0U;
	size_t point_count = 0;

	points[point_count++] = 0;
	for (size_t i = 0; i < count; i++) {
		points[point_count++] = POLICY_POINT(rules[i].protocol, rules[i].first);
		points[point_count++] = POLICY_POINT(rules[i].protocol, rules[i].last) + 1;
		points[point_count++] = POLICY_POINT(rules[i].protocol, 0);
		points[point_count++] = POLICY_POINT(rules[i].protocol + 1, 0);
	}
	assert_true(point_count <= ARRAY_SIZE(points));
	qsort(points, point_count, sizeof(points[0]), point_compare);
	for (size_t i = 0; i < point_count; i++) {
		struct policy_span span = { points[i], verdict_of(rules, count, other, initiates,
								  points[i]) };

		if (span.verdict == last)
			continue;
		last = span.verdict;
		assert_int_equal(bpf_map_update_elem(fd, next, &span, 0), 0);
		(*next)++;
		cell.count++;
	}
	return cell;
}

static void cells_fill(struct policy_world *world, uint32_t half, const struct rule *rules,
		       size_t count)
{
	int fd = policy_world_table(world, "policy_spans", half);
	uint32_t next = 0, columns = PARTIES + WORLD_SETS;

	for (uint32_t other = 0; other < PARTIES; other++) {
		struct policy_cell out = cell_fill(fd, rules, count, other, true, &next);
		struct policy_cell in = cell_fill(fd, rules, count, other, false, &next);

		for (uint32_t set = 1; set < WORLD_SETS; set++) {
			uint32_t from = (PARTIES + set) * columns + other;
			uint32_t to = other * columns + PARTIES + set;

			entry_write(world, "policy_cells", half, &from, &out);
			entry_write(world, "policy_cells", half, &to, &in);
		}
	}
	close(fd);
}

void policy_world_fill(struct policy_world *world, uint32_t half, const struct rule *rules,
		       size_t count)
{
	struct policy_dims dims = { .set_count = WORLD_SETS, .class_count = PARTIES,
				    .columns = PARTIES + WORLD_SETS, .level = { world->level },
				    .netns = 1 };

	unions_fill(world, half);
	cells_fill(world, half, rules, count);
	world->settings->dims[half] = dims;
	policy_world_member(world, "policy_cgroups", world->cgroup, FRONT_SET);
	policy_world_place(world, "192.0.2.0/24", DB, 0);
	policy_world_place(world, "2001:db8:1::/48", DB, 0);
	policy_world_place(world, "198.51.100.0/24", OFFICE, 0);
	policy_world_place(world, "2001:db8:2::/48", OFFICE, 0);
	policy_world_place(world, "203.0.113.0/24", WATCHED, 0);
	policy_world_place(world, "2001:db8:3::/48", WATCHED, 0);
}

void policy_world_batch(struct policy_world *world)
{
	uint32_t columns = PARTIES + WORLD_SETS;
	uint32_t from = (PARTIES + FRONT_SET) * columns + OFFICE;
	uint32_t to = (PARTIES + BATCH_SET) * columns + OTHERS;
	int fd = policy_world_table(world, "policy_cells", 0);
	struct policy_cell cell;

	assert_int_equal(bpf_map_lookup_elem(fd, &from, &cell), 0);
	assert_int_equal(bpf_map_update_elem(fd, &to, &cell, 0), 0);
	close(fd);
}

void policy_world_turn(struct policy_world *world, uint32_t half)
{
	uint64_t epoch = (world->settings->current >> 1) + 1;

	__atomic_store_n(&world->settings->current, epoch << 1 | half, __ATOMIC_RELEASE);
}

/* ---- what came of it ------------------------------------------------------------------------- */

struct policy_count policy_world_count(struct policy_world *world, uint32_t rule)
{
	uint32_t half = POLICY_HALF(world->settings->current);
	uint32_t key = half * POLICY_RULES + rule;
	int cpus = libbpf_num_possible_cpus();
	struct policy_count sum = { 0 }, *each = calloc(cpus, sizeof(*each));

	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world->skel->maps.policy_counts), &key,
					     each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.allowed += each[i].allowed;
		sum.refused += each[i].refused;
		sum.audited += each[i].audited;
		sum.told += each[i].told;
		sum.untold += each[i].untold;
	}
	free(each);
	return sum;
}

static void map_empty(int fd, size_t key_size)
{
	uint8_t key[128];

	assert_true(key_size <= sizeof(key));
	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void policy_world_forget(struct policy_world *world)
{
	int counts = bpf_map__fd(world->skel->maps.policy_counts);
	int cpus = libbpf_num_possible_cpus();
	struct policy_count *none = calloc(cpus, sizeof(*none));

	assert_non_null(none);
	map_empty(bpf_map__fd(world->skel->maps.policy_flows), sizeof(struct policy_flow_key));
	map_empty(bpf_map__fd(world->skel->maps.policy_fragments), sizeof(struct policy_flow_key));
	map_empty(bpf_map__fd(world->skel->maps.policy_seen), sizeof(struct policy_seen_key));
	for (uint32_t key = 0; key < 2 * POLICY_RULES; key++)
		if (key % POLICY_RULES < 64 || key % POLICY_RULES > POLICY_RULES - 4)
			assert_int_equal(bpf_map_update_elem(counts, &key, none, 0), 0);
	free(none);
}
