/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb/watch/health.h against backends that answer, refuse, stall and lie. An argument names the
 * one test to run. */
#include "tests/unit/health_ground.h"

/* ---- tcp ------------------------------------------------------------------------------------ */

static void tcp_follows_a_listener_that_comes_and_goes(void **state)
{
	const struct health_target targets[] = {
		target_of(TCP, "a", "127.0.0.1", 80),
		target_of(TCP, "a", "::1", 80), /* the same backend's other row */
	};
	int fd = listen_on(80, 16);

	(void)state;
	set_targets(targets, COUNT(targets));
	assert_false(is_known(&targets[0]));
	assert_string_equal(result_of(&targets[0]).reason, "");
	wait_until(is_up(&targets[0]) && is_up(&targets[1]));
	close(fd);
	wait_until(is_down(&targets[0]) && is_down(&targets[1]));
	assert_string_equal(result_of(&targets[0]).reason, "connection refused");
	assert_string_equal(result_of(&targets[1]).reason, "connection refused");
	fd = listen_on(80, 16);
	wait_until(is_up(&targets[0]) && is_up(&targets[1]));
	assert_string_equal(result_of(&targets[0]).reason, "");
	close(fd);
}

static void why_a_backend_cannot_be_reached_is_told(void **state)
{
	static const struct {
		const char *address, *tcp, *http;
	} rows[] = {
		{ "127.0.0.1", "no answer within 100ms", "no answer within 100ms" },
		{ "127.0.0.2", "connection refused", "connection refused" },
		{ "10.8.0.1", "no route to host", "no route to host" },
		{ "10.9.0.1", "network is unreachable", "network is unreachable" },
		{ "2001:db8::1", "network is unreachable", "network is unreachable" },
		{ "10.7.0.1", "permission denied", "permission denied" },
	};
	struct health_target targets[2 * COUNT(rows)];
	int deaf[2];

	(void)state;
	deaf_open(80, deaf);
	run("ip route add unreachable 10.8.0.0/16");
	run("ip route add prohibit 10.7.0.0/16");
	for (size_t i = 0; i < COUNT(targets); i++) {
		const char *address = rows[i / 2].address;

		targets[i] = target_of(i % 2 ? HTTP : TCP, i % 2 ? "http" : "tcp", address,
				       i / 2 == 1 ? 81 : 80);
		if (i / 2 == 0)
			targets[i].check.timeout_ms = 100;
	}
	set_targets(targets, COUNT(targets));
	for (size_t i = 0; i < COUNT(targets); i++) {
		wait_until(is_down(&targets[i]));
		assert_string_equal(result_of(&targets[i]).reason,
				    i % 2 ? rows[i / 2].http : rows[i / 2].tcp);
	}
	deaf_close(deaf);
}

/* Lines of the namespace's /proc/net/tcp and tcp6 in TIME_WAIT. */
static int time_waits(void)
{
	FILE *from = popen("cat /proc/thread-self/net/tcp /proc/thread-self/net/tcp6 |"
			   " awk '$4 == \"06\"' | wc -l", "r");
	int count = -1;

	assert_non_null(from);
	assert_int_equal(fscanf(from, "%d", &count), 1);
	pclose(from);
	return count;
}

/* Connections that were begun in the namespace. */
static long connects(void)
{
	FILE *from = fopen("/proc/thread-self/net/snmp", "re");
	char line[512];
	long count = -1;

	assert_non_null(from);
	while (fgets(line, sizeof(line), from))
		sscanf(line, "Tcp: %*d %*d %*d %*d %ld", &count);
	fclose(from);
	return count;
}

static void tcp_checks_do_not_wake_the_application(void **state)
{
	struct health_target target = target_of(TCP, "a", "127.0.0.1", 80);
	int fd = listen_on(80, 16), woken = 0;

	(void)state;
	target.check.every_ms = 5;
	set_targets(&target, 1);
	wait_until(is_up(&target));
	wait_until(connects() >= 40);
	assert_true(is_up(&target));
	close_health();
	for (int accepted; (accepted = accept(fd, NULL, NULL)) >= 0; close(accepted))
		woken++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(woken, 0, 1); /* one, if this process once stood still for 200 ms */
	assert_int_equal(time_waits(), 0);
	close(fd);
}

/* ---- http ----------------------------------------------------------------------------------- */

static const struct {
	const char *sentence, *answer;
	bool hold;
	const char *reason; /* NULL: up */
} rows[] = {
	{ "a plain 200", GOOD_ANSWER, false, NULL },
	{ "the first of the range", "HTTP/1.1 200 OK\r\n\r\n", false, NULL },
	{ "the last of the range", "HTTP/1.1 299 X\r\n\r\n", false, NULL },
	{ "one beyond", "HTTP/1.1 300 X\r\n\r\n", false, "status 300, not 200-299" },
	{ "an error", FAULTY_ANSWER, false, "status 503, not 200-299" },
	{ "a redirect is not followed",
	  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", false,
	  "status 302, not 200-299" },
	{ "HTTP/1.0", "HTTP/1.0 204 No Content\r\n\r\n", false, NULL },
	{ "a provisional answer first",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 X\r\n\r\n", false,
	  "status 500, not 200-299" },
	{ "nothing after a provisional one", "HTTP/1.1 100 Continue\r\n\r\n", true,
	  "connected, but no answer within 300ms" },
	{ "a body that never comes", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true,
	  NULL },
	{ "an error whose body never comes",
	  "HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\n", true, "status 500, not 200-299" },
	{ "a body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", false,
	  NULL },
	{ "a body that is no chunk",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, NULL },
	{ "headers that stall", "HTTP/1.1 200 OK\r\nServer: x\r\n", true,
	  "connected, but no answer within 300ms" },
	{ "headers cut short", "HTTP/1.1 200 OK\r\nServer: x\r\n", false,
	  "connection closed before the end of the headers" },
	{ "nothing, and the end", "", false, "connection closed without an answer" },
	{ "nothing, and no end", "", true, "connected, but no answer within 300ms" },
	{ "another protocol", "SSH-2.0-OpenSSH_9.2p1\r\n", false,
	  "the answer is not HTTP" },
	{ "a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
	  false, "the answer is not HTTP" },
};

static void an_answer_is_judged_by_its_status(void **state)
{
	struct health_target targets[COUNT(rows)];
	struct server servers[COUNT(rows)];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint16_t port = (uint16_t)(8000 + i);

		server_open(&servers[i], loop, port);
		servers[i].answer = rows[i].answer;
		servers[i].hold = rows[i].hold;
		targets[i] = target_of(HTTP, rows[i].sentence, "127.0.0.1", port);
		if (rows[i].hold)
			targets[i].check.timeout_ms = 300;
	}
	set_targets(targets, COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *reason = rows[i].reason ? rows[i].reason : "";
		struct health_result result;

		wait_until(is_known(&targets[i]));
		result = result_of(&targets[i]);
		if (result.up != !rows[i].reason || strcmp(result.reason, reason))
			fail_msg("%s: %s, \"%s\"", rows[i].sentence, result.up ? "up" : "down",
				 result.reason);
	}
	close_health();
	for (size_t i = 0; i < COUNT(rows); i++)
		server_close(&servers[i]);
}

static void one_status_alone_may_be_expected(void **state)
{
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;

	(void)state;
	target.check.expect_min = target.check.expect_max = 503;
	server_open(&server, loop, 8080);
	set_targets(&target, 1);
	wait_until(is_down(&target));
	assert_string_equal(result_of(&target).reason, "status 200, not 503");
	server.answer = FAULTY_ANSWER;
	wait_until(is_up(&target));
	close_health();
	server_close(&server);
}

/* Answers of a megabyte: the check takes what it needs, and hangs up. */
static void an_endless_answer_is_cut_off(void **state)
{
	static const char *const starts[] = {
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
	};
	struct health_target targets[COUNT(starts)];
	struct server servers[COUNT(starts)];
	char *answers[COUNT(starts)];

	(void)state;
	for (size_t i = 0; i < COUNT(starts); i++) {
		size_t size = strlen(starts[i]);

		answers[i] = malloc(1 << 20);
		memcpy(answers[i], starts[i], size);
		for (size_t at = size; at < (1 << 20) - 1; at++)
			answers[i][at] = "X-Y: z\r\n"[(at - size) % 8];
		answers[i][(1 << 20) - 1] = '\0';
		server_open(&servers[i], loop, (uint16_t)(8000 + i));
		servers[i].answer = answers[i];
		servers[i].hold = true;
		targets[i] = target_of(HTTP, "a", i ? "127.0.0.2" : "127.0.0.1",
				       (uint16_t)(8000 + i));
		targets[i].check.timeout_ms = 60000; /* it is not the clock that ends it */
	}
	set_targets(targets, COUNT(starts));
	wait_until(is_up(&targets[0]) && is_down(&targets[1]));
	assert_string_equal(result_of(&targets[1]).reason, "headers without an end");
	close_health();
	for (size_t i = 0; i < COUNT(starts); i++) {
		server_close(&servers[i]);
		free(answers[i]);
	}
}

static void the_request_is_what_the_config_says(void **state)
{
	static char host[] = "shop.example", path[] = "/a/../b?c=%20&d#e";
	struct health_target target = target_of(HTTP, "a", "::1", 8080);
	struct server server;

	(void)state;
	/* None of these may matter: checks go directly to the backend. */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
	server_open(&server, loop, 8080);
	server.hold = true;
	set_targets(&target, 1);
	wait_until(is_up(&target));
	assert_string_equal(server.request, "GET /healthz HTTP/1.1\r\n"
					    "Host: [::1]:8080\r\n"
					    "User-Agent: edgelb-check\r\n"
					    "Accept: */*\r\n"
					    "Connection: close\r\n\r\n");

	target.address = parsed("127.0.0.1");
	set_targets(&target, 1);
	wait_until(is_up(&target));
	assert_non_null(strstr(server.request, "\r\nHost: 127.0.0.1:8080\r\n"));

	target.check.host = host;
	target.check.path = path;
	set_targets(&target, 1);
	wait_until(strstr(server.request, "shop.example"));
	assert_non_null(strstr(server.request, "GET /a/../b?c=%20&d#e HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request, "\r\nHost: shop.example\r\n"));
	assert_int_equal(server.accepted, server.requests); /* a connection for each */
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	close_health();
	server_close(&server);
	assert_int_equal(time_waits(), 0);
}

/* ---- counting ------------------------------------------------------------------------------- */

/* Whether each check of a script is answered well, and what was known before each of them. */
static struct {
	const struct health_target *target;
	const char *answers;	/* '+' or '-' for each request */
	char seen[64];		/* '?', '+' or '-' when the request came */
	unsigned int changes[64];
} script;

static void follow_script(struct server *server)
{
	size_t at = server->requests - 1, last = strlen(script.answers) - 1;

	if (at < sizeof(script.seen) - 1) {
		script.seen[at] = !is_known(script.target) ? '?' : is_up(script.target) ? '+' : '-';
		script.changes[at] = changes;
	}
	server->answer = script.answers[at < last ? at : last] == '+' ? GOOD_ANSWER :
									FAULTY_ANSWER;
}

/* Plays it all; the last request shows what the one before it made. */
static void play(struct server *server, const struct health_target *target, const char *answers)
{
	memset(&script, 0, sizeof(script));
	script.target = target;
	script.answers = answers;
	server->requests = 0;
	server->on_request = follow_script;
	wait_until(server->requests >= strlen(answers));
	script.seen[strlen(answers)] = '\0';
}

static void fall_and_rise_count_results_in_a_row(void **state)
{
	static const char answers[] = "+--+---+-++++--+----";
	static const char states[] =  "?++++++-----+++++++-";
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;
	unsigned int expected = 0;

	(void)state;
	target.check.fall = 3;
	target.check.rise = 3;
	target.check.every_ms = 10;
	server_open(&server, loop, 8080);
	set_targets(&target, 1);
	play(&server, &target, answers);
	assert_string_equal(script.seen, states);
	for (size_t i = 0; i < strlen(states); i++) {
		if (i && states[i] != states[i - 1])
			expected++;
		if (script.changes[i] != expected)
			fail_msg("before check %zu: %u calls for %u changes", i + 1,
				 script.changes[i], expected);
	}
	close_health();
	server_close(&server);
}

static void the_first_result_alone_decides(void **state)
{
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;

	(void)state;
	target.check.fall = 3;
	target.check.rise = 2;
	server_open(&server, loop, 8080);
	set_targets(&target, 1);
	play(&server, &target, "-+++");
	assert_string_equal(script.seen, "?--+");
	close_health();
	server_close(&server);
}

static void a_state_from_before_the_restart_is_kept_until_results_outweigh_it(void **state)
{
	struct health_target up = target_of(HTTP, "up", "127.0.0.1", 8080);
	struct health_target down = target_of(HTTP, "down", "127.0.0.1", 8081);
	struct server server, other;

	(void)state;
	up.check.fall = down.check.rise = 2;
	server_open(&server, loop, 8080);
	server_open(&other, loop, 8081);
	set_targets(&up, 1);
	health_assume(health, "web", "up", &up.address, true);
	assert_true(is_up(&up));
	play(&server, &up, "-+---");
	assert_string_equal(script.seen, "++++-");
	health_assume(health, "web", "up", &up.address, true); /* too late: there were results */
	assert_true(is_down(&up));

	set_targets(&down, 1);
	health_assume(health, "web", "down", &down.address, false);
	assert_true(is_down(&down));
	assert_string_equal(result_of(&down).reason, "down before the restart, no result since");
	play(&other, &down, "-+-+++");
	assert_string_equal(script.seen, "-----+");
	health_assume(health, "web", "nobody", &down.address, true);
	close_health();
	server_close(&server);
	server_close(&other);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void a_new_list_keeps_what_stays_and_stops_what_goes(void **state)
{
	struct health_target targets[] = {
		target_of(HTTP, "stays", "127.0.0.1", 8080),
		target_of(HTTP, "goes", "127.0.0.1", 8081),
		target_of(HTTP, "none", "127.0.0.1", 8082),
	};
	struct server stays, goes, none;
	unsigned int before;

	(void)state;
	server_open(&stays, loop, 8080);
	server_open(&goes, loop, 8081);
	server_open(&none, loop, 8082);
	targets[2].check.type = CONFIG_CHECK_NONE;
	goes.answer = FAULTY_ANSWER;
	set_targets(targets, 3);
	wait_until(is_up(&targets[0]) && is_down(&targets[1]));
	assert_false(is_known(&targets[2]));

	set_targets(targets, 3); /* the same again: nobody is forgotten, nothing begins anew */
	assert_true(is_up(&targets[0]) && is_down(&targets[1]));
	before = changes;
	set_targets(targets, 1);
	assert_false(is_known(&targets[1]));
	goes.requests = stays.requests = 0;
	wait_until(stays.requests > 10);
	assert_int_equal(goes.requests, 0);
	assert_int_equal(none.accepted, 0);
	assert_int_equal(changes, before);

	set_targets(NULL, 0);
	assert_false(is_known(&targets[0]));
	close_health();
	server_close(&stays);
	server_close(&goes);
	server_close(&none);
}

static void a_new_check_keeps_the_state_and_counts_anew(void **state)
{
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;

	(void)state;
	target.check.fall = 3;
	server_open(&server, loop, 8080);
	set_targets(&target, 1);
	play(&server, &target, "+--"); /* the second failure is on its way, or counted */
	set_targets(&target, 1);
	play(&server, &target, "-+--"); /* the same check: the third was the one too many */
	assert_string_equal(script.seen, "+-++");
	target.check.fall = 4;
	set_targets(&target, 1);
	assert_true(is_up(&target));
	play(&server, &target, "-----");
	assert_string_equal(script.seen, "++++-");

	target.port = 8081; /* another backend: nothing is known of it */
	set_targets(&target, 1);
	assert_false(is_known(&target));
	wait_until(is_down(&target));
	assert_string_equal(result_of(&target).reason, "connection refused");
	close_health();
	server_close(&server);
}

static unsigned int calls;

static void close_on_change(void *data)
{
	(void)data;
	calls++;
	close_health();
}

static const struct health_target *next_list;

static void set_on_change(void *data)
{
	(void)data;
	calls++;
	set_targets(next_list, 1);
}

static void the_callback_may_set_and_close(void **state)
{
	struct health_target targets[64], last = target_of(TCP, "last", "127.0.0.1", 81);
	struct server server;

	(void)state;
	server_open(&server, loop, 80);
	for (size_t i = 0; i < COUNT(targets); i++) { /* of all kinds, good and bad, at once */
		char name[16];

		snprintf(name, sizeof(name), "b%zu", i);
		targets[i] = target_of(i % 2 ? TCP : HTTP, name, "127.0.0.1", i % 4 < 2 ? 80 : 81);
		targets[i].check.every_ms = 1;
	}
	for (int i = 0; i < 20; i++) {
		close_health();
		calls = 0;
		assert_int_equal(health_open(loop, close_on_change, NULL, &health), 0);
		set_targets(targets, COUNT(targets));
		wait_until(!health);
		assert_int_equal(calls, 1);

		calls = 0;
		next_list = &last;
		assert_int_equal(health_open(loop, set_on_change, NULL, &health), 0);
		set_targets(targets, COUNT(targets));
		wait_until(is_down(&last));
	}
	close_health();
	server_close(&server);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void a_check_that_is_on_its_way_is_not_doubled(void **state)
{
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;

	(void)state;
	target.check.every_ms = 10;
	target.check.timeout_ms = 50;
	server_open(&server, loop, 8080);
	server.answer = "";
	server.hold = true;
	set_targets(&target, 1);
	wait_until(server.accepted >= 10);
	assert_int_equal(server.open_max, 1);
	close_health();
	server_close(&server);
}

/* The loop stops for longer than the timeout, and the answer comes a little after that. */
static void answer_late(evutil_socket_t fd, short what, void *data)
{
	const struct server *server = data;
	ssize_t sent = send(server->request_fd, GOOD_ANSWER, strlen(GOOD_ANSWER), MSG_NOSIGNAL);

	(void)fd, (void)what;
	assert_int_equal(sent, strlen(GOOD_ANSWER));
}

static void stand_still(struct server *server)
{
	static const struct timeval soon = { .tv_usec = 20000 };

	usleep(400000);
	server->answer = "";
	event_base_once(server->base, -1, EV_TIMEOUT, answer_late, server, &soon);
}

static void time_in_which_the_loop_stood_still_is_not_the_backends(void **state)
{
	struct health_target target = target_of(HTTP, "a", "127.0.0.1", 8080);
	struct server server;

	(void)state;
	target.check.every_ms = 60000;
	target.check.timeout_ms = 100;
	server_open(&server, loop, 8080);
	server.hold = true;
	server.on_request = stand_still;
	set_targets(&target, 1);
	wait_until(is_known(&target));
	assert_true(is_up(&target));
	close_health();
	server_close(&server);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HEALTH_TEST(tcp_follows_a_listener_that_comes_and_goes),
		HEALTH_TEST(why_a_backend_cannot_be_reached_is_told),
		HEALTH_TEST(tcp_checks_do_not_wake_the_application),
		HEALTH_TEST(an_answer_is_judged_by_its_status),
		HEALTH_TEST(one_status_alone_may_be_expected),
		HEALTH_TEST(an_endless_answer_is_cut_off),
		HEALTH_TEST(the_request_is_what_the_config_says),
		HEALTH_TEST(fall_and_rise_count_results_in_a_row),
		HEALTH_TEST(the_first_result_alone_decides),
		HEALTH_TEST(a_state_from_before_the_restart_is_kept_until_results_outweigh_it),
		HEALTH_TEST(a_new_list_keeps_what_stays_and_stops_what_goes),
		HEALTH_TEST(a_new_check_keeps_the_state_and_counts_anew),
		HEALTH_TEST(the_callback_may_set_and_close),
		HEALTH_TEST(a_check_that_is_on_its_way_is_not_doubled),
		HEALTH_TEST(time_in_which_the_loop_stood_still_is_not_the_backends),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
