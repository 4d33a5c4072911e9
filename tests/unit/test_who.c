/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is found in the tree of cgroups: over plain cgroups below one of this test's own, and
 * children in namespaces of their own. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "lb/watch/cgroup_fs.h"
#include "policy/cgroup_tree.h"
#include "policy/who.h"
#include "tests/unit/net_ground.h"

#define ID	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER	"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static char root[CGROUP_PATH_MAX], top[64], groups[16][256];
static size_t group_count;
static struct who *who;
static struct found found;

static const char *below(const char *path)
{
	static char whole[4][256]; /* the last four stay */
	static unsigned int turn;
	char *at = whole[turn++ % 4];

	snprintf(at, sizeof(whole[0]), "%s%s%s", top, *path ? "/" : "", path);
	return at;
}

static uint64_t make(const char *path)
{
	char place[CGROUP_PATH_MAX + 256];
	uint64_t id;

	snprintf(groups[group_count++], sizeof(groups[0]), "%s", below(path));
	snprintf(place, sizeof(place), "%s/%s", root, below(path));
	assert_int_equal(mkdir(place, 0755), 0);
	assert_int_equal(cgroup_id(root, below(path), &id), 0);
	return id;
}

/* The one that was made last. */
static int unmake(void)
{
	char place[CGROUP_PATH_MAX + 256];

	snprintf(place, sizeof(place), "%s/%s", root, groups[--group_count]);
	return rmdir(place);
}

static void join(pid_t pid, const char *path)
{
	run("echo %d >%s/%s/cgroup.procs", pid, root, path);
}

static int ground_set(void **state)
{
	struct diag diag = { 0 };

	(void)state;
	if (cgroup_fs_root(root)) {
		print_message("skipped: cgroup v2 is not mounted\n");
		exit(77);
	}
	snprintf(top, sizeof(top), "edgelb-test-%d-who", getpid());
	make("");
	return who_open(&who, &diag);
}

static int ground_clear(void **state)
{
	(void)state;
	found_clear(&found);
	who_close(who);
	if (container > 0) {
		join(container, "");
		kill(container, SIGKILL);
		waitpid(container, NULL, 0);
		container = 0;
	}
	while (group_count)
		if (unmake())
			return -1;
	return 0;
}

/* A process in a namespace of its own. */
static void container_run(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	container = fork();
	if (!container) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static void look(struct config_group *group, const struct container *containers, size_t count)
{
	const struct config_policy policy = { .groups = group, .group_count = 1 };

	found_clear(&found);
	assert_int_equal(who_find(who, &policy, containers, count, true, &found), 0);
}

static const struct subject *subject_named(const char *name)
{
	for (size_t i = 0; i < found.subjects.count; i++)
		if (!strcmp(found.subjects.list[i].name, name))
			return &found.subjects.list[i];
	return NULL;
}

static bool stands(const char *path)
{
	for (size_t i = 0; i < found.stand_count; i++)
		if (!strcmp(found.stands[i], path))
			return true;
	return false;
}

static bool is_unnamed(uint64_t id)
{
	for (size_t i = 0; i < found.unnamed_count; i++)
		if (found.unnamed[i] == id)
			return true;
	return false;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static void a_containers_cgroup_is_found_wherever_runtimes_put_it(void **state)
{
	static const char *const names[] = { ID, "docker-" ID ".scope", "libpod-" ID ".scope",
					     "libpod-" ID };
	char path[PATH_MAX];

	(void)state;
	make("in");
	make("in/libpod-conmon-" ID ".scope");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[128];

		snprintf(name, sizeof(name), "in/%s", names[i]);
		make(name);
		assert_int_equal(cgroup_of_container(root, ID, below("in"), false, path), 0);
		assert_string_equal(path, below(name));
		assert_int_equal(cgroup_of_container(root, ID, NULL, false, path), -ENOENT);
		assert_int_equal(cgroup_of_container(root, ID, NULL, true, path), 0);
		assert_string_equal(path, below(name));
		assert_int_equal(unmake(), 0);
	}
	assert_int_equal(cgroup_of_container(root, ID, NULL, true, path), -ENOENT);
}

static void the_id_of_a_container_is_known_by_its_digits(void **state)
{
	(void)state;
	assert_true(cgroup_is_of_container("docker/" ID));
	assert_true(cgroup_is_of_container("system.slice/docker-" ID ".scope"));
	assert_false(cgroup_is_of_container("system.slice/ssh.service"));
	assert_false(cgroup_is_of_container("docker/0123456789abcdef"));
}

static void a_cgroup_is_found_by_its_number(void **state)
{
	char path[PATH_MAX];
	uint64_t id;

	(void)state;
	make("a");
	id = make("a/b");
	assert_int_equal(cgroup_of_id(root, id, path), 0);
	assert_string_equal(path, below("a/b"));
	assert_int_equal(cgroup_level(path), 3);
	assert_int_equal(cgroup_of_id(root, UINT64_MAX, path), -ENOENT);
	assert_true(cgroup_is_below(path, below("a")));
	assert_false(cgroup_is_below(below("ab"), below("a")));
}

/* ---- who ------------------------------------------------------------------------------------- */

static void what_a_pattern_names_is_a_subject_with_its_namespace(void **state)
{
	struct config_group group = { .kind = CONFIG_GROUP_CGROUP };
	const struct subject *subject;
	uint64_t id;

	(void)state;
	id = make("db-1");
	make("web");
	container_run();
	run_there("ip link add e0 type veth peer name e1");
	run_there("ip addr add 10.9.0.1/24 dev e0");
	join(container, below("db-1"));
	group.pattern = (char *)below("db-*");
	look(&group, NULL, 0);
	subject = subject_named(below("db-1"));
	assert_non_null(subject);
	assert_int_equal(subject->cgroup_id, id);
	assert_int_equal(subject->level, 2);
	assert_true(subject->cookie != 0);
	assert_int_equal(subject->address_count, 1);
	/* Who else is there gets its name too: in no group, and not new. */
	assert_non_null(subject_named(below("web")));
	assert_true(stands(top));
	assert_int_equal(found.subjects.parent_count, 1);
	assert_int_equal(found.subjects.parent_levels[0], 1);
}

static void a_cgroup_that_comes_is_told_of(void **state)
{
	struct config_group group = { .kind = CONFIG_GROUP_CGROUP };

	(void)state;
	group.pattern = (char *)below("db-*");
	look(&group, NULL, 0);
	who_drain(who);
	assert_false(who_drain(who));
	make("db-2");
	assert_true(who_drain(who));
	group.pattern = (char *)below("db-*");
	look(&group, NULL, 0);
	assert_non_null(subject_named(below("db-2")));
}

static struct container running_at(const char *parent)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s", below(parent));
	return (struct container){ .id = ID, .name = "web-1", .running = true,
				   .cgroup_parent = path };
}

static void a_container_is_found_below_its_parent_which_stays_governed(void **state)
{
	struct config_group group = { .kind = CONFIG_GROUP_CONTAINER, .pattern = "web-*" };
	struct container container_told = running_at("in");
	uint64_t stranger;

	(void)state;
	make("in");
	stranger = make("in/" OTHER);
	make("in/" ID);
	look(&group, &container_told, 1);
	assert_non_null(subject_named("web-1"));
	assert_string_equal(subject_named("web-1")->cgroup, below("in/" ID));
	assert_true(stands(below("in")));
	/* The runtime may yet tell of the other one. */
	assert_null(subject_named(below("in/" OTHER)));
	assert_true(is_unnamed(stranger));
	assert_int_equal(unmake(), 0);
	look(&group, NULL, 0);
	assert_true(stands(below("in")));
}

static void in_a_shared_slice_only_containers_are_new(void **state)
{
	struct config_group group = { .kind = CONFIG_GROUP_CONTAINER, .pattern = "web-*" };
	struct container container_told = running_at("system.slice");
	uint64_t slice, stranger;
	bool expected = false;

	(void)state;
	slice = make("system.slice");
	make("system.slice/ssh.service");
	stranger = make("system.slice/docker-" OTHER ".scope");
	look(&group, &container_told, 1);
	for (size_t i = 0; i < found.subjects.parent_count; i++)
		assert_true(found.subjects.parents[i] != slice);
	for (size_t i = 0; i < found.subjects.container_level_count; i++)
		expected |= found.subjects.container_levels[i] == 3;
	assert_true(expected);
	assert_true(stands(below("system.slice")));
	assert_true(is_unnamed(stranger));
	assert_null(subject_named(below("system.slice/ssh.service")));
}

static void what_an_earlier_daemon_governed_stays_so_until_the_runtime_has_told(void **state)
{
	struct config_group group = { .kind = CONFIG_GROUP_CONTAINER, .pattern = "web-*" };
	const struct config_policy policy = { .groups = &group, .group_count = 1 };
	uint64_t id;

	(void)state;
	id = make("in");
	who_remember(who, &id, 1);
	assert_int_equal(who_find(who, &policy, NULL, 0, false, &found), 0);
	assert_true(stands(below("in")));
	look(&group, NULL, 0);
	assert_false(stands(below("in")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, ground_set, ground_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_containers_cgroup_is_found_wherever_runtimes_put_it),
		T(the_id_of_a_container_is_known_by_its_digits),
		T(a_cgroup_is_found_by_its_number),
		T(what_a_pattern_names_is_a_subject_with_its_namespace),
		T(a_cgroup_that_comes_is_told_of),
		T(a_container_is_found_below_its_parent_which_stays_governed),
		T(in_a_shared_slice_only_containers_are_new),
		T(what_an_earlier_daemon_governed_stays_so_until_the_runtime_has_told),
	};

	return cmocka_run_group_tests(tests, ground_make_private, NULL);
}
