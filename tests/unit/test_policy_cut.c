/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live connections that new rules forbid, against the real kernel. The clients are in cgroups of
 * the host, the servers in a container's network namespace. */
#include "policy/cut.h"
#include "tests/unit/policy_ground.h"

#define MANY		9000
#define PORTS		2	/* 1000 and 1001 */

static const struct subjects nobody;

/* ---- both ends ------------------------------------------------------------------------------- */

static struct sockaddr_in peer_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, PEER, &at.sin_addr);
	return at;
}

static void there(bool enter)
{
	static int home = -1;
	char path[64];
	int fd = home;

	if (enter) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", container);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* Sockets of the container that answer nothing; closed with the process, or by the caller. */
static int server(int type, uint16_t port)
{
	struct sockaddr_in at = peer_at(port);
	int fd;

	there(true);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	there(false);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

/* A process of a cgroup with connections. It takes orders by a pipe: 'c': how many live? */
struct client {
	pid_t pid;
	int orders, answers;
	int type, count;
	uint16_t ports[PORTS];	/* by turns; equal: one port */
};

static int live_count(const int *fds, int count)
{
	int live = 0;

	for (int i = 0; i < count; i++) {
		struct pollfd state = { .fd = fds[i], .events = POLLIN };
		int err = 0;
		socklen_t size = sizeof(err);

		/* Ended: ECONNABORTED, or ECONNRESET by the other end's. */
		live += fds[i] >= 0 && poll(&state, 1, 0) == 0 &&
			!getsockopt(fds[i], SOL_SOCKET, SO_ERROR, &err, &size) && !err;
	}
	return live;
}

static void client_main(const struct client *client, int orders, int answers)
{
	int *fds = calloc(client->count, sizeof(*fds)), live;
	char order;

	for (int i = 0; i < client->count; i++) {
		struct sockaddr_in to = peer_at(client->ports[i % PORTS]);

		fds[i] = socket(AF_INET, client->type | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof(to)))
			_exit(99);
	}
	do {
		live = live_count(fds, client->count);
		if (write(answers, &live, sizeof(live)) != sizeof(live))
			_exit(99);
	} while (read(orders, &order, 1) == 1);
	_exit(0);
}

static int client_answer(const struct client *client)
{
	int live = -1;

	assert_int_equal(read(client->answers, &live, sizeof(live)), sizeof(live));
	return live;
}

static int client_live(const struct client *client)
{
	assert_int_equal(write(client->orders, "c", 1), 1);
	return client_answer(client);
}

static void client_end(struct client *client)
{
	close(client->orders);
	close(client->answers);
	kill(client->pid, SIGKILL);
	waitpid(client->pid, NULL, 0);
}

/* Accepts for every listener in turn, or the backlog would be full. */
static void client_begin(struct client *client, const char *below, const int *servers,
			 int *accepted)
{
	int orders[2], answers[2];

	assert_int_equal(pipe2(orders, O_CLOEXEC) | pipe2(answers, O_CLOEXEC), 0);
	client->pid = fork();
	assert_true(client->pid >= 0);
	if (!client->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		cgroup_enter(below);
		client_main(client, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	client->orders = orders[1];
	client->answers = answers[0];
	for (int i = 0; servers && i < client->count; i++) {
		accepted[i] = accept4(servers[i % PORTS], NULL, NULL, SOCK_CLOEXEC);
		assert_true(accepted[i] >= 0);
	}
	assert_int_equal(client_answer(client), client->count);
}

/* ---- cutting --------------------------------------------------------------------------------- */

static size_t told, untold;

static void tell(const struct policy_event *event, void *context)
{
	const struct policy_event *like = context;

	assert_int_equal(event->hook, POLICY_HOOK_CUT);
	assert_int_equal(POLICY_VERDICT_RULE(event->verdict), RULE_DENY);
	assert_int_equal(event->direction, POLICY_INITIATES);
	assert_int_equal(event->cgroup, like->cgroup);
	assert_int_equal(event->current, policy_kernel_current(kernel));
	told++;
	untold += event->untold;
}

static struct policy_cut cut_by(const struct hand_tables *hand)
{
	struct policy_event like = { .cgroup = hand->cgroups[0].id };
	_cleanup_diag_ struct diag diag = { 0 };
	struct policy_cut cut = { 0 };

	told = untold = 0;
	if (policy_cut(kernel, &hand->tables, &nobody, tell, &like, &cut, &diag)) {
		diag_print(&diag, stderr);
		fail();
	}
	/* Ten of a rule are told, and the last of them says of how many more. */
	assert_int_equal(told, cut.cut < POLICY_EVENTS_A_SECOND ? cut.cut : POLICY_EVENTS_A_SECOND);
	assert_int_equal(told + untold, cut.cut);
	return cut;
}

static void only_connections_that_the_new_rules_forbid_are_cut(void **state)
{
	struct hand_tables *hand = hand_tables(1000);
	const int servers[] = { server(SOCK_STREAM, 1000), server(SOCK_STREAM, 1001) };
	struct client a = { .type = SOCK_STREAM, .count = 10, .ports = { 1000, 1001 } }, b = a;
	int accepted[2][10];
	struct policy_cut cut;

	(void)state;
	client_begin(&a, "/a", servers, accepted[0]);
	client_begin(&b, "/b", servers, accepted[1]);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hand);
	cut = cut_by(hand);
	assert_int_equal(cut.cut, 5);
	assert_int_equal(cut.kept, 0);
	assert_int_equal(cut.missed, 0);
	assert_int_equal(client_live(&a), 5);
	assert_int_equal(client_live(&b), 10);
	/* There is nothing left to cut. */
	assert_int_equal(cut_by(hand).cut, 0);
	client_end(&a);
	client_end(&b);
	for (int i = 0; i < 20; i++)
		close(accepted[i / 10][i % 10]);
	close(servers[0]);
	close(servers[1]);
	free(hand);
}

/* The programs remember that it accepted, though nobody listens any more. */
static void who_accepted_responds_also_when_the_listener_is_gone(void **state)
{
	struct hand_tables *all = hand_tables(1000), *hand = hand_tables(1000);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(1001) };
	int listener, connected, accepted, pair[2];
	pid_t pid;
	char byte;

	(void)state;
	inet_pton(AF_INET, "10.2.0.1", &at.sin_addr);
	hand_cgroup(all, cgroup_made("/a"), GROUP);
	all->cells[2] = all->cells[3] = all->cells[0];
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, all);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_enter("/a");
		listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1) ||
		    write(pair[1], "", 1) != 1)
			_exit(99);
		accepted = accept(listener, NULL, NULL);
		close(listener);
		if (accepted < 0 || write(pair[1], "", 1) != 1)
			_exit(99);
		for (;;)
			pause();
	}
	assert_int_equal(read(pair[0], &byte, 1), 1);
	there(true);
	connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	there(false);
	assert_int_equal(connect(connected, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	applied(all, hand);
	/* As one that began it, it would be refused: the other port is none of the allowed. */
	assert_int_equal(cut_by(hand).cut, 0);
	assert_int_equal(live_count(&connected, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(connected);
	close(pair[0]);
	close(pair[1]);
	free(all);
	free(hand);
}

static int loose_socket(void *context)
{
	struct sockaddr_in to = peer_at(1001);
	int *pair = context, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char order;

	if (sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1 ||
	    write(pair[1], "", 1) != 1 || read(pair[1], &order, 1) != 1)
		return 1;
	/* It still serves others. */
	to = peer_at(1000);
	return sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1;
}

static void an_unconnected_udp_socket_is_never_touched(void **state)
{
	struct hand_tables *hand = hand_tables(1000);
	struct client a = { .type = SOCK_DGRAM, .count = 4, .ports = { 1000, 1001 } };
	const int servers[] = { server(SOCK_DGRAM, 1000), server(SOCK_DGRAM, 1001) };
	int pair[2], status;
	pid_t loose;
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client_begin(&a, "/a", NULL, NULL);
	loose = fork();
	if (!loose) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_enter("/a");
		_exit(loose_socket(pair));
	}
	assert_int_equal(read(pair[0], &byte, 1), 1);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hand);
	assert_int_equal(cut_by(hand).cut, 2);
	assert_int_equal(client_live(&a), 2);
	assert_int_equal(write(pair[0], "", 1), 1);
	assert_int_equal(waitpid(loose, &status, 0), loose);
	assert_int_equal(status, 0);
	client_end(&a);
	close(servers[0]);
	close(servers[1]);
	close(pair[0]);
	close(pair[1]);
	free(hand);
}

static void break_glass_cuts_nothing(void **state)
{
	struct hand_tables *hand = hand_tables(1000);
	const int servers[] = { server(SOCK_STREAM, 1001), server(SOCK_STREAM, 1002) };
	struct client a = { .type = SOCK_STREAM, .count = 2, .ports = { 1001, 1002 } };
	int accepted[2];

	(void)state;
	client_begin(&a, "/a", servers, accepted);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	applied(NULL, hand);
	policy_kernel_set_audit(kernel, true);
	assert_int_equal(cut_by(hand).cut, 0);
	assert_int_equal(client_live(&a), 2);
	policy_kernel_set_audit(kernel, false);
	assert_int_equal(cut_by(hand).cut, 2);
	client_end(&a);
	for (int i = 0; i < 2; i++) {
		close(accepted[i]);
		close(servers[i]);
	}
	free(hand);
}

/* ---- many ------------------------------------------------------------------------------------ */

static void many_cut(uint16_t second, size_t wanted)
{
	struct hand_tables *hand = hand_tables(1000);
	const int servers[] = { server(SOCK_STREAM, 1000 + (second == 1001 ? 0 : 1)),
				server(SOCK_STREAM, second) };
	struct client a = { .type = SOCK_STREAM, .count = MANY,
			    .ports = { 1000 + (second == 1001 ? 0 : 1), second } };
	struct client b = { .type = SOCK_STREAM, .count = 100, .ports = { 0 } };
	int *accepted = calloc(MANY, sizeof(int)), others[100];
	struct policy_cut cut;
	long begin, spent;

	memcpy(b.ports, a.ports, sizeof(b.ports));
	run("sysctl -qw net.ipv4.ip_local_port_range='2000 65000'");
	run_there("sysctl -qw net.core.somaxconn=4096");
	client_begin(&a, "/a", servers, accepted);
	client_begin(&b, "/b", servers, others);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("");
	applied(NULL, hand);
	begin = now_ms();
	cut = cut_by(hand);
	spent = now_ms() - begin;
	print_message("           %zu of %d connections cut in %ld ms\n", cut.cut, MANY, spent);
	assert_int_equal(cut.cut, wanted);
	assert_int_equal(cut.kept, 0);
	assert_in_range(spent, 0, 500);
	assert_int_equal(client_live(&a), MANY - wanted);
	assert_int_equal(client_live(&b), 100);
	client_end(&a);
	client_end(&b);
	for (int i = 0; i < MANY; i++)
		close(accepted[i]);
	for (int i = 0; i < 100; i++)
		close(others[i]);
	close(servers[0]);
	close(servers[1]);
	free(accepted);
	free(hand);
}

static void nine_thousand_of_which_half_are_forbidden(void **state)
{
	(void)state;
	many_cut(1001, MANY / 2);
}

static void nine_thousand_that_are_forbidden(void **state)
{
	(void)state;
	many_cut(1002, MANY);
}

static int cut_ground_make(void **state)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < MANY + 500) {
		files.rlim_cur = files.rlim_max < MANY + 500 ? files.rlim_max : MANY + 500;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return policy_ground_make(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(only_connections_that_the_new_rules_forbid_are_cut),
		POLICY_TEST(who_accepted_responds_also_when_the_listener_is_gone),
		POLICY_TEST(an_unconnected_udp_socket_is_never_touched),
		POLICY_TEST(break_glass_cuts_nothing),
		POLICY_TEST(nine_thousand_of_which_half_are_forbidden),
		POLICY_TEST(nine_thousand_that_are_forbidden),
	};

	return cmocka_run_group_tests_name("policy_cut", tests, cut_ground_make,
					   policy_ground_end);
}
