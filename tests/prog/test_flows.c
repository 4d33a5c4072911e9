/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows over real TCP connections: what a record says of one, byte for byte
 * as both ends know it, however it ends. */
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
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/sock_diag.h"
#include "tests/prog/flow_tcp.h"
#include "tests/prog/tun_peer.h"

#define RECORDS 1024
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct flow_world world;
static const int families[] = { AF_INET, AF_INET6 };

static void assert_address(const uint8_t address[16], int family)
{
	static const uint8_t loopbacks[2][16] = {
		{ [10] = 0xff, 0xff, 127, 0, 0, 1 }, { [15] = 1 },
	};

	assert_memory_equal(address, loopbacks[family == AF_INET6], 16);
}

/* ---- what a record says ---------------------------------------------------------------------- */

static void connection_has_a_record_at_both_ends(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct flow_pair pair = flow_connect(families[f]);
		uint16_t ports[2] = { flow_port(pair.client), flow_port(pair.server) };
		struct flow_record records[2];

		flow_bytes_send(pair.client, pair.server, 100);
		flow_bytes_send(pair.server, pair.client, 3000);
		records[0] = flow_living(&world, pair.client_cookie);
		records[1] = flow_living(&world, pair.server_cookie);
		for (int i = 0; i < 2; i++) {
			const struct flow *flow = &records[i].flow;

			assert_int_equal(flow->cgroup, world.cgroup_id);
			assert_int_equal(flow->netns, world.netns);
			assert_address(flow->local, families[f]);
			assert_address(flow->remote, families[f]);
			assert_int_equal(flow->local_port, ports[i]);
			assert_int_equal(flow->remote_port, ports[!i]);
			assert_int_equal(flow->protocol, IPPROTO_TCP);
			assert_int_equal(flow->direction, i ? FLOW_IN : FLOW_OUT);
			assert_int_equal(flow->state, TCP_ESTABLISHED);
			assert_int_equal(flow->outcome, FLOW_RUNS);
			assert_int_equal(flow->sampled, world.sample - !i);
			assert_true(flow->start_ns && !flow->end_ns && !flow->vip_port);
			assert_true(flow->min_rtt_us && flow->rtt_us >= flow->min_rtt_us);
			assert_int_equal(flow->retransmits, 0);
		}
		assert_flow_bytes(&records[0], 3000, 100);
		assert_flow_bytes(&records[1], 100, 3000);
		flow_pair_close(&pair);
		records[0] = flow_ended(&world, pair.client_cookie);
		records[1] = flow_ended(&world, pair.server_cookie);
		/* The SYN-ACK is the listener's. */
		assert_int_equal(records[0].flow.packets_out, records[1].flow.packets_in);
		assert_int_equal(records[0].flow.packets_in, records[1].flow.packets_out + 1);
		assert_in_range(records[0].flow.packets_out, 5, 7);
		assert_int_equal(records[0].flow.state, TCP_CLOSE);
		assert_true(records[0].flow.end_ns > records[0].flow.start_ns);
	}
}

static void sockets_elsewhere_have_none(void **state)
{
	struct flow_pair pair;

	(void)state;
	flow_world_enter(&world, false);
	pair = flow_connect(AF_INET);
	flow_world_enter(&world, true);
	flow_bytes_send(pair.client, pair.server, 100);
	assert_null(flow_world_of(&world, pair.client_cookie, 0));
	assert_null(flow_world_of(&world, pair.server_cookie, 0));
	assert_null(flow_world_of(&world, flow_world_cookie(pair.listener), 0));
	flow_pair_close(&pair);
}

static void listener_has_none(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);

	(void)state;
	assert_null(flow_world_of(&world, flow_world_cookie(pair.listener), 0));
	flow_pair_close(&pair);
}

static void sizes_are_counted_by_powers_of_two(void **state)
{
	static const struct {
		unsigned int bytes, class;
	} messages[] = { { 1, 0 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 255, 7 }, { 256, 8 },
			 { 4095, 11 }, { 16384, 14 }, { 32768, 15 } };
	struct flow_pair pair = flow_connect(AF_INET);
	uint32_t expected[FLOW_SIZES] = { 0 };
	struct flow_record record;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		flow_bytes_send(pair.client, pair.server, messages[i].bytes);
		expected[messages[i].class]++;
	}
	record = flow_living(&world, pair.client_cookie);
	assert_memory_equal(record.size_out, expected, sizeof(expected));
	record = flow_living(&world, pair.server_cookie);
	assert_memory_equal(record.size_in, expected, sizeof(expected));
	memset(expected, 0, sizeof(expected));
	assert_memory_equal(record.size_out, expected, sizeof(expected));
	flow_pair_close(&pair);
}

/* ---- ends ------------------------------------------------------------------------------------ */

enum ending { CLIENT_FIRST, SERVER_FIRST, HALF_CLIENT, HALF_SERVER, CLIENT_RESETS, SERVER_RESETS,
	      ENDINGS };

static const struct {
	enum flow_outcome client, server;
} outcomes[ENDINGS] = {
	[CLIENT_RESETS] = { FLOW_ABORTED, FLOW_RESET },
	[SERVER_RESETS] = { FLOW_RESET, FLOW_ABORTED },
};

static void pair_end(struct flow_pair *pair, enum ending ending, size_t more)
{
	switch (ending) {
	case CLIENT_FIRST:
		close(pair->client);
		pair->client = -1;
		flow_end_read(pair->server);
		break;
	case SERVER_FIRST:
		close(pair->server);
		pair->server = -1;
		flow_end_read(pair->client);
		break;
	case HALF_CLIENT:
		flow_half_close(pair->client, pair->server, more);
		break;
	case HALF_SERVER:
		flow_half_close(pair->server, pair->client, more);
		break;
	case CLIENT_RESETS:
		flow_reset_close(&pair->client);
		flow_error_read(pair->server, ECONNRESET);
		break;
	default:
		flow_reset_close(&pair->server);
		flow_error_read(pair->client, ECONNRESET);
	}
	flow_pair_close(pair);
}

static void ending_check(int family, enum ending ending, size_t up, size_t down)
{
	struct flow_pair pair = flow_connect(family);
	struct flow_record client, server;
	size_t more = 777;

	flow_bytes_send(pair.client, pair.server, up);
	flow_bytes_send(pair.server, pair.client, down);
	pair_end(&pair, ending, more);
	up += ending == HALF_SERVER ? more : 0;
	down += ending == HALF_CLIENT ? more : 0;
	client = flow_ended(&world, pair.client_cookie);
	server = flow_ended(&world, pair.server_cookie);
	assert_flow_bytes(&client, down, up);
	assert_flow_bytes(&server, up, down);
	assert_int_equal(client.flow.outcome,
			 outcomes[ending].client ? outcomes[ending].client : FLOW_CLOSED);
	assert_int_equal(server.flow.outcome,
			 outcomes[ending].server ? outcomes[ending].server : FLOW_CLOSED);
}

static void bytes_are_exact_however_it_ends(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, 70000 };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (int ending = 0; ending < ENDINGS; ending++)
			for (size_t up = 0; up < ARRAY_SIZE(sizes); up++)
				for (size_t down = 0; down < ARRAY_SIZE(sizes); down++)
					ending_check(families[f], ending, sizes[up], sizes[down]);
}

static void ten_megabytes_are_exact(void **state)
{
	struct flow_sums sums = { 0 };

	(void)state;
	ending_check(AF_INET, CLIENT_FIRST, 10000000, 10000001);
	ending_check(AF_INET6, SERVER_RESETS, 10000000, 1);
	flow_world_harvest(&world, false, &sums);
}

/* What was not read was received all the same, and makes a reset of the close. */
static void data_unread_is_a_reset_by_who_closes(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);
	struct flow_record client, server;

	(void)state;
	assert_int_equal(send(pair.client, "unread", 6, 0), 6);
	assert_int_equal(recv(pair.server, (char[6]){ 0 }, 6, MSG_PEEK | MSG_WAITALL), 6);
	close(pair.server);
	pair.server = -1;
	flow_error_read(pair.client, ECONNRESET);
	flow_pair_close(&pair);
	client = flow_ended(&world, pair.client_cookie);
	server = flow_ended(&world, pair.server_cookie);
	assert_flow_bytes(&client, 0, 6);
	assert_flow_bytes(&server, 6, 0);
	assert_int_equal(client.flow.outcome, FLOW_RESET);
	assert_int_equal(server.flow.outcome, FLOW_ABORTED);
}

/* One end only: what its connect() came to. */
static struct flow_record connect_fails(int fd, const struct sockaddr_in6 *to, socklen_t size,
					int error)
{
	uint64_t cookie = flow_world_cookie(fd);

	assert_int_equal(connect(fd, (const struct sockaddr *)to, size), -1);
	assert_int_equal(errno, error);
	close(fd);
	return flow_ended(&world, cookie);
}

static void refused_connection_says_so(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct sockaddr_in6 to;
		socklen_t size;
		struct flow_record record;

		close(flow_listen(families[f], &to, &size));
		record = connect_fails(socket(families[f], SOCK_STREAM | SOCK_CLOEXEC, 0), &to,
				       size, ECONNREFUSED);
		assert_int_equal(record.flow.outcome, FLOW_REFUSED);
		assert_int_equal(record.flow.direction, FLOW_OUT);
		assert_int_equal(record.flow.remote_port, ntohs(to.sin6_port));
		assert_flow_bytes(&record, 0, 0);
	}
}

/* A TUN device of which nobody reads: silence. */
static void silence_times_out_and_who_gives_up_aborts(void **state)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80),
					.sin_addr.s_addr = htonl(TUN_PEER_ADDR) };
	int tun = tun_peer_open(), once = 1, fd;
	struct flow_record record;
	uint64_t cookie;

	(void)state;
	if (tun < 0)
		skip();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cookie = flow_world_cookie(fd);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(flow_living(&world, cookie).flow.state, TCP_SYN_SENT);
	close(fd);
	assert_int_equal(flow_ended(&world, cookie).flow.outcome, FLOW_ABORTED);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &once, sizeof(once)), 0);
	record = connect_fails(fd, (const struct sockaddr_in6 *)&to, sizeof(to), ETIMEDOUT);
	assert_int_equal(record.flow.outcome, FLOW_TIMED_OUT);
	assert_true(record.flow.retransmits >= 1);
	assert_flow_bytes(&record, 0, 0);
	close(tun);
}

static void what_is_sent_again_is_counted_once(void **state)
{
	const uint8_t remote[16] = { [10] = 0xff, 0xff, 10, 99, 0, 2 };
	const struct flow *found = NULL;
	struct tun_flight flight;
	int tun = tun_peer_open();

	(void)state;
	if (tun < 0)
		skip();
	assert_int_equal(tun_peer_flight(tun, &flight), 0);
	flow_world_sample(&world);
	for (size_t i = 0; i < world.count; i++)
		if (!memcmp(world.records[i].flow.remote, remote, sizeof(remote)) &&
		    world.records[i].flow.life == FLOW_ENDED &&
		    world.records[i].flow.outcome == FLOW_ABORTED &&
		    world.records[i].flow.bytes_out)
			found = &world.records[i].flow;
	assert_non_null(found);
	assert_int_equal(found->bytes_out, flight.bytes);
	assert_int_equal(found->bytes_in, 0);
	assert_true(found->retransmits >= 1);
	close(tun);
}

static void socket_that_is_destroyed_aborts(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET6);
	struct sock sock = { .family = AF_INET6, .protocol = IPPROTO_TCP };
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;
	uint64_t netns_cookie;
	bool done = false;

	(void)state;
	assert_int_equal(sock_diag_open(netns, &fd, &netns_cookie), 0);
	sock.id.idiag_sport = htons(flow_port(pair.client));
	sock.id.idiag_dport = htons(flow_port(pair.server));
	memcpy(sock.id.idiag_src, &in6addr_loopback, 16);
	memcpy(sock.id.idiag_dst, &in6addr_loopback, 16);
	sock.id.idiag_cookie[0] = sock.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	flow_bytes_send(pair.client, pair.server, 12);
	if (sock_diag_end(fd, &sock, 1, &done) == -EOPNOTSUPP || !done)
		skip();
	assert_int_equal(flow_ended(&world, pair.client_cookie).flow.outcome, FLOW_ABORTED);
	assert_int_equal(flow_ended(&world, pair.server_cookie).flow.outcome, FLOW_RESET);
	assert_int_equal(flow_ended(&world, pair.server_cookie).flow.bytes_in, 12);
	close(fd);
	close(netns);
	flow_pair_close(&pair);
}

/* ---- the ground ------------------------------------------------------------------------------ */

static int up(void **state)
{
	*state = &world;
	return flow_world_up(&world, RECORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_has_a_record_at_both_ends),
		cmocka_unit_test(sockets_elsewhere_have_none),
		cmocka_unit_test(listener_has_none),
		cmocka_unit_test(sizes_are_counted_by_powers_of_two),
		cmocka_unit_test_teardown(bytes_are_exact_however_it_ends, flow_world_cleared),
		cmocka_unit_test(ten_megabytes_are_exact),
		cmocka_unit_test(data_unread_is_a_reset_by_who_closes),
		cmocka_unit_test(refused_connection_says_so),
		cmocka_unit_test(silence_times_out_and_who_gives_up_aborts),
		cmocka_unit_test_teardown(what_is_sent_again_is_counted_once, flow_world_cleared),
		cmocka_unit_test(socket_that_is_destroyed_aborts),
	};

	return cmocka_run_group_tests_name("flows", tests, up, flow_world_gone);
}
