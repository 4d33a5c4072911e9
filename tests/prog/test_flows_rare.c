/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows over sockets that do what few do, and over two CPUs that meet in one
 * socket: a connection has one record, and that says what its end has done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "lb/watch/cgroup_fs.h"
#include "tests/prog/flow_tcp.h"

#define RECORDS 1024
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct flow_world world;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* How many records are in use, whosever they are. */
static size_t records_used(void)
{
	return flow_world_living(&world, FLOW_LIVE) + flow_world_living(&world, FLOW_ENDED);
}

/* ---- ways to begin --------------------------------------------------------------------------- */

/* Both SYNs cross: here one socket is both ends. */
static void simultaneous_open_is_one_flow(void **state)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(own);
	uint64_t cookie = flow_world_cookie(fd);
	struct flow_record record;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&own, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&own, size), 0);
	flow_bytes_send(fd, fd, 1234);
	record = flow_living(&world, cookie);
	assert_int_equal(records_used(), 1);
	assert_int_equal(record.flow.direction, FLOW_OUT);
	assert_flow_bytes(&record, 1234, 1234);
	assert_int_equal(record.flow.state, BPF_TCP_ESTABLISHED);
	close(fd);
	record = flow_ended(&world, cookie);
	assert_int_equal(records_used(), 1);
	assert_flow_bytes(&record, 1234, 1234);
}

/* What a checkpoint of a container restores: nobody on the wire has begun it now. */
static void restored_connection_was_begun_by_nobody_known(void **state)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 7) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	uint64_t cookie = flow_world_cookie(fd);
	struct flow_record record;

	(void)state;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		skip();
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	record = flow_living(&world, cookie);
	assert_int_equal(record.flow.direction, FLOW_UNKNOWN);
	assert_int_equal(record.flow.state, BPF_TCP_ESTABLISHED);
	close(fd);
	record = flow_ended(&world, cookie);
	assert_flow_bytes(&record, 0, 0);
	assert_int_equal(records_used(), 1);
}

/* Its socket had a flow; now it has those whom it accepts, and they have theirs. */
static void socket_that_listens_after_it_was_connected_has_no_second_flow(void **state)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct flow_pair pair = flow_connect(AF_INET), next = { .listener = pair.client };
	struct sockaddr_in to;
	socklen_t size = sizeof(to);
	struct flow_record record;

	(void)state;
	flow_bytes_send(pair.client, pair.server, 10);
	assert_int_equal(connect(pair.client, &nobody, sizeof(nobody)), 0);
	assert_int_equal(listen(pair.client, 8), 0);
	assert_int_equal(getsockname(pair.client, (struct sockaddr *)&to, &size), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	next.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(next.client, (struct sockaddr *)&to, size), 0);
	next.server = accept4(pair.client, NULL, NULL, SOCK_CLOEXEC);
	flow_bytes_send(next.client, next.server, 20);
	record = flow_living(&world, flow_world_cookie(next.server));
	assert_flow_bytes(&record, 20, 0);
	assert_int_equal(record.flow.direction, FLOW_IN);
	flow_pair_close(&next);
	pair.client = -1;
	flow_pair_close(&pair);
	record = flow_ended(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 10);
	assert_int_equal(records_used(), 4);
}

/* A connection of MPTCP is one of TCP below, as long as it has one path. */
static void multipath_connection_is_one_flow_at_each_end(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 /* IPPROTO_MPTCP */);
	struct flow_sums sums = { 0 };
	socklen_t size = sizeof(to);
	int client, server;

	(void)state;
	if (listener < 0)
		skip();
	assert_int_equal(bind(listener, (struct sockaddr *)&to, size), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &size), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262);
	assert_int_equal(connect(client, (struct sockaddr *)&to, size), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	flow_bytes_send(client, server, 100000);
	flow_bytes_send(server, client, 50);
	assert_int_equal(flow_world_living(&world, FLOW_LIVE), 2);
	flow_half_close(client, server, 7);
	close(client);
	close(server);
	close(listener);
	for (uint64_t end = now_ms() + 20000; flow_world_living(&world, FLOW_LIVE);)
		assert_true(now_ms() < end);
	flow_world_harvest(&world, false, &sums);
	assert_int_equal(sums.flows, 2);
	assert_int_equal(sums.bytes_out, 100057);
	assert_int_equal(sums.bytes_in, 100057);
}

/* ---- ways to end ----------------------------------------------------------------------------- */

/* It has said that it says no more, and closes with data unread: the other end gets a reset. */
static void data_unread_is_a_reset_after_a_half_close_too(void **state)
{
	(void)state;
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		struct flow_pair pair = flow_connect(AF_INET);
		struct flow_record client, server;

		assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
		flow_end_read(pair.server);
		assert_int_equal(send(pair.server, "unread", 6, 0), 6);
		assert_int_equal(recv(pair.client, (char[6]){ 0 }, 6, MSG_PEEK | MSG_WAITALL), 6);
		if (acknowledged)
			flow_reset_close(&pair.client);
		else
			close(pair.client);
		pair.client = -1;
		client = flow_ended(&world, pair.client_cookie);
		server = flow_ended(&world, pair.server_cookie);
		assert_flow_bytes(&client, 6, 0);
		assert_flow_bytes(&server, 0, 6);
		assert_int_equal(client.flow.outcome, FLOW_ABORTED);
		assert_int_equal(server.flow.outcome, FLOW_RESET);
		flow_pair_close(&pair);
	}
}

/* ---- payload that could not leave ------------------------------------------------------------ */

/* Lets no packet of the cgroup's sockets out while it is there. */
static int egress_deny(void)
{
	const struct bpf_insn never[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET_EGRESS);
	int prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, NULL, "GPL", never, ARRAY_SIZE(never),
				 &options);
	char path[CGROUP_PATH_MAX];
	int cgroup, link;

	assert_true(prog >= 0 && !cgroup_fs_path(world.cgroup, path));
	cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	link = bpf_link_create(prog, cgroup, BPF_CGROUP_INET_EGRESS, NULL);
	assert_true(link >= 0);
	close(cgroup);
	close(prog);
	return link;
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info;
}

/* A packet that a rule or a full queue of this host refuses is tried again as if it were new. */
static void payload_that_could_not_leave_counts_once(void **state)
{
	static char buffer[1000];
	struct flow_pair pair = flow_connect(AF_INET);
	uint64_t patience = now_ms() + 20000;
	struct flow_record record;
	int link = egress_deny();

	(void)state;
	assert_int_equal(send(pair.client, buffer, sizeof(buffer), 0), sizeof(buffer));
	while (info_of(pair.client).tcpi_bytes_sent < 3 * sizeof(buffer))
		assert_true(now_ms() < patience);
	record = flow_living(&world, pair.client_cookie);
	close(link);
	assert_in_range(record.flow.bytes_out, 0, sizeof(buffer));
	assert_int_equal(recv(pair.server, buffer, sizeof(buffer), MSG_WAITALL), sizeof(buffer));
	record = flow_living(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, sizeof(buffer));
	flow_half_close(pair.client, pair.server, 5);
	flow_pair_close(&pair);
	record = flow_ended(&world, pair.client_cookie);
	assert_flow_bytes(&record, 5, sizeof(buffer));
	record = flow_ended(&world, pair.server_cookie);
	assert_flow_bytes(&record, sizeof(buffer), 5);
}

/* ---- two CPUs in one socket ------------------------------------------------------------------ */

#define PAIRS 200
#define ROUNDS 20

struct talker {
	pthread_t thread;
	pthread_barrier_t *together;
	int *fds;
};

/* All of its sockets say one byte, at the same time as those at the other ends. */
static void *talk(void *data)
{
	const struct talker *talker = data;

	for (int i = 0; i < PAIRS; i++) {
		pthread_barrier_wait(talker->together);
		if (send(talker->fds[i], "x", 1, 0) != 1)
			abort();
	}
	return NULL;
}

static void connections_that_two_cpus_meet_are_adopted_once(void **state)
{
	static struct flow_pair pairs[PAIRS];
	int ends[2][PAIRS];
	struct flow_sums sums = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct talker talkers[2];
		pthread_barrier_t together;

		flow_world_attach(&world, false);
		for (int i = 0; i < PAIRS; i++) {
			pairs[i] = flow_connect(AF_INET);
			close(pairs[i].listener);
			pairs[i].listener = -1;
			ends[0][i] = pairs[i].client;
			ends[1][i] = pairs[i].server;
		}
		flow_world_attach(&world, true);
		pthread_barrier_init(&together, NULL, 2);
		for (int t = 0; t < 2; t++) {
			talkers[t] = (struct talker){ .together = &together, .fds = ends[t] };
			assert_int_equal(pthread_create(&talkers[t].thread, NULL, talk,
							&talkers[t]), 0);
		}
		for (int t = 0; t < 2; t++)
			pthread_join(talkers[t].thread, NULL);
		pthread_barrier_destroy(&together);
		assert_int_equal(records_used(), 2 * PAIRS);
		for (int i = 0; i < PAIRS; i++) {
			flow_reset_close(&pairs[i].client);
			close(pairs[i].server);
		}
		flow_world_lost(&world);
		flow_world_harvest(&world, false, &sums);
		assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
	}
}

/* The other end goes on while this one resets: no packet makes a second flow of what has ended. */
static void *flood(void *data)
{
	static char buffer[100];
	int fd = *(int *)data;

	while (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void connections_that_end_amid_packets_are_one_flow(void **state)
{
	enum { TOGETHER = 200, TIMES = 20 };

	(void)state;
	for (int round = 0; round < TIMES; round++) {
		struct flow_sums sums = { 0 };

		for (int i = 0; i < TOGETHER; i++) {
			struct flow_pair pair = flow_connect(AF_INET);
			char buffer[4096];
			pthread_t thread;

			assert_int_equal(pthread_create(&thread, NULL, flood, &pair.client), 0);
			for (int part = 0; part < 20 + i % 7; part++)
				assert_true(recv(pair.server, buffer, sizeof(buffer), 0) > 0);
			flow_reset_close(&pair.server);
			pthread_join(thread, NULL);
			flow_pair_close(&pair);
		}
		assert_int_equal(records_used(), 2 * TOGETHER);
		flow_world_lost(&world);
		flow_world_harvest(&world, false, &sums);
		assert_int_equal(sums.flows, 2 * TOGETHER);
	}
}

/* ---- datagrams ------------------------------------------------------------------------------- */

/* The copy that is looped back is no second packet. */
static void multicast_counts_once(void **state)
{
	struct ip_mreqn on_lo = { .imr_ifindex = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct flow_record *record;
	socklen_t size = sizeof(to);

	(void)state;
	assert_int_equal(bind(receiver, (struct sockaddr *)&to, size), 0);
	assert_int_equal(getsockname(receiver, (struct sockaddr *)&to, &size), 0);
	on_lo.imr_multiaddr.s_addr = to.sin_addr.s_addr = htonl(0xef010203); /* 239.1.2.3 */
	assert_int_equal(setsockopt(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, &on_lo,
				    sizeof(on_lo)), 0);
	assert_int_equal(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &on_lo, sizeof(on_lo)), 0);
	assert_int_equal(sendto(sender, &to, 12, 0, (struct sockaddr *)&to, size), 12);
	assert_int_equal(recv(receiver, (char[32]){ 0 }, 32, 0), 12);
	record = flow_world_of(&world, flow_world_cookie(sender), 0);
	assert_non_null(record);
	assert_int_equal(record->flow.packets_out, 1);
	assert_int_equal(record->flow.bytes_out, 12);
	close(sender);
	close(receiver);
}

/* As the program that makes a socket's second flow leaves it when the daemon has looked for the
 * first one's place in flow_peers just before. */
static void peer_that_was_kept_too_late_has_a_record_again(void **state)
{
	struct sockaddr_in6 own, to[2];
	socklen_t size;
	int fd = flow_datagram(AF_INET, &own, &size), map;
	int peers[2] = { flow_datagram(AF_INET, &to[0], &size),
			 flow_datagram(AF_INET, &to[1], &size) };
	__u64 cookie = flow_world_cookie(fd), key, remote[2];
	struct flow_sums sums = { 0 };
	char path[128];
	uint32_t number;
	struct flow *flow;

	(void)state;
	assert_int_equal(sendto(fd, &own, 9, 0, (struct sockaddr *)&to[0], size), 9);
	number = (uint32_t)(flow_world_of(&world, cookie, 0) - world.records);
	flow = &world.records[number].flow;
	memcpy(remote, flow->remote, sizeof(remote));
	key = flow_peer_key(cookie, remote, flow->remote_port, flow->protocol);
	flow_kernel_disown(world.kernel, number, FLOW_IDLE);
	snprintf(path, sizeof(path), "%s/flows/flow_peers", world.pin);
	map = bpf_obj_get(path);
	flow->in_peers = 1;
	assert_int_equal(bpf_map_update_elem(map, &key, &number, BPF_NOEXIST), 0);
	flow_world_harvest(&world, false, &sums);
	assert_int_equal(sums.flows, 1);
	assert_int_equal(bpf_map_lookup_elem(map, &key, &number), -ENOENT);
	close(map);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sendto(fd, &own, 9, 0, (struct sockaddr *)&to[!(i & 1)], size), 9);
	assert_non_null(flow_world_of(&world, cookie, ntohs(to[0].sin6_port)));
	assert_non_null(flow_world_of(&world, cookie, ntohs(to[1].sin6_port)));
	assert_int_equal(records_used(), 4); /* with the peers' own */
	close(fd);
	close(peers[0]);
	close(peers[1]);
}

/* ---- the ground ------------------------------------------------------------------------------ */

static int up(void **state)
{
	const struct rlimit files = { 4 * PAIRS, 4 * PAIRS };

	*state = &world;
	return setrlimit(RLIMIT_NOFILE, &files) || flow_world_up(&world, RECORDS) ? -1 : 0;
}

/* Whatever was left, also by a test that failed. */
static int harvest(void **state)
{
	struct flow_sums sums = { 0 };

	(void)state;
	flow_world_lost(&world);
	flow_world_harvest(&world, true, &sums);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(simultaneous_open_is_one_flow, harvest),
		cmocka_unit_test_teardown(restored_connection_was_begun_by_nobody_known, harvest),
		cmocka_unit_test_teardown(
			socket_that_listens_after_it_was_connected_has_no_second_flow, harvest),
		cmocka_unit_test_teardown(multipath_connection_is_one_flow_at_each_end, harvest),
		cmocka_unit_test_teardown(data_unread_is_a_reset_after_a_half_close_too, harvest),
		cmocka_unit_test_teardown(payload_that_could_not_leave_counts_once, harvest),
		cmocka_unit_test_teardown(connections_that_two_cpus_meet_are_adopted_once, harvest),
		cmocka_unit_test_teardown(connections_that_end_amid_packets_are_one_flow, harvest),
		cmocka_unit_test_teardown(multicast_counts_once, harvest),
		cmocka_unit_test_teardown(peer_that_was_kept_too_late_has_a_record_again, harvest),
	};

	return cmocka_run_group_tests_name("flows of rare ways", tests, up, flow_world_gone);
}
