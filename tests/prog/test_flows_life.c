/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows over TCP connections that begin otherwise than by connect() and
 * accept(), or before the programs, or go on while the daemon is gone; and which cgroups they tell
 * of. */
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

#include <bpf/bpf.h>

#include "tests/prog/flow_tcp.h"
#include "xdp/lb_abi.h"

#define RECORDS 1024
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct flow_world world;
static const int families[] = { AF_INET, AF_INET6 };

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
	flow_bytes_send(server, client, 9);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(recv(server, (char[8]){ 0 }, 8, 0), 5);
	flow_end_read(server);
	close(server);
	flow_end_read(client);
	close(client);
	close(listener);
	record = flow_ended(&world, cookies[0]);
	assert_flow_bytes(&record, 9, 5);
	record = flow_ended(&world, cookies[1]);
	assert_flow_bytes(&record, 5, 9);
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
	flow_bytes_send(pair.client, pair.server, 1000);
	assert_int_equal(connect(pair.client, &nobody, sizeof(nobody)), 0);
	close(pair.server);
	record = flow_ended(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 1000);
	assert_int_equal(record.flow.outcome, FLOW_ABORTED);
	assert_int_equal(getsockname(pair.listener, (struct sockaddr *)&to, &size), 0);
	assert_int_equal(connect(pair.client, (struct sockaddr *)&to, size), 0);
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_CLOEXEC);
	flow_bytes_send(pair.client, pair.server, 5);
	record = flow_living(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 5);
	flow_pair_close(&pair);
	record = flow_ended(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 5);
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
	record = flow_living(&world, flow_world_cookie(client));
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
		flow_bytes_send(pair.client, pair.server, 5000);
		flow_world_attach(&world, true);
		assert_null(flow_world_of(&world, pair.server_cookie, 0));
		flow_bytes_send(pair.server, pair.client, 10);
		record = flow_living(&world, pair.server_cookie);
		assert_flow_bytes(&record, 5000, 10);
		assert_int_equal(record.flow.direction, FLOW_UNKNOWN);
		assert_int_equal(record.flow.state, TCP_ESTABLISHED);
		assert_int_equal(record.flow.cgroup, world.cgroup_id);
		assert_int_equal(record.flow.netns, world.netns);
		number = number_of(pair.server_cookie);
		flow_bytes_send(pair.client, pair.server, 3);
		if (f)
			flow_half_close(pair.client, pair.server, 40);
		else
			flow_half_close(pair.server, pair.client, 40);
		flow_pair_close(&pair);
		flow_kernel_disown(world.kernel, number, FLOW_GONE);
		flow_world_sample(&world);
		record = world.records[number];
		assert_int_equal(record.flow.life, FLOW_ENDED);
		assert_int_equal(record.flow.outcome, FLOW_CLOSED);
		assert_flow_bytes(&record, 5003 + (f ? 0 : 40), 10 + (f ? 40 : 0));
	}
}

/* Its application keeps the socket after a reset, or has closed it. */
static void adopted_connection_that_was_reset_ends(void **state)
{
	struct flow_pair pair;
	struct flow_record record;

	(void)state;
	flow_world_attach(&world, false);
	pair = flow_connect(AF_INET);
	flow_world_attach(&world, true);
	flow_bytes_send(pair.client, pair.server, 100);
	record = flow_living(&world, pair.server_cookie);
	assert_flow_bytes(&record, 100, 0);
	flow_reset_close(&pair.client);
	flow_error_read(pair.server, ECONNRESET);
	record = flow_ended(&world, pair.server_cookie);
	assert_flow_bytes(&record, 100, 0);
	assert_int_equal(record.flow.outcome, FLOW_RESET);
	assert_int_equal(record.flow.state, TCP_CLOSE);
	flow_pair_close(&pair);
}

static void connections_go_on_over_a_restart(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);
	struct flow_record record;
	size_t number;

	(void)state;
	flow_bytes_send(pair.client, pair.server, 100);
	number = number_of(pair.client_cookie);
	flow_world_close(&world);
	flow_bytes_send(pair.client, pair.server, 100);
	flow_world_open(&world, RECORDS);
	assert_int_equal(number_of(pair.client_cookie), number);
	record = flow_living(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 200);
	assert_int_equal(record.flow.direction, FLOW_OUT);
	flow_world_close(&world);
	flow_half_close(pair.client, pair.server, 0);
	flow_pair_close(&pair);
	flow_world_open(&world, RECORDS);
	record = flow_ended(&world, pair.client_cookie);
	assert_flow_bytes(&record, 0, 200);
}

static void other_number_of_records_is_a_new_beginning(void **state)
{
	struct flow_pair pair = flow_connect(AF_INET);

	(void)state;
	flow_bytes_send(pair.client, pair.server, 100);
	flow_world_close(&world);
	flow_world_open(&world, 2 * RECORDS);
	assert_null(flow_world_of(&world, pair.client_cookie, 0));
	flow_bytes_send(pair.client, pair.server, 100);
	assert_int_equal(flow_living(&world, pair.client_cookie).flow.bytes_out, 200);
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
	*state = &world;
	return flow_world_up(&world, RECORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_with_the_syn_is_counted),
		cmocka_unit_test(socket_that_connects_again_has_another_record),
		cmocka_unit_test(vip_that_was_asked_for_is_told),
		cmocka_unit_test(connection_that_was_there_before_is_adopted),
		cmocka_unit_test(adopted_connection_that_was_reset_ends),
		cmocka_unit_test(connections_go_on_over_a_restart),
		cmocka_unit_test(other_number_of_records_is_a_new_beginning),
		cmocka_unit_test(cgroup_is_told_of_once),
	};

	return cmocka_run_group_tests_name("lives of flows", tests, up, flow_world_gone);
}
