/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Health checks where something is scarce: descriptors, turns, time. An argument names the one
 * test to run. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/health_ground.h"

#define FILES	      8192 /* descriptors, where a test does not limit them itself */
#define CPU_SHARE_MAX 0.5  /* for 2,000 checks a second */

static void limit_files(rlim_t limit)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = limit < files.rlim_max ? limit : files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void a_check_that_could_not_be_made_is_no_result(void **state)
{
	static const char reason[] = "check could not be made: too many open files";
	struct health_target targets[] = {
		target_of(TCP, "old-tcp", "127.0.0.1", 8080),
		target_of(HTTP, "old-http", "127.0.0.1", 8080),
		target_of(TCP, "new-tcp", "127.0.0.1", 8080),
		target_of(HTTP, "new-http", "127.0.0.1", 8080),
	};
	struct server server;
	long until;
	int next;

	(void)state;
	server_open(&server, loop, 8080);
	set_targets(targets, 2);
	wait_until(is_up(&targets[0]) && is_up(&targets[1]));
	set_targets(NULL, 0);
	wait_until(!server.open);
	next = dup(0);
	close(next);
	limit_files((rlim_t)next);

	set_targets(targets, 4);
	health_assume(health, "web", "old-tcp", &targets[0].address, true);
	health_assume(health, "web", "old-http", &targets[1].address, true);
	wait_until(!strcmp(result_of(&targets[2]).reason, reason) &&
		   !strcmp(result_of(&targets[3]).reason, reason));
	until = now_ms() + 200; /* ten checks of each that could have failed */
	wait_until(now_ms() > until);
	assert_true(is_up(&targets[0]) && is_up(&targets[1]));
	assert_false(is_known(&targets[2]) || is_known(&targets[3]));

	limit_files(FILES);
	wait_until(is_up(&targets[2]) && is_up(&targets[3]));
	close_health();
	server_close(&server);
}

static void hanging_checks_leave_descriptors_and_turns_to_others(void **state)
{
	enum { HANGING = 100, ALL = 120, LIMIT = 64 };
	struct health_target targets[ALL];
	int deaf[2], listener, most = 0;
	size_t judged = 0;

	(void)state;
	close_health();
	limit_files(LIMIT);
	assert_int_equal(health_open(loop, on_changed, NULL, &health), 0);
	limit_files(FILES);
	deaf_open(81, deaf);
	listener = listen_on(80, 16);
	for (int i = 0; i < ALL; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b%d", i);
		targets[i] = target_of(TCP, name, "127.0.0.1", i < HANGING ? 81 : 80);
		targets[i].check.timeout_ms = 200;
	}
	set_targets(targets, ALL);
	for (int i = 0; i < ALL; i++) {
		while (!is_known(&targets[i])) {
			int open = open_files();

			most = open > most ? open : most;
			turn_before(now_ms() + WAIT_MS, "all are judged");
		}
		judged += is_up(&targets[i]) == (i >= HANGING);
	}
	assert_int_equal(judged, ALL);
	assert_in_range(most, files_before + LIMIT / 4, files_before + LIMIT / 2 + 10);

	close_health();
	close(listener);
	deaf_close(deaf);
}

static void room_that_a_new_list_leaves_is_used_at_once(void **state)
{
	enum { HANGING = 40, LIMIT = 64 };
	struct health_target targets[HANGING + 1];
	int deaf[2], listener;
	long until;

	(void)state;
	close_health();
	limit_files(LIMIT);
	assert_int_equal(health_open(loop, on_changed, NULL, &health), 0);
	limit_files(FILES);
	deaf_open(81, deaf);
	listener = listen_on(80, 16);
	for (int i = 0; i <= HANGING; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b%d", i);
		targets[i] = target_of(TCP, name, "127.0.0.1", i < HANGING ? 81 : 80);
		targets[i].check.timeout_ms = 60000;
	}
	set_targets(targets, HANGING);
	until = now_ms() + 300; /* every first check is due long before */
	wait_until(now_ms() > until);
	set_targets(targets, HANGING + 1);
	until = now_ms() + 300;
	wait_until(now_ms() > until);
	assert_false(is_known(&targets[HANGING]));
	set_targets(&targets[HANGING], 1);
	wait_until(is_up(&targets[HANGING]));
	close_health();
	close(listener);
	deaf_close(deaf);
}

static unsigned int tenths[10], each[200], hurried;
static long interval_start, last_at[COUNT(each)];

/* The second check may come soon after the first, for it goes to the target's place. */
static void note_place(struct server *server)
{
	unsigned int which = server->request_to.byte[15];
	long at = now_ms() - interval_start;

	if (at >= 0 && at - last_at[which] < 500)
		hurried++;
	last_at[which] = at;
	if (at < 0 || at >= 1000)
		return;
	tenths[at / 100]++;
	each[which]++;
}

static void targets_are_spread_over_their_interval(void **state)
{
	struct health_target targets[COUNT(each)];
	struct server server;
	size_t known = 0;
	long start;

	(void)state;
	server_open(&server, loop, 80);
	server.on_request = note_place;
	for (unsigned int i = 0; i < COUNT(each); i++) {
		char name[16], address[ADDR_TEXT_MAX];

		snprintf(name, sizeof(name), "b%u", i);
		snprintf(address, sizeof(address), "127.0.1.%u", i);
		targets[i] = target_of(HTTP, name, address, 80);
		targets[i].check.every_ms = 1000;
	}
	start = now_ms();
	interval_start = start + 1200; /* all have had a check at their place */
	set_targets(targets, COUNT(targets));
	for (size_t i = 0; i < COUNT(targets); i++)
		wait_until(is_up(&targets[i]));
	assert_in_range(now_ms() - start, 0, 900); /* the first does not wait for the place */
	wait_until(now_ms() > interval_start + 1000);
	for (size_t i = 0; i < COUNT(targets); i++)
		known += each[i] == 1;
	/* A place at the seam of the interval may be met twice or not at all. */
	assert_in_range(known, COUNT(targets) - 10, COUNT(targets));
	assert_int_equal(hurried, 0);
	for (size_t i = 0; i < COUNT(tenths); i++) /* these names have 11 to 27 in any tenth */
		assert_in_range(tenths[i], 5, 40);
	close_health();
	server_close(&server);
}

/* ---- thousands ------------------------------------------------------------------------------ */

/* The backends, in a process of their own, so that the CPU time here is that of the checks. */
static pid_t backends_start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct event_base *base = event_base_new();
		struct server good, silent;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		server_open(&good, base, 80);
		server_open(&silent, base, 82);
		silent.answer = "";
		silent.hold = true;
		if (write(ready[1], "", 1) == 1)
			event_base_dispatch(base);
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

enum { GOOD = 1000, MANY = 2000 };

/* Half are good, half hang; half of each are http. */
static void fill_many(struct health_target *targets)
{
	for (unsigned int i = 0; i < MANY; i++) {
		bool good = i < GOOD, http = i % 2;
		char name[16], address[ADDR_TEXT_MAX];

		snprintf(name, sizeof(name), "b%u", i);
		snprintf(address, sizeof(address), "127.1.%u.%u", i / 250, 1 + i % 250);
		targets[i] = target_of(http ? HTTP : TCP, name, address,
				       good ? 80 : http ? 82 : 81);
		targets[i].check.every_ms = targets[i].check.timeout_ms = 1000;
	}
}

static void thousands_are_checked_and_half_of_them_hanging_delay_nobody(void **state)
{
	struct health_target *targets = calloc(MANY, sizeof(*targets));
	pid_t backends = backends_start();
	unsigned int before;
	int deaf[2];
	long start;
	double cpu;

	(void)state;
	assert_non_null(targets);
	deaf_open(81, deaf);
	fill_many(targets);
	start = now_ms();
	set_targets(targets, MANY);
	for (size_t i = 0; i < GOOD; i++)
		wait_until(is_up(&targets[i]));
	print_message("1,000 good of 2,000 targets judged after %ld ms\n", now_ms() - start);
	assert_in_range(now_ms() - start, 0, 2000); /* every + timeout */
	for (size_t i = GOOD; i < MANY; i++)
		wait_until(is_down(&targets[i]));
	assert_string_equal(result_of(&targets[GOOD]).reason, "no answer within 1s");
	assert_string_equal(result_of(&targets[GOOD + 1]).reason,
			    "connected, but no answer within 1s");

	before = changes;
	start = now_ms();
	cpu = cpu_seconds();
	wait_until(now_ms() > start + 3000);
	cpu = (cpu_seconds() - cpu) / 3;
	print_message("2,000 checks a second take %.1f%% of a CPU\n", 100 * cpu);
	assert_true(cpu < CPU_SHARE_MAX);
	assert_int_equal(changes, before); /* nobody was misjudged meanwhile, with fall = 1 */

	close_health();
	deaf_close(deaf);
	kill(backends, SIGKILL);
	waitpid(backends, NULL, 0);
	free(targets);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HEALTH_TEST(a_check_that_could_not_be_made_is_no_result),
		HEALTH_TEST(hanging_checks_leave_descriptors_and_turns_to_others),
		HEALTH_TEST(room_that_a_new_list_leaves_is_used_at_once),
		HEALTH_TEST(targets_are_spread_over_their_interval),
		HEALTH_TEST(thousands_are_checked_and_half_of_them_hanging_delay_nobody),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	limit_files(FILES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
