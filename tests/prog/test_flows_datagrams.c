/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that see flows over datagrams: UDP of one remote end and of many, offloaded, of
 * sockets that live and end, and ICMP. */
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
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tests/prog/flow_world.h"
#include "xdp/lb_abi.h"

#define RECORDS 1024
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct flow_world world;
static const int families[] = { AF_INET, AF_INET6 };

/* ---- talking --------------------------------------------------------------------------------- */

struct end {
	int fd;
	struct sockaddr_in6 address;
	socklen_t size;
	uint64_t cookie;
	uint16_t port;
};

static struct end end_make(int family)
{
	struct end end;

	end.fd = flow_datagram(family, &end.address, &end.size);
	end.cookie = flow_world_cookie(end.fd);
	end.port = ntohs(end.address.sin6_port);
	return end;
}

static void say(const struct end *from, const struct end *to, size_t bytes)
{
	static char buffer[65536];

	assert_int_equal(sendto(from->fd, buffer, bytes, 0, (const struct sockaddr *)&to->address,
				to->size), bytes);
	assert_int_equal(recv(to->fd, buffer, sizeof(buffer), 0), bytes);
}

static struct flow_record record_between(const struct end *own, const struct end *other)
{
	const struct flow_record *record = flow_world_of(&world, own->cookie, other->port);

	assert_non_null(record);
	return *record;
}

static void assert_counts(const struct flow_record *record, uint64_t packets_in, uint64_t bytes_in,
			  uint64_t packets_out, uint64_t bytes_out)
{
	assert_int_equal(record->flow.packets_in, packets_in);
	assert_int_equal(record->flow.bytes_in, bytes_in);
	assert_int_equal(record->flow.packets_out, packets_out);
	assert_int_equal(record->flow.bytes_out, bytes_out);
}

/* ---- one remote end -------------------------------------------------------------------------- */

static void exchange_has_a_record_at_both_ends(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (int connected = 0; connected < 2; connected++) {
			struct end a = end_make(families[f]), b = end_make(families[f]);
			struct flow_record records[2];

			if (connected)
				assert_int_equal(connect(a.fd, (struct sockaddr *)&b.address,
							 b.size), 0);
			say(&a, &b, 100);
			say(&a, &b, 0);
			say(&b, &a, 5000);
			records[0] = record_between(&a, &b);
			records[1] = record_between(&b, &a);
			assert_counts(&records[0], 1, 5000, 2, 100);
			assert_counts(&records[1], 2, 100, 1, 5000);
			assert_int_equal(records[0].size_out[6], 1);
			assert_int_equal(records[1].size_out[12], 1);
			assert_int_equal(records[0].flow.direction, FLOW_OUT);
			assert_int_equal(records[1].flow.direction, FLOW_IN);
			for (int i = 0; i < 2; i++) {
				const struct flow *flow = &records[i].flow;

				assert_int_equal(flow->life, FLOW_LIVE);
				assert_int_equal(flow->protocol, IPPROTO_UDP);
				assert_int_equal(flow->cgroup, world.cgroup_id);
				assert_int_equal(flow->netns, world.netns);
				assert_int_equal(flow->local_port, i ? b.port : a.port);
				assert_memory_equal(flow->local, flow->remote, 16);
				assert_in_range(flow->seen_ns, flow->start_ns - 20000000,
						flow->start_ns + 20000000000);
			}
			close(a.fd);
			close(b.fd);
			records[0] = record_between(&a, &b);
			assert_int_equal(records[0].flow.life, FLOW_ENDED);
			assert_int_equal(records[0].flow.outcome, FLOW_IDLE);
			assert_true(records[0].flow.end_ns >= records[0].flow.start_ns);
		}
}

/* A dual-stack socket: the packets, and so the record, are IPv4. */
static void mapped_addresses_are_ipv4(void **state)
{
	const uint8_t loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	struct end b = end_make(AF_INET), a = end_make(AF_INET), mapped = b;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&b.address;
	struct flow_record record;

	(void)state;
	close(a.fd);
	a.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	a.cookie = flow_world_cookie(a.fd);
	mapped.address = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						.sin6_port = ipv4->sin_port };
	memcpy(&mapped.address.sin6_addr, loopback, 16);
	mapped.size = sizeof(mapped.address);
	say(&a, &mapped, 10);
	record = record_between(&a, &b);
	assert_memory_equal(record.flow.remote, loopback, 16);
	assert_memory_equal(record.flow.local, loopback, 16);
	assert_counts(&record, 0, 0, 1, 10);
	close(a.fd);
	close(b.fd);
}

static void large_datagrams_count_once(void **state)
{
	struct end a = end_make(AF_INET), b = end_make(AF_INET);
	struct flow_record record;

	(void)state;
	say(&a, &b, 65507); /* one packet on lo, whose MTU is 65536, */
	record = record_between(&a, &b);
	assert_counts(&record, 0, 0, 1, 65507);
	record = record_between(&b, &a);
	assert_counts(&record, 1, 65507, 0, 0);
	assert_int_equal(record.size_in[15], 1);
	close(a.fd);
	close(b.fd);
}

/* 10,500 bytes in datagrams of 1,000. */
static void offloaded_datagrams_are_each_counted(void **state)
{
	static char buffer[10500];

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (int whole = 0; whole < 2; whole++) {
			struct end a = end_make(families[f]), b = end_make(families[f]);
			int size = 1000, got = 0;
			struct flow_record records[2];

			assert_int_equal(setsockopt(a.fd, IPPROTO_UDP, UDP_SEGMENT, &size,
						    sizeof(size)), 0);
			assert_int_equal(setsockopt(b.fd, IPPROTO_UDP, UDP_GRO, &whole,
						    sizeof(whole)), 0);
			assert_int_equal(sendto(a.fd, buffer, sizeof(buffer), 0,
						(struct sockaddr *)&b.address, b.size),
					 sizeof(buffer));
			while (got < (int)sizeof(buffer)) {
				ssize_t part = recv(b.fd, buffer, sizeof(buffer), 0);

				assert_int_equal(part, whole ? 10500 : got < 10000 ? 1000 : 500);
				got += (int)part;
			}
			records[0] = record_between(&a, &b);
			records[1] = record_between(&b, &a);
			assert_counts(&records[0], 0, 0, 11, 10500);
			assert_counts(&records[1], 11, 10500, 0, 0);
			assert_int_equal(records[0].size_out[9], 10);
			assert_int_equal(records[0].size_out[8], 1);
			assert_int_equal(records[1].size_in[9], 10);
			assert_int_equal(records[1].size_in[8], 1);
			close(a.fd);
			close(b.fd);
		}
}

/* Between the headers of IP and UDP stand 4 bytes of options, or 8 of an extension; datagrams of
 * the same flow without them go before and come behind. Who took the option (RFC 4727's, for
 * experiments) for UDP's ports would find the right one. */
static void options_of_ip_are_no_payload(void **state)
{
	static const uint8_t extension[8] = { [2] = 1 /* PadN */, [3] = 4 };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct end a = end_make(families[f]), b = end_make(families[f]);
		const uint8_t option[4] = { 0x5e, 4, (uint8_t)(b.port >> 8), (uint8_t)b.port };
		bool is4 = families[f] == AF_INET;
		int level = is4 ? IPPROTO_IP : IPPROTO_IPV6, name = is4 ? IP_OPTIONS : IPV6_DSTOPTS;
		struct flow_record record;

		say(&a, &b, 100);
		assert_int_equal(setsockopt(a.fd, level, name, is4 ? option : extension,
					    is4 ? sizeof(option) : sizeof(extension)), 0);
		say(&a, &b, 20);
		assert_int_equal(setsockopt(a.fd, level, name, NULL, 0), 0);
		say(&a, &b, 3);
		record = record_between(&a, &b);
		assert_counts(&record, 0, 0, 3, 123);
		assert_int_equal(record.size_out[4], 1);
		record = record_between(&b, &a);
		assert_counts(&record, 3, 123, 0, 0);
		assert_int_equal(record.size_in[4], 1);
		assert_int_equal(flow_world_living(&world, FLOW_LIVE), 2);
		close(a.fd);
		close(b.fd);
	}
}

/* ---- many remote ends ------------------------------------------------------------------------ */

static void each_remote_end_has_a_record(void **state)
{
	enum { CLIENTS = 50, ROUNDS = 7 };
	struct flow_sums sums = { 0 };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct end server = end_make(families[f]), clients[CLIENTS];

		flow_world_enter(&world, false);
		for (int i = 0; i < CLIENTS; i++)
			clients[i] = end_make(families[f]);
		flow_world_enter(&world, true);
		for (int round = 0; round < ROUNDS; round++)
			for (int i = 0; i < CLIENTS; i++) {
				say(&clients[i], &server, 10 + (size_t)i);
				say(&server, &clients[i], 3);
			}
		assert_int_equal(flow_world_living(&world, FLOW_LIVE), CLIENTS);
		for (int i = 0; i < CLIENTS; i++) {
			struct flow_record record = record_between(&server, &clients[i]);

			assert_counts(&record, ROUNDS, ROUNDS * (10 + (uint64_t)i), ROUNDS,
				      3 * ROUNDS);
			assert_int_equal(record.flow.direction, FLOW_IN);
			assert_int_equal(record.flow.in_peers, 1);
			close(clients[i].fd);
		}
		close(server.fd);
		flow_world_harvest(&world, true, &sums);
		assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
	}
}

/* Disowned as idle: it ends with what it had, and who comes again is another flow. */
static void silent_flows_end_and_begin_anew(void **state)
{
	struct end server = end_make(AF_INET), clients[3];
	struct flow_sums sums = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		clients[i] = end_make(AF_INET);
		say(&clients[i], &server, 100);
	}
	flow_world_harvest(&world, true, &sums);
	assert_int_equal(sums.flows, 6);
	assert_int_equal(sums.packets_in, 3);
	assert_int_equal(sums.bytes_out, 300);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
	for (int i = 0; i < 3; i++) {
		struct flow_record record;

		say(&server, &clients[i], 7);
		record = record_between(&server, &clients[i]);
		assert_counts(&record, 0, 0, 1, 7);
		assert_int_equal(record.flow.direction, FLOW_OUT);
		record = record_between(&clients[i], &server);
		assert_counts(&record, 1, 7, 0, 0);
		close(clients[i].fd);
	}
	close(server.fd);
	flow_world_harvest(&world, true, &sums);
	assert_int_equal(sums.flows, 12);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
}

static void end_of_a_flow_is_its_last_datagram(void **state)
{
	struct end a = end_make(AF_INET), b = end_make(AF_INET);
	struct flow_record record;

	(void)state;
	say(&a, &b, 1);
	for (size_t i = 0; i < world.count; i++)
		if (world.records[i].flow.life == FLOW_LIVE)
			flow_kernel_disown(world.kernel, i, FLOW_IDLE);
	flow_world_sample(&world);
	for (size_t i = 0; i < world.count; i++)
		if (world.records[i].flow.life == FLOW_ENDED &&
		    world.records[i].flow.local_port == a.port) {
			record = world.records[i];
			assert_int_equal(record.flow.outcome, FLOW_IDLE);
			assert_int_equal(record.flow.end_ns, record.flow.seen_ns);
			assert_counts(&record, 0, 0, 1, 1);
		}
	close(a.fd);
	close(b.fd);
}

/* What local.bpf.c writes as it gives the first datagram to a vip a backend. */
static void vip_that_was_asked_for_is_told(void **state)
{
	struct {
		union lb_addr backend, vip;
		uint16_t backend_port, vip_port;
		uint32_t datagrams;
	} socket_asked = { .datagrams = 1 };
	struct {
		uint64_t socket;
		union lb_addr backend;
		uint16_t port;
		uint8_t pad[6];
	} key = { 0 };
	struct {
		union lb_addr vip;
		uint16_t port;
		uint8_t pad[6];
	} asked = { .port = htons(53) };
	struct end a = end_make(AF_INET), b = end_make(AF_INET), c = end_make(AF_INET);
	struct flow_record record;
	char path[128];
	int map;

	(void)state;
	key.socket = a.cookie;
	key.port = b.address.sin6_port;
	memcpy(&key.backend, (uint8_t[16]){ [10] = 0xff, 0xff, 127, 0, 0, 1 }, 16);
	memcpy(&asked.vip, (uint8_t[16]){ [10] = 0xff, 0xff, 203, 0, 113, 10 }, 16);
	snprintf(path, sizeof(path), "%s/local_sockets", world.pin);
	map = bpf_obj_get(path);
	assert_int_equal(bpf_map_update_elem(map, &a.fd, &socket_asked, BPF_ANY), 0);
	close(map);
	snprintf(path, sizeof(path), "%s/local_datagrams", world.pin);
	map = bpf_obj_get(path);
	assert_int_equal(bpf_map_update_elem(map, &key, &asked, BPF_ANY), 0);
	close(map);
	say(&a, &b, 10);
	say(&a, &c, 10);
	record = record_between(&a, &b);
	assert_memory_equal(record.flow.vip, &asked.vip, 16);
	assert_int_equal(record.flow.vip_port, 53);
	record = record_between(&a, &c);
	assert_int_equal(record.flow.vip_port, 0);
	close(a.fd);
	close(b.fd);
	close(c.fd);
}

/* ---- other protocols ------------------------------------------------------------------------- */

static int ping_socket(int family, bool raw)
{
	int range = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);

	assert_true(range >= 0 && write(range, "0 2147483647", 12) == 12);
	close(range);
	return socket(family, (raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC,
		      family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
}

/* An echo request of 8 bytes and 24 more; a raw socket hears its own request as well. */
static void ping_is_a_flow_without_ports(void **state)
{
	static const uint8_t addresses[2][16] = {
		{ [10] = 0xff, 0xff, 127, 0, 0, 1 }, { [15] = 1 },
	};

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (int raw = 0; raw < 2; raw++) {
			struct end to = end_make(families[f]);
			int fd = ping_socket(families[f], raw), times = 1 + raw;
			uint8_t echo[32] = { families[f] == AF_INET ? ICMP_ECHO :
								      ICMP6_ECHO_REQUEST };
			const struct flow_record *record;

			assert_true(fd >= 0);
			to.address.sin6_port = 0;
			echo[2] = 0xf7, echo[3] = 0xff; /* of IPv4 a checksum of the rest */
			assert_int_equal(sendto(fd, echo, sizeof(echo), 0,
						(struct sockaddr *)&to.address, to.size),
					 sizeof(echo));
			for (int i = 0; i < times; i++)
				assert_true(recv(fd, (char[128]){ 0 }, 128, 0) > 0);
			record = flow_world_of(&world, flow_world_cookie(fd), 0);
			assert_non_null(record);
			assert_int_equal(record->flow.protocol, IPPROTO_ICMP);
			assert_int_equal(record->flow.direction, FLOW_OUT);
			assert_int_equal(record->flow.local_port, 0);
			assert_int_equal(record->flow.remote_port, 0);
			assert_memory_equal(record->flow.remote, addresses[f], 16);
			assert_counts(record, (uint64_t)times, 32 * (uint64_t)times, 1, 32);
			close(fd);
			close(to.fd);
		}
}

/* ---- sockets that were there ----------------------------------------------------------------- */

static void socket_that_was_there_before_is_seen(void **state)
{
	struct end a, b;
	struct flow_record record;

	(void)state;
	flow_world_attach(&world, false);
	a = end_make(AF_INET6);
	b = end_make(AF_INET6);
	say(&a, &b, 10);
	flow_world_attach(&world, true);
	say(&a, &b, 11);
	record = record_between(&a, &b);
	assert_counts(&record, 0, 0, 1, 11);
	close(a.fd);
	close(b.fd);
}

static void sockets_elsewhere_have_none(void **state)
{
	struct end a, b;

	(void)state;
	flow_world_enter(&world, false);
	a = end_make(AF_INET);
	b = end_make(AF_INET);
	flow_world_enter(&world, true);
	say(&a, &b, 10);
	assert_null(flow_world_of(&world, a.cookie, 0));
	assert_null(flow_world_of(&world, b.cookie, 0));
	close(a.fd);
	close(b.fd);
}

static void flows_go_on_over_a_restart(void **state)
{
	struct end a = end_make(AF_INET), b = end_make(AF_INET), c = end_make(AF_INET);
	struct flow_record record;

	(void)state;
	say(&a, &b, 10);
	say(&a, &c, 10);
	flow_world_close(&world);
	say(&a, &b, 10);
	flow_world_open(&world, RECORDS);
	say(&a, &b, 10);
	record = record_between(&a, &b);
	assert_counts(&record, 0, 0, 3, 30);
	record = record_between(&a, &c);
	assert_counts(&record, 0, 0, 1, 10);
	close(a.fd);
	close(b.fd);
	close(c.fd);
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
		cmocka_unit_test_teardown(exchange_has_a_record_at_both_ends, flow_world_cleared),
		cmocka_unit_test_teardown(mapped_addresses_are_ipv4, flow_world_cleared),
		cmocka_unit_test_teardown(large_datagrams_count_once, flow_world_cleared),
		cmocka_unit_test_teardown(offloaded_datagrams_are_each_counted, flow_world_cleared),
		cmocka_unit_test_teardown(options_of_ip_are_no_payload, flow_world_cleared),
		cmocka_unit_test_teardown(each_remote_end_has_a_record, flow_world_cleared),
		cmocka_unit_test_teardown(silent_flows_end_and_begin_anew, flow_world_cleared),
		cmocka_unit_test_teardown(end_of_a_flow_is_its_last_datagram, flow_world_cleared),
		cmocka_unit_test_teardown(vip_that_was_asked_for_is_told, flow_world_cleared),
		cmocka_unit_test_teardown(ping_is_a_flow_without_ports, flow_world_cleared),
		cmocka_unit_test_teardown(socket_that_was_there_before_is_seen, flow_world_cleared),
		cmocka_unit_test_teardown(sockets_elsewhere_have_none, flow_world_cleared),
		cmocka_unit_test_teardown(flows_go_on_over_a_restart, flow_world_cleared),
	};

	return cmocka_run_group_tests_name("flows of datagrams", tests, up, flow_world_gone);
}
