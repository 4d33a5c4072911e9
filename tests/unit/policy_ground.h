/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of policy/kernel.h, over that of net_ground.h: tables made by hand, pins on
 * a BPF file system of this process's own mounts, cgroups under a prefix of its own, and children
 * that are in them. For one test program each. */
#ifndef TESTS_UNIT_POLICY_GROUND_H
#define TESTS_UNIT_POLICY_GROUND_H

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lb/watch/cgroup_fs.h"
#include "policy/kernel.h"
#include "tests/unit/net_ground.h"

#define PIN		"/run/bpf/edgelb"
#define GROUP		2	/* the set of the tables made here */
#define RULE_ALLOW	7
#define RULE_DENY	8
#define PEER		"10.2.0.2"

static struct policy_kernel *kernel;
static char cgroup_top[64];	/* "edgelb-test-PID": a child of the root */

/* ---- tables ---------------------------------------------------------------------------------- */

/* For one group: of TCP and UDP it may go to one port only, and nobody restricts what comes. */
struct hand_tables {
	struct policy_tables tables;
	struct policy_prefix prefixes[8];
	struct policy_member cgroups[8];
	uint64_t parents[8];
	uint16_t pairs[9];
	struct policy_class unions[3];
	struct policy_cell cells[4];
	struct policy_span spans[9];
	struct policy_sockets sockets[3];
	char *names[3];
};

static inline void hand_port(struct hand_tables *hand, uint16_t port)
{
	const uint32_t allow = POLICY_VERDICT(RULE_ALLOW, POLICY_ALLOW, 0);
	const uint32_t deny = POLICY_VERDICT(RULE_DENY, POLICY_DENY, 0);
	const struct policy_span spans[] = {
		{ 0, POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_ALLOW, 0) },
		{ 0, allow },
		{ POLICY_POINT(IPPROTO_TCP, 0), deny },
		{ POLICY_POINT(IPPROTO_TCP, port), allow },
		{ POLICY_POINT(IPPROTO_TCP, port + 1), deny },
		{ POLICY_POINT(IPPROTO_UDP, 0), deny },
		{ POLICY_POINT(IPPROTO_UDP, port), allow },
		{ POLICY_POINT(IPPROTO_UDP, port + 1), deny },
		{ POLICY_POINT(IPPROTO_UDP + 1, 0), allow },
	};

	memcpy(hand->spans, spans, sizeof(spans));
}

static inline struct hand_tables *hand_tables(uint16_t port)
{
	static char *const names[] = { "(none)", "(new)", "group" };
	struct hand_tables *hand = calloc(1, sizeof(*hand));

	assert_non_null(hand);
	memcpy(hand->names, names, sizeof(names));
	hand_port(hand, port);
	/* Initiators are rows: 0 anybody, 1 the group. */
	hand->cells[0] = hand->cells[1] = (struct policy_cell){ 0, 1 };
	hand->cells[2] = hand->cells[3] = (struct policy_cell){ 1, 8 };
	hand->unions[POLICY_SET_NEW] = (struct policy_class){ 1, 1 };
	hand->unions[GROUP] = (struct policy_class){ 1, 1 };
	for (uint16_t i = 0; i < 3; i++)
		for (uint16_t j = 0; j < 3; j++)
			hand->pairs[i * 3 + j] = i > j ? i : j;
	hand->tables = (struct policy_tables){
		.dims = { .set_count = 3, .class_count = 1, .columns = 2, .level = { 2, 1 },
			  .parent_level = { 1 } },
		.prefixes = hand->prefixes, .cgroups = hand->cgroups, .parents = hand->parents,
		.pairs = hand->pairs, .unions = hand->unions, .cells = hand->cells, .rows = 2,
		.spans = hand->spans, .span_count = 9, .sockets = hand->sockets,
		.set_names = hand->names,
	};
	return hand;
}

static inline void hand_cgroup(struct hand_tables *hand, uint64_t id, uint16_t set)
{
	size_t i = hand->tables.cgroup_count++;

	for (; i && hand->cgroups[i - 1].id > id; i--)
		hand->cgroups[i] = hand->cgroups[i - 1];
	hand->cgroups[i] = (struct policy_member){ id, set };
}

/* ---- cgroups --------------------------------------------------------------------------------- */

/* "" is the top one of this program, "/NAME" one below it. */
static inline const char *cgroup_name(const char *below)
{
	static char names[64][128];
	static int next;
	char *name = names[next++ % 64];

	snprintf(name, sizeof(names[0]), "%s%s", cgroup_top, below);
	return name;
}

static inline uint64_t cgroup_made(const char *below)
{
	char path[CGROUP_PATH_MAX];
	uint64_t id;

	assert_int_equal(cgroup_fs_path(cgroup_name(below), path), 0);
	if (mkdir(path, 0755))
		assert_int_equal(errno, EEXIST);
	assert_int_equal(cgroup_fs_id(cgroup_name(below), &id), 0);
	return id;
}

static inline void cgroup_gone(const char *below)
{
	char path[CGROUP_PATH_MAX];
	long deadline = now_ms() + WAIT_MS;

	/* A process that was waited for may be in it a moment longer. */
	if (!cgroup_fs_path(cgroup_name(below), path))
		while (rmdir(path) && errno == EBUSY && now_ms() < deadline)
			usleep(1000);
}

/* Called in a child. */
static inline void cgroup_enter(const char *below)
{
	char path[CGROUP_PATH_MAX + 16], root[CGROUP_PATH_MAX];
	int fd;

	if (cgroup_fs_path(cgroup_name(below), root))
		_exit(99);
	snprintf(path, sizeof(path), "%s/cgroup.procs", root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(99);
	close(fd);
}

/* The function's result, 0 to 98, as a process of that cgroup. */
static inline int in_cgroup(const char *below, int (*function)(void *), void *argument)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_enter(below);
		_exit(function(argument));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 99);
	return WEXITSTATUS(status);
}

/* What connect() of a new UDP socket says: it asks the programs and sends nothing. */
static inline int asked_for_port(void *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(*(uint16_t *)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	inet_pton(AF_INET, PEER, &to.sin_addr);
	err = fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
	close(fd);
	return err;
}

static inline int asked(const char *below, uint16_t port)
{
	return in_cgroup(below, asked_for_port, &port);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static inline void kernel_open(void)
{
	_cleanup_diag_ struct diag diag = { 0 };
	int err = policy_kernel_open(PIN, &kernel, &diag);

	if (err) {
		diag_print(&diag, stderr);
		fail_msg("cannot open: %s", strerror(-err));
	}
}

static inline void kernel_close(void)
{
	policy_kernel_close(kernel);
	kernel = NULL;
}

static inline void applied(const struct hand_tables *before, const struct hand_tables *hand)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (policy_kernel_apply(kernel, before ? &before->tables : NULL, &hand->tables, NULL, 0,
				&diag)) {
		diag_print(&diag, stderr);
		fail();
	}
}

static inline void attached(const char *below)
{
	const char *cgroups[] = { cgroup_name(below) };
	_cleanup_diag_ struct diag diag = { 0 };

	if (policy_kernel_attach(kernel, cgroups, 1, &diag)) {
		diag_print(&diag, stderr);
		fail();
	}
}

static inline int policy_ground_make(void **state)
{
	int err = ground_make_private(state);

	if (!err && (mkdir("/run/bpf", 0700) || mount("bpf", "/run/bpf", "bpf", 0, NULL)))
		err = -1;
	libbpf_set_print(NULL); /* what it says of a qdisc that is not there yet */
	snprintf(cgroup_top, sizeof(cgroup_top), "edgelb-test-%d", getpid());
	return err;
}

static inline int policy_setup(void **state)
{
	int err = ground_setup(state);

	if (err || mkdir(PIN, 0700))
		return -1;
	cgroup_made("");
	cgroup_made("/a");
	cgroup_made("/b");
	make_container_link();
	kernel_open();
	return 0;
}

static inline int policy_teardown(void **state)
{
	_cleanup_diag_ struct diag diag = { 0 };

	kernel_close();
	policy_unload(PIN, &diag);
	diag_print(&diag, stderr);
	rmdir(PIN);
	ground_teardown(state);
	cgroup_gone("/a");
	cgroup_gone("/b");
	cgroup_gone("");
	return 0;
}

/* After a setup that failed there is no teardown. */
static inline int policy_ground_end(void **state)
{
	(void)state;
	cgroup_gone("/a");
	cgroup_gone("/b");
	cgroup_gone("");
	return 0;
}

#define POLICY_TEST(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

#endif
