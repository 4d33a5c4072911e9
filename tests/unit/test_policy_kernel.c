/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation's generations in the real kernel: what is judged while they change, and what a failure
 * leaves. */
#include <sys/mman.h>

#include "tests/unit/policy_ground.h"

#define SWAPS	16

/* ---- generations ----------------------------------------------------------------------------- */

static void nothing_is_judged_before_the_first_generation(void **state)
{
	struct hand_tables *hand = hand_tables(1000);

	(void)state;
	attached("");
	assert_int_equal(policy_kernel_current(kernel), 0);
	assert_int_equal(asked("/a", 1001), 0);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	applied(NULL, hand);
	assert_int_not_equal(policy_kernel_current(kernel), 0);
	assert_int_equal(asked("/a", 1000), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	/* Those that are in no group are not touched. */
	assert_int_equal(asked("/b", 1001), 0);
	free(hand);
}

/* What a client under fire tells, in memory that it shares with the test. */
struct witness {
	uint64_t settled, turning;	/* attempts within one generation, and across a turn */
	uint64_t wrong;			/* another answer than that of the generation */
	uint64_t both, neither;		/* pairs within one generation */
	volatile uint64_t generations;	/* of which it saw settled pairs */
	volatile uint64_t stop;
};

/* Half 0 allows port 1000 alone, half 1 port 1001 alone. */
static int hammer(void *context)
{
	struct witness *witness = context;
	uint16_t ports[2] = { 1000, 1001 };
	uint64_t last = 0;

	while (!witness->stop) {
		uint64_t before = policy_kernel_current(kernel), after;
		bool passed[2];

		for (int i = 0; i < 2; i++)
			passed[i] = !asked_for_port(&ports[i]);
		after = policy_kernel_current(kernel);
		if (before != after) {
			witness->turning++;
			continue;
		}
		witness->settled++;
		witness->both += passed[0] && passed[1];
		witness->neither += !passed[0] && !passed[1];
		witness->wrong += !passed[POLICY_HALF(after)] || passed[!POLICY_HALF(after)];
		witness->generations += after != last;
		last = after;
	}
	return 0;
}

static pid_t hammering_child(struct witness *witness)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_enter("/a");
		_exit(hammer(witness));
	}
	return pid;
}

static void a_swap_shows_the_old_rules_or_the_new_ones(void **state)
{
	struct witness *witness = mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct hand_tables *hands[2] = { hand_tables(1000), hand_tables(1001) };
	long begin, spent = 0, deadline = now_ms() + WAIT_MS;
	pid_t child;

	(void)state;
	for (int i = 0; i < 2; i++)
		hand_cgroup(hands[i], cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hands[1]); /* the first one goes into half 1 */
	assert_int_equal(POLICY_HALF(policy_kernel_current(kernel)), 1);
	child = hammering_child(witness);
	for (int i = 0; i < SWAPS; i++) {
		while (witness->generations <= (uint64_t)i && now_ms() < deadline)
			usleep(100);
		begin = now_ms();
		applied(hands[!(i % 2)], hands[i % 2]);
		spent += now_ms() - begin;
	}
	while (witness->generations <= SWAPS && now_ms() < deadline)
		usleep(100);
	witness->stop = 1;
	waitpid(child, NULL, 0);
	print_message("           %d swaps of %ld ms; %lu pairs within a generation, %lu across\n",
		      SWAPS, spent / SWAPS, witness->settled, witness->turning);
	assert_int_equal(witness->generations, SWAPS + 1);
	assert_int_equal(witness->wrong, 0);
	assert_int_equal(witness->both, 0);
	assert_int_equal(witness->neither, 0);
	munmap(witness, sizeof(*witness));
	free(hands[0]);
	free(hands[1]);
}

static void a_container_is_patched_into_the_half_in_use(void **state)
{
	struct hand_tables *one = hand_tables(1000), *two = hand_tables(1000);
	uint64_t before, after;

	(void)state;
	hand_cgroup(one, cgroup_made("/a"), GROUP);
	hand_cgroup(two, cgroup_made("/a"), GROUP);
	hand_cgroup(two, cgroup_made("/b"), GROUP);
	two->prefixes[two->tables.prefix_count++] =
		(struct policy_prefix){ { parsed(PEER), 128 }, { .as = { 0, 1 } } };
	attached("");
	applied(NULL, one);
	before = policy_kernel_current(kernel);
	assert_int_equal(asked("/b", 1001), 0);
	applied(one, two);
	after = policy_kernel_current(kernel);
	assert_int_equal(after, before + 2);
	assert_int_equal(asked("/b", 1001), EPERM);
	assert_int_equal(asked("/a", 1001), EPERM);
	applied(two, one);
	assert_int_equal(policy_kernel_current(kernel), after + 2);
	assert_int_equal(asked("/b", 1001), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	free(one);
	free(two);
}

static void a_change_of_sets_or_depths_takes_a_swap(void **state)
{
	struct hand_tables *one = hand_tables(1000), *two = hand_tables(1000);

	(void)state;
	hand_cgroup(one, cgroup_made("/a"), GROUP);
	hand_cgroup(two, cgroup_made("/a"), POLICY_SET_NONE);
	attached("");
	applied(NULL, one);
	applied(one, two);
	assert_int_equal(POLICY_HALF(policy_kernel_current(kernel)), 0);
	assert_int_equal(asked("/a", 1001), 0);
	one->cgroups[0].id = cgroup_made("");
	one->tables.dims.level[0] = 1;
	one->tables.dims.level[1] = 0;
	applied(two, one);
	assert_int_equal(POLICY_HALF(policy_kernel_current(kernel)), 1);
	assert_int_equal(asked("/b", 1001), EPERM);
	free(one);
	free(two);
}

/* Below a governed parent a new cgroup is judged at once. */
static void a_new_cgroup_below_a_parent_is_judged_before_it_is_named(void **state)
{
	struct hand_tables *one = hand_tables(1000), *two = hand_tables(1000);

	(void)state;
	one->parents[one->tables.parent_count++] = cgroup_made("");
	two->parents[two->tables.parent_count++] = cgroup_made("");
	hand_cgroup(two, cgroup_made("/b"), POLICY_SET_NONE);
	attached("");
	applied(NULL, one);
	assert_int_equal(asked("/b", 1001), EPERM);
	applied(one, two);
	assert_int_equal(asked("/b", 1001), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	free(one);
	free(two);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void too_many_prefixes_change_nothing(void **state)
{
	struct hand_tables *hand = hand_tables(1000), *large = hand_tables(1001);
	size_t count = POLICY_PLACES_MAX + 1;
	struct policy_prefix *prefixes = calloc(count, sizeof(*prefixes));
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t current;

	(void)state;
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	hand_cgroup(large, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hand);
	current = policy_kernel_current(kernel);
	large->tables.prefixes = prefixes;
	large->tables.prefix_count = count;
	assert_int_equal(policy_kernel_apply(kernel, &hand->tables, &large->tables, NULL, 0,
					     &diag), -E2BIG);
	assert_int_equal(diag.count, 1);
	assert_string_equal(diag.entries[0].text,
			    "policy: 262145 prefixes are too many: 262144 is the most");
	assert_int_equal(policy_kernel_current(kernel), current);
	assert_int_equal(asked("/a", 1000), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	free(prefixes);
	free(hand);
	free(large);
}

static int files_open(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* Every table in turn is the one that cannot be made. */
static void a_failure_at_any_step_changes_nothing(void **state)
{
	struct hand_tables *old = hand_tables(1000), *new = hand_tables(1001);
	struct rlimit files, few;
	uint64_t current;
	int err = -1, failures = 0;

	(void)state;
	hand_cgroup(old, cgroup_made("/a"), GROUP);
	hand_cgroup(new, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, old);
	current = policy_kernel_current(kernel);
	getrlimit(RLIMIT_NOFILE, &files);
	for (int room = 0; err && room < 32; room++) {
		_cleanup_diag_ struct diag diag = { 0 };

		few = files;
		few.rlim_cur = files_open() + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = policy_kernel_apply(kernel, &old->tables, &new->tables, NULL, 0, &diag);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
		if (!err)
			break;
		failures++;
		assert_int_equal(err, -EMFILE);
		assert_true(diag.count > 0);
		assert_int_equal(policy_kernel_current(kernel), current);
		assert_int_equal(asked("/a", 1000), 0);
		assert_int_equal(asked("/a", 1001), EPERM);
	}
	assert_true(failures >= 11);
	assert_int_equal(err, 0);
	assert_int_equal(asked("/a", 1001), 0);
	assert_int_equal(asked("/a", 1000), EPERM);
	free(old);
	free(new);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void take_event(const struct policy_event *event, void *context)
{
	if (POLICY_VERDICT_RULE(event->verdict) == RULE_DENY)
		*(struct policy_event *)context = *event;
}

static void a_refusal_is_told_and_counted_by_rule(void **state)
{
	struct hand_tables *one = hand_tables(1000), *two = hand_tables(1001);
	static struct policy_count counts[POLICY_RULES];
	struct policy_event event = { 0 };
	uint64_t first, lost[POLICY_LOSSES];

	(void)state;
	hand_cgroup(one, cgroup_made("/a"), GROUP);
	hand_cgroup(two, cgroup_made("/a"), GROUP);
	attached("");
	policy_kernel_listen(kernel, take_event, &event);
	applied(NULL, one);
	first = policy_kernel_current(kernel);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asked("/a", 1234), EPERM);
	assert_int_equal(poll(&(struct pollfd){ .fd = policy_kernel_fd(kernel),
						.events = POLLIN }, 1, WAIT_MS), 1);
	policy_kernel_drain(kernel);
	assert_int_equal(event.current, first);
	assert_int_equal(event.remote_port, 1234);
	assert_int_equal(event.hook, POLICY_HOOK_CONNECT);
	assert_int_equal(event.set, GROUP);
	assert_int_equal(policy_kernel_counts(kernel, first, counts), 0);
	assert_int_equal(counts[RULE_DENY].refused, 3);
	/* The other half begins at zero, and this one stays to be read. */
	applied(one, two);
	assert_int_equal(policy_kernel_counts(kernel, policy_kernel_current(kernel), counts), 0);
	assert_int_equal(counts[RULE_DENY].refused, 0);
	assert_int_equal(asked("/a", 1234), EPERM);
	assert_int_equal(policy_kernel_counts(kernel, policy_kernel_current(kernel), counts), 0);
	assert_int_equal(counts[RULE_DENY].refused, 1);
	assert_int_equal(policy_kernel_counts(kernel, first, counts), 0);
	assert_int_equal(counts[RULE_DENY].refused, 3);
	assert_int_equal(policy_kernel_lost(kernel, lost), 0);
	assert_int_equal(lost[POLICY_LOST_EVENT], 0);
	free(one);
	free(two);
}

static void break_glass_lets_pass_and_outlives_the_daemon(void **state)
{
	struct hand_tables *hand = hand_tables(1000);

	(void)state;
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hand);
	policy_kernel_set_audit(kernel, true);
	assert_int_equal(asked("/a", 1001), 0);
	kernel_close();
	kernel_open();
	assert_true(policy_kernel_audit(kernel));
	policy_kernel_set_audit(kernel, false);
	assert_int_equal(asked("/a", 1001), EPERM);
	free(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(nothing_is_judged_before_the_first_generation),
		POLICY_TEST(a_swap_shows_the_old_rules_or_the_new_ones),
		POLICY_TEST(a_container_is_patched_into_the_half_in_use),
		POLICY_TEST(a_change_of_sets_or_depths_takes_a_swap),
		POLICY_TEST(a_new_cgroup_below_a_parent_is_judged_before_it_is_named),
		POLICY_TEST(too_many_prefixes_change_nothing),
		POLICY_TEST(a_failure_at_any_step_changes_nothing),
		POLICY_TEST(a_refusal_is_told_and_counted_by_rule),
		POLICY_TEST(break_glass_lets_pass_and_outlives_the_daemon),
	};

	return cmocka_run_group_tests_name("policy_kernel", tests, policy_ground_make,
					   policy_ground_end);
}
