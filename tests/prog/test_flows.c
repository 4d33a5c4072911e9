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
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "policy/sock_diag.h"
#include "tests/prog/flow_world.h"
#include "tests/prog/tun_peer.h"
#include "xdp/lb_abi.h"

#define RECORDS 1024
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct flow_world world;
static const int families[] = { AF_INET, AF_INET6 };

/* ---- talking --------------------------------------------------------------------------------- */

/* Both ends in one process: what is sent is received before more is sent. */
static void bytes_send(int from, int to, size_t bytes)
{
	static char buffer[1 << 16];
	size_t sent = 0, got = 0;

	while (got < bytes) {
		size_t left = bytes - sent < sizeof(buffer) ? bytes - sent : sizeof(buffer);
		ssize_t done = left ? send(from, buffer, left, MSG_DONTWAIT) : 0;

		assert_true(done >= 0 || errno == EAGAIN);
		sent += done > 0 ? (size_t)done : 0;
		done = recv(to, buffer, sizeof(buffer), sent == bytes ? 0 : MSG_DONTWAIT);
		assert_true(done > 0 || errno == EAGAIN);
		got += done > 0 ? (size_t)done : 0;
	}
}

static void end_read(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void reset_close(int *fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(*fd);
	*fd = -1;
}

static void error_read(int fd, int expected)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&ready, 1, 20000), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, expected);
}

/* ---- records --------------------------------------------------------------------------------- */

/* The socket's record, once it has ended: the other end's last segment may still be on its way. */
static struct flow_record ended(uint64_t cookie)
{
	const struct flow_record *record;

	for (int tries = 0; tries < 1000; tries++) {
		record = flow_world_of(&world, cookie, 0);
		assert_non_null(record);
		if (record->flow.life == FLOW_ENDED)
			return *record;
	}
	fail_msg("the connection does not end");
	return *record;
}

static struct flow_record living(uint64_t cookie)
{
	const struct flow_record *record = flow_world_of(&world, cookie, 0);

	assert_non_null(record);
	assert_int_equal(record->flow.life, FLOW_LIVE);
	return *record;
}

static void assert_bytes(const struct flow_record *record, uint64_t in, uint64_t out)
{
	assert_int_equal(record->flow.bytes_in, in);
	assert_int_equal(record->flow.bytes_out, out);
}

static void assert_address(const uint8_t address[16], int family)
{
	static const uint8_t loopbacks[2][16] = {
		{ [10] = 0xff, 0xff, 127, 0, 0, 1 }, { [15] = 1 },
	};

	assert_memory_equal(address, loopbacks[family == AF_INET6], 16);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin6_port);
}

/* ---- what a record says ---------------------------------------------------------------------- */

static void connection_has_a_record_at_both_ends(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct flow_pair pair = flow_connect(families[f]);
		uint16_t ports[2] = { port_of(pair.client), port_of(pair.server) };
		struct flow_record records[2];

		bytes_send(pair.client, pair.server, 100);
		bytes_send(pair.server, pair.client, 3000);
		records[0] = living(pair.client_cookie);
		records[1] = living(pair.server_cookie);
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
		assert_bytes(&records[0], 3000, 100);
		assert_bytes(&records[1], 100, 3000);
		flow_pair_close(&pair);
		records[0] = ended(pair.client_cookie);
		records[1] = ended(pair.server_cookie);
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
	bytes_send(pair.client, pair.server, 100);
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
		bytes_send(pair.client, pair.server, messages[i].bytes);
		expected[messages[i].class]++;
	}
	record = living(pair.client_cookie);
	assert_memory_equal(record.size_out, expected, sizeof(expected));
	record = living(pair.server_cookie);
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

/* After a half-close the other end says as much again. */
static void half_close(int first, int second, size_t bytes)
{
	assert_int_equal(shutdown(first, SHUT_WR), 0);
	end_read(second);
	bytes_send(second, first, bytes);
	assert_int_equal(shutdown(second, SHUT_WR), 0);
	end_read(first);
}

static void pair_end(struct flow_pair *pair, enum ending ending, size_t more)
{
	switch (ending) {
	case CLIENT_FIRST:
		close(pair->client);
		pair->client = -1;
		end_read(pair->server);
		break;
	case SERVER_FIRST:
		close(pair->server);
		pair->server = -1;
		end_read(pair->client);
		break;
	case HALF_CLIENT:
		half_close(pair->client, pair->server, more);
		break;
	case HALF_SERVER:
		half_close(pair->server, pair->client, more);
		break;
	case CLIENT_RESETS:
		reset_close(&pair->client);
		error_read(pair->server, ECONNRESET);
		break;
	default:
		reset_close(&pair->server);
		error_read(pair->client, ECONNRESET);
	}
	flow_pair_close(pair);
}

static void ending_check(int family, enum ending ending, size_t up, size_t down)
{
	struct flow_pair pair = flow_connect(family);
	struct flow_record client, server;
	size_t more = 777;

	bytes_send(pair.client, pair.server, up);
	bytes_send(pair.server, pair.client, down);
	pair_end(&pair, ending, more);
	up += ending == HALF_SERVER ? more : 0;
	down += ending == HALF_CLIENT ? more : 0;
	client = ended(pair.client_cookie);
	server = ended(pair.server_cookie);
	assert_bytes(&client, down, up);
	assert_bytes(&server, up, down);
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
	error_read(pair.client, ECONNRESET);
	flow_pair_close(&pair);
	client = ended(pair.client_cookie);
	server = ended(pair.server_cookie);
	assert_bytes(&client, 0, 6);
	assert_bytes(&server, 6, 0);
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
	return ended(cookie);
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
		assert_bytes(&record, 0, 0);
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
	assert_int_equal(living(cookie).flow.state, TCP_SYN_SENT);
	close(fd);
	assert_int_equal(ended(cookie).flow.outcome, FLOW_ABORTED);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &once, sizeof(once)), 0);
	record = connect_fails(fd, (const struct sockaddr_in6 *)&to, sizeof(to), ETIMEDOUT);
	assert_int_equal(record.flow.outcome, FLOW_TIMED_OUT);
	assert_true(record.flow.retransmits >= 1);
	assert_bytes(&record, 0, 0);
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
	sock.id.idiag_sport = htons(port_of(pair.client));
	sock.id.idiag_dport = htons(port_of(pair.server));
	memcpy(sock.id.idiag_src, &in6addr_loopback, 16);
	memcpy(sock.id.idiag_dst, &in6addr_loopback, 16);
	sock.id.idiag_cookie[0] = sock.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	bytes_send(pair.client, pair.server, 12);
	if (sock_diag_end(fd, &sock, 1, &done) == -EOPNOTSUPP || !done)
		skip();
	assert_int_equal(ended(pair.client_cookie).flow.outcome, FLOW_ABORTED);
	assert_int_equal(ended(pair.server_cookie).flow.outcome, FLOW_RESET);
	assert_int_equal(ended(pair.server_cookie).flow.bytes_in, 12);
	close(fd);
	close(netns);
	flow_pair_close(&pair);
}

/* ---- other ways to begin --------------------------------------------------------------------- */

static void setting_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
}

/* No cookie is asked for, so that the first SYN carries data already. */
static void data_with_the_syn_is_counted(void **state)
{
	int queue = 8, client, server;
	struct sockaddr_in6 to;
	socklen_t size;
	int listener = flow_listen(AF_INET, &to, &size);
	uint64_t cookies[2];
	struct flow_record record;

	(void)state;
	setting_write("/proc/sys/net/ipv4/tcp_fastopen", "519"); /* 0x207 */
	assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(client, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&to, size), 5);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cookies[0] = flow_world_cookie(client);
	cookies[1] = flow_world_cookie(server);
	bytes_send(server, client, 9);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(recv(server, (char[8]){ 0 }, 8, 0), 5);
	end_read(server);
	close(server);
	end_read(client);
	close(client);
	close(listener);
	record = ended(cookies[0]);
	assert_bytes(&record, 9, 5);
	record = ended(cookies[1]);
	assert_bytes(&record, 5, 9);
	assert_int_equal(record.flow.direction, FLOW_IN);
	assert_int_equal(record.flow.outcome, FLOW_CLOSED);
}

static void socket_that_connects_again_has_another_record(void **state)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct flow_pair pair = flow_connect(AF_INET);
	struct sockaddr_in6 to;
	socklen_t size = sizeof(to);
	struct flow_record record;

	(void)state;
	bytes_send(pair.client, pair.server, 1000);
	assert_int_equal(connect(pair.client, &nobody, sizeof(nobody)), 0);
	close(pair.server);
	record = ended(pair.client_cookie);
	assert_bytes(&record, 0, 1000);
	assert_int_equal(record.flow.outcome, FLOW_ABORTED);
	assert_int_equal(getsockname(pair.listener, (struct sockaddr *)&to, &size), 0);
	assert_int_equal(connect(pair.client, (struct sockaddr *)&to, size), 0);
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_CLOEXEC);
	bytes_send(pair.client, pair.server, 5);
	record = living(pair.client_cookie);
	assert_bytes(&record, 0, 5);
	flow_pair_close(&pair);
	record = ended(pair.client_cookie);
	assert_bytes(&record, 0, 5);
}

/* What local.bpf.c writes as it gives the socket a backend. */
static void vip_that_was_asked_for_is_told(void **state)
{
	struct {
		union lb_addr backend, vip;
		uint16_t backend_port, vip_port;
		uint32_t datagrams;
	} asked = { 0 };
	struct sockaddr_in6 to;
	socklen_t size;
	int listener = flow_listen(AF_INET, &to, &size);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), map;
	struct flow_record record;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/local_sockets", world.pin);
	map = bpf_obj_get(path);
	assert_true(map >= 0);
	memcpy(&asked.backend, (uint8_t[16]){ [10] = 0xff, 0xff, 127, 0, 0, 1 }, 16);
	memcpy(&asked.vip, (uint8_t[16]){ [10] = 0xff, 0xff, 203, 0, 113, 10 }, 16);
	asked.backend_port = to.sin6_port;
	asked.vip_port = htons(443);
	assert_int_equal(bpf_map_update_elem(map, &client, &asked, BPF_ANY), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, size), 0);
	record = living(flow_world_cookie(client));
	assert_memory_equal(record.flow.vip, &asked.vip, 16);
	assert_int_equal(record.flow.vip_port, 443);
	assert_int_equal(record.flow.remote_port, ntohs(to.sin6_port));
	close(client);
	close(listener);
	close(map);
}

/* ---- before the programs, and after the daemon ----------------------------------------------- */

static size_t number_of(uint64_t cookie)
{
	const struct flow_record *record = flow_world_of(&world, cookie, 0);

	assert_non_null(record);
	return (size_t)(record - world.records);
}

/* All of it counts, for the kernel has counted it. Of its end only what passes is seen. */
static void connection_that_was_there_before_is_adopted(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct flow_pair pair;
		struct flow_record record;
		size_t number;

		(void)state;
		flow_world_attach(&world, false);
		pair = flow_connect(families[f]);
		bytes_send(pair.client, pair.server, 5000);
		flow_world_attach(&world, true);
		assert_null(flow_world_of(&world, pair.server_cookie, 0));
		bytes_send(pair.server, pair.client, 10);
		record = living(pair.server_cookie);
		assert_bytes(&record, 5000, 10);
		assert_int_equal(record.flow.direction, FLOW_UNKNOWN);
		assert_int_equal(record.flow.state, TCP_ESTABLISHED);
		assert_int_equal(record.flow.cgroup, world.cgroup_id);
		assert_int_equal(record.flow.netns, world.netns);
		number = number_of(pair.server_cookie);
		bytes_send(pair.client, pair.server, 3);
		pair_end(&pair, f ? HALF_CLIENT : HALF_SERVER, 40);
		flow_kernel_disown(world.kernel, number, FLOW_GONE);
		flow_world_sample(&world);
		record = world.records[number];
		assert_int_equal(record.flow.life, FLOW_ENDED);
		assert_int_equal(record.flow.outcome, FLOW_CLOSED);
		assert_bytes(&record, 5003 + (f ? 0 : 40), 10 + (f ? 40 : 0));
	}
}

static void connections_go_on_over_a_restart(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);
	struct flow_record record;
	size_t number;

	(void)state;
	bytes_send(pair.client, pair.server, 100);
	number = number_of(pair.client_cookie);
	flow_world_close(&world);
	bytes_send(pair.client, pair.server, 100);
	flow_world_open(&world, RECORDS);
	assert_int_equal(number_of(pair.client_cookie), number);
	record = living(pair.client_cookie);
	assert_bytes(&record, 0, 200);
	assert_int_equal(record.flow.direction, FLOW_OUT);
	flow_world_close(&world);
	pair_end(&pair, CLIENT_FIRST, 0);
	flow_world_open(&world, RECORDS);
	record = ended(pair.client_cookie);
	assert_bytes(&record, 0, 200);
}

static void other_number_of_records_is_a_new_beginning(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);

	(void)state;
	bytes_send(pair.client, pair.server, 100);
	flow_world_close(&world);
	flow_world_open(&world, 2 * RECORDS);
	assert_null(flow_world_of(&world, pair.client_cookie, 0));
	bytes_send(pair.client, pair.server, 100);
	assert_int_equal(living(pair.client_cookie).flow.bytes_out, 200);
	flow_pair_close(&pair);
	flow_world_unload(&world);
	assert_false(flow_kernel_is_loaded(world.pin));
	flow_world_open(&world, RECORDS);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static void told_count(uint64_t cgroup, void *data)
{
	size_t *count = data;

	assert_int_equal(cgroup, world.cgroup_id);
	++*count;
}

static void cgroup_is_told_of_once(void **state)
{
	struct flow_pair pair;
	uint64_t ids[8];
	size_t count = 0;

	(void)state;
	flow_world_unload(&world);
	flow_world_open(&world, RECORDS);
	for (int i = 0; i < 3; i++) {
		pair = flow_connect(AF_INET);
		flow_pair_close(&pair);
	}
	flow_kernel_news(world.kernel, told_count, &count);
	assert_int_equal(count, 1);
	assert_int_equal(flow_kernel_cgroups(world.kernel, ids, 8), 1);
	assert_int_equal(ids[0], world.cgroup_id);
	flow_kernel_cgroup_forget(world.kernel, world.cgroup_id);
	assert_int_equal(flow_kernel_cgroups(world.kernel, ids, 8), 0);
	pair = flow_connect(AF_INET);
	flow_pair_close(&pair);
	flow_kernel_news(world.kernel, told_count, &count);
	assert_int_equal(count, 2);
}

/* ---- the ground ------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	if (flow_world_make(&world))
		return -1;
	flow_world_open(&world, RECORDS);
	flow_world_enter(&world, true);
	return 0;
}

static int down(void **state)
{
	(void)state;
	flow_world_unload(&world);
	flow_world_unmake(&world);
	return 0;
}

static int harvest(void **state)
{
	struct flow_sums sums = { 0 };

	(void)state;
	flow_world_harvest(&world, true, &sums);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_has_a_record_at_both_ends),
		cmocka_unit_test(sockets_elsewhere_have_none),
		cmocka_unit_test(listener_has_none),
		cmocka_unit_test(sizes_are_counted_by_powers_of_two),
		cmocka_unit_test_teardown(bytes_are_exact_however_it_ends, harvest),
		cmocka_unit_test(ten_megabytes_are_exact),
		cmocka_unit_test(data_unread_is_a_reset_by_who_closes),
		cmocka_unit_test(refused_connection_says_so),
		cmocka_unit_test(silence_times_out_and_who_gives_up_aborts),
		cmocka_unit_test_teardown(what_is_sent_again_is_counted_once, harvest),
		cmocka_unit_test(socket_that_is_destroyed_aborts),
		cmocka_unit_test(data_with_the_syn_is_counted),
		cmocka_unit_test(socket_that_connects_again_has_another_record),
		cmocka_unit_test(vip_that_was_asked_for_is_told),
		cmocka_unit_test(connection_that_was_there_before_is_adopted),
		cmocka_unit_test(connections_go_on_over_a_restart),
		cmocka_unit_test(other_number_of_records_is_a_new_beginning),
		cmocka_unit_test(cgroup_is_told_of_once),
	};

	return cmocka_run_group_tests_name("flows", tests, up, down);
}
