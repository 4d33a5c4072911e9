/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation as an application sees it: real sockets in a cgroup and a network namespace, with a
 * peer at the other end of a veth. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/policy.skel.h"
#include "tests/prog/policy_calls.h"
#include "tests/prog/policy_peer.h"
#include "tests/prog/policy_world.h"
#include "tests/prog/trials.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { TO_DB, TO_DB_REST, TO_OFFICE, TO_WATCHED, TO_OTHERS_DNS, TO_OTHERS, FROM_OTHERS_HTTP,
       FROM_OTHERS_QUIC, FROM_OTHERS, RULES };

static const struct rule rules[RULES] = {
	[TO_DB] = { DB, true, IPPROTO_TCP, 5432, 5432, POLICY_ALLOW, false },
	[TO_DB_REST] = { DB, true, 0, 0, 0, POLICY_DENY, false },
	[TO_OFFICE] = { OFFICE, true, 0, 0, 0, POLICY_REJECT, false },
	[TO_WATCHED] = { WATCHED, true, 0, 0, 0, POLICY_DENY, true },
	[TO_OTHERS_DNS] = { OTHERS, true, IPPROTO_UDP, 53, 53, POLICY_ALLOW, false },
	[TO_OTHERS] = { OTHERS, true, 0, 0, 0, POLICY_DENY, false },
	[FROM_OTHERS_HTTP] = { OTHERS, false, IPPROTO_TCP, 80, 80, POLICY_ALLOW, false },
	[FROM_OTHERS_QUIC] = { OTHERS, false, IPPROTO_UDP, 80, 80, POLICY_ALLOW, false },
	[FROM_OTHERS] = { OTHERS, false, 0, 0, 0, POLICY_DENY, false },
};

static struct policy_world *world;
static unsigned int outside; /* the peer's end of the veth */

/* ---- sockets --------------------------------------------------------------------------------- */

static void reset(void)
{
	struct policy_sockets none = { 0 };

	policy_world_sockets(world, FRONT_SET, &none);
	policy_world_forget(world);
	policy_world_turn(world, 0);
}

static void refused_expect(uint32_t rule, uint64_t refused)
{
	assert_int_equal(policy_world_count(world, rule).refused, refused);
}

/* ---- connect and sendmsg --------------------------------------------------------------------- */

static void test_connect_hears_its_errno(void **state)
{
	(void)state;
	reset();
	assert_int_equal(connects(SOCK_STREAM, "192.0.2.1", 5440, NULL), EPERM);
	assert_int_equal(connects(SOCK_STREAM, "2001:db8:1::1", 5440, NULL), EPERM);
	assert_int_equal(connects(SOCK_STREAM, "::ffff:192.0.2.1", 5440, NULL), EPERM);
	refused_expect(TO_DB_REST, 3);
	assert_int_equal(connects(SOCK_STREAM, "198.51.100.9", 80, NULL), ECONNREFUSED);
	assert_int_equal(connects(SOCK_STREAM, "2001:db8:2::9", 80, NULL), ECONNREFUSED);
	assert_int_equal(connects(SOCK_DGRAM, "198.51.100.9", 53, NULL), ECONNREFUSED);
	refused_expect(TO_OFFICE, 3);
	assert_int_equal(connects(SOCK_DGRAM, "8.8.8.8", 54, NULL), EPERM);
	assert_int_equal(connects(SOCK_DGRAM, "::ffff:8.8.8.8", 54, NULL), EPERM);
	refused_expect(TO_OTHERS, 2);
}

static void test_allowed_connection_counts_once(void **state)
{
	static const char *const hosts[] = { "192.0.2.1", "2001:db8:1::1", "::ffff:192.0.2.1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		int fd = -1;

		reset();
		assert_int_equal(connects(SOCK_STREAM, hosts[i], 5432, &fd), 0);
		for (int n = 0; n < 20; n++)
			assert_true(echoes(fd));
		close(fd);
		assert_int_equal(policy_world_count(world, TO_DB).allowed, 1);
	}
}

static void test_sendmsg_hears_its_errno(void **state)
{
	int ipv4 = socket(AF_INET, SOCK_DGRAM, 0), ipv6 = socket(AF_INET6, SOCK_DGRAM, 0);

	(void)state;
	reset();
	assert_int_equal(sends_to(ipv4, "8.8.8.8", 54, 0), EPERM);
	assert_int_equal(sends_to(ipv6, "2001:4860::8", 54, 0), EPERM);
	assert_int_equal(sends_to(ipv6, "::ffff:8.8.8.8", 54, 0), EPERM);
	assert_int_equal(sends_to(ipv4, "198.51.100.9", 53, 0), ECONNREFUSED);
	refused_expect(TO_OTHERS, 3);
	close(ipv4);
	close(ipv6);
}

static void test_datagrams_and_their_replies_pass(void **state)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	char text[8];

	(void)state;
	reset();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(sends_to(fd, i % 2 ? "2001:4860::8" : "::ffff:8.8.8.8", 53, 0), 0);
		assert_true(readable(fd));
		assert_int_equal(recv(fd, text, sizeof(text), 0), 4);
	}
	assert_int_equal(sends_to(fd, "2001:4860::8", 54, 0), EPERM);
	close(fd);
	assert_int_equal(policy_world_count(world, TO_OTHERS_DNS).allowed, 2);
}

static void test_fast_open_is_refused(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	reset();
	assert_int_equal(sends_to(fd, "192.0.2.1", 5440, MSG_FASTOPEN), EPERM);
	close(fd);
}

static void test_mptcp_is_judged_as_tcp(void **state)
{
	struct sockaddr_storage address;
	socklen_t size = address_of("192.0.2.1", 5440, &address);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	(void)state;
	if (fd < 0)
		skip(); /* not in this kernel */
	reset();
	assert_int_equal(connect(fd, (void *)&address, size), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
}

static void test_own_addresses_pass(void **state)
{
	int listener = -1, fd = -1;

	(void)state;
	reset();
	assert_int_equal(binds(SOCK_STREAM, "::", 5441, &listener), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(connects(SOCK_STREAM, "127.0.0.1", 5441, &fd), 0);
	close(fd);
	assert_int_equal(connects(SOCK_STREAM, "::1", 5441, &fd), 0);
	close(fd);
	assert_int_equal(connects(SOCK_STREAM, CONTAINER_IPV4, 5441, &fd), 0);
	close(fd);
	close(listener);
}

static void test_what_is_audited_passes(void **state)
{
	int fd = -1;

	(void)state;
	reset();
	assert_int_equal(connects(SOCK_STREAM, "203.0.113.9", 80, &fd), 0);
	assert_true(echoes(fd));
	close(fd);
	refused_expect(TO_WATCHED, 0);
	assert_true(policy_world_count(world, TO_WATCHED).audited > 1);
}

/* ---- who comes ------------------------------------------------------------------------------- */

static void streams_echo(int fd)
{
	char text[64];
	ssize_t bytes;
	int child;

	while ((child = accept(fd, NULL, NULL)) >= 0) {
		while ((bytes = recv(child, text, sizeof(text), 0)) > 0)
			send(child, text, bytes, MSG_NOSIGNAL);
		close(child);
	}
}

static void datagrams_echo(int fd)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char text[64];
	ssize_t bytes;

	while ((bytes = recvfrom(fd, text, sizeof(text), 0, (void *)&from, &size)) >= 0) {
		sendto(fd, text, bytes, 0, (void *)&from, size);
		size = sizeof(from);
	}
}

/* A server of the container, in a process of its own. */
static pid_t server_open(int type, const char *at, uint16_t port)
{
	int fd = -1;
	pid_t pid;

	assert_int_equal(binds(type, at, port, &fd), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (type == SOCK_STREAM)
		streams_echo(fd);
	else
		datagrams_echo(fd);
	exit(1);
}

static void server_close(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_server_answers_who_may_come(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		pid_t allowed = server_open(types[i], "::", 80);
		pid_t refused = server_open(types[i], "::", 81);

		reset();
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			assert_true(peer_asks(ipv6, types[i] == SOCK_STREAM, 80));
			assert_false(peer_asks(ipv6, types[i] == SOCK_STREAM, 81));
		}
		server_close(allowed);
		server_close(refused);
		assert_int_equal(policy_world_count(world, types[i] == SOCK_STREAM
							   ? FROM_OTHERS_HTTP
							   : FROM_OTHERS_QUIC).allowed, 2);
		assert_true(policy_world_count(world, FROM_OTHERS).refused >= 2);
	}
}

static void test_new_rules_stop_what_they_refuse(void **state)
{
	static const struct rule stricter[] = {
		{ DB, true, IPPROTO_TCP, 5432, 5432, POLICY_DENY, false },
	};
	int forbidden = -1, allowed = -1;

	(void)state;
	reset();
	assert_int_equal(connects(SOCK_STREAM, "192.0.2.1", 5432, &forbidden), 0);
	assert_int_equal(connects(SOCK_STREAM, "203.0.113.9", 80, &allowed), 0);
	assert_true(echoes(forbidden) && echoes(allowed));
	policy_world_fill(world, 1, stricter, ARRAY_SIZE(stricter));
	policy_world_turn(world, 1);
	assert_false(echoes(forbidden));
	assert_true(echoes(allowed));
	policy_world_turn(world, 0);
	close(forbidden);
	close(allowed);
}

/* ---- sockets of others ----------------------------------------------------------------------- */

static void test_socket_from_before_is_known_by_its_cgroup(void **state)
{
	int fd = -1, older = -1;

	(void)state;
	reset();
	policy_world_detach(world);
	assert_int_equal(connects(SOCK_STREAM, "192.0.2.1", 5432, &fd), 0);
	assert_int_equal(connects(SOCK_STREAM, "192.0.2.1", 5440, &older), 0);
	policy_world_attach(world);
	assert_true(echoes(fd));
	close(fd);
	close(older);
}

static void test_task_that_left_keeps_its_sockets_group(void **state)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), free;

	(void)state;
	reset();
	assert_int_equal(sends_to(fd, "8.8.8.8", 54, 0), EPERM);
	assert_int_equal(policy_world_leave(), 0);
	free = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(sends_to(fd, "8.8.8.8", 54, 0), EPERM);
	assert_int_equal(sends_to(free, "8.8.8.8", 54, 0), 0);
	assert_int_equal(policy_world_join(), 0);
	close(fd);
	close(free);
}

static void test_namespace_is_a_group(void **state)
{
	(void)state;
	reset();
	policy_world_member(world, "policy_cgroups", world->cgroup, POLICY_SET_NONE);
	policy_world_turn(world, 0);
	assert_int_equal(connects(SOCK_DGRAM, "8.8.8.8", 54, NULL), 0);
	policy_world_member(world, "policy_netns", world->cookie, BATCH_SET);
	policy_world_turn(world, 0);
	assert_int_equal(connects(SOCK_DGRAM, "8.8.8.8", 54, NULL), EPERM);
	policy_world_member(world, "policy_netns", world->cookie, POLICY_SET_NONE);
	policy_world_member(world, "policy_cgroups", world->cgroup, FRONT_SET);
	policy_world_turn(world, 0);
}

static void test_namespace_is_learnt_by_a_call(void **state)
{
	int fd = -1;

	(void)state;
	reset();
	policy_world_detach(world);
	assert_int_equal(connects(SOCK_DGRAM, "192.0.2.1", 54, &fd), 0);
	policy_world_attach(world);
	policy_world_member(world, "policy_cgroups", world->cgroup, POLICY_SET_NONE);
	policy_world_member(world, "policy_netns", world->cookie, BATCH_SET);
	policy_world_turn(world, 0);
	assert_true(echoes(fd)); /* older, and by packets alone its namespace is not known */
	assert_int_equal(sends_to(fd, "192.0.2.1", 54, 0), EPERM);
	assert_int_equal(send(fd, "ping", 4, 0), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
	policy_world_member(world, "policy_netns", world->cookie, POLICY_SET_NONE);
	policy_world_member(world, "policy_cgroups", world->cgroup, FRONT_SET);
	policy_world_turn(world, 0);
}

/* ---- raw sockets ----------------------------------------------------------------------------- */

/* Of a connection that its socket knows nothing of. */
static int segment_send(int fd, const char *to, uint16_t port)
{
	struct tcphdr tcp = { .source = htons(4000), .dest = htons(port), .doff = 5, .syn = 1 };
	struct sockaddr_storage address;
	socklen_t size = address_of(to, 0, &address);

	return sendto(fd, &tcp, sizeof(tcp), 0, (void *)&address, size) == sizeof(tcp) ? 0 : errno;
}

static void test_raw_socket_is_no_connection(void **state)
{
	static const char *const allowed[] = { "192.0.2.1", "2001:db8:1::1" };
	static const char *const denied[] = { "8.8.8.8", "2001:4860::8" };

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int fd = socket(family_of(allowed[ipv6]), SOCK_RAW, IPPROTO_TCP);

		reset();
		assert_true(fd >= 0);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(segment_send(fd, allowed[ipv6], 5432), 0);
			assert_int_equal(segment_send(fd, denied[ipv6], 5432), EPERM);
			assert_int_equal(segment_send(fd, allowed[ipv6], 5440), EPERM);
		}
		close(fd);
		refused_expect(TO_OTHERS, 3);
		refused_expect(TO_DB_REST, 3);
	}
}

/* ---- bind and socket ------------------------------------------------------------------------- */

static void test_bind_takes_only_its_ports(void **state)
{
	struct policy_sockets sockets = { .bind_count = 2, .bind = {
		{ .first = 8080, .last = 8089 },
		{ .address = { [10] = 0xff, [11] = 0xff, [12] = 127 }, .prefix_len = 104,
		  .last = 65535 } } };

	(void)state;
	reset();
	sockets.bind_verdict = POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0);
	policy_world_sockets(world, FRONT_SET, &sockets);
	assert_int_equal(binds(SOCK_STREAM, "0.0.0.0", 8080, NULL), 0);
	assert_int_equal(binds(SOCK_DGRAM, "::", 8089, NULL), 0);
	assert_int_equal(binds(SOCK_STREAM, "0.0.0.0", 0, NULL), 0);
	assert_int_equal(binds(SOCK_STREAM, "127.0.0.1", 9000, NULL), 0);
	assert_int_equal(binds(SOCK_STREAM, "::ffff:127.0.0.1", 9000, NULL), 0);
	assert_int_equal(binds(SOCK_STREAM, "0.0.0.0", 8090, NULL), EPERM);
	assert_int_equal(binds(SOCK_STREAM, "::", 8079, NULL), EPERM);
	assert_int_equal(binds(SOCK_DGRAM, CONTAINER_IPV4, 9000, NULL), EPERM);
	refused_expect(POLICY_RULE_SOCKETS, 3);
}

static int creates(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol), err = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static void test_socket_kinds_are_denied(void **state)
{
	struct policy_sockets sockets = { .deny = POLICY_SOCKET_RAW | POLICY_SOCKET_MPTCP |
						  POLICY_SOCKET_IPV6 };

	(void)state;
	reset();
	sockets.verdict[0] = POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0);
	sockets.verdict[3] = POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0);
	sockets.verdict[8] = POLICY_VERDICT(POLICY_RULE_SOCKETS - 1, POLICY_DENY, 1);
	policy_world_sockets(world, FRONT_SET, &sockets);
	assert_int_equal(creates(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	assert_int_equal(creates(AF_INET, SOCK_STREAM, 0), 0);
	assert_int_equal(creates(AF_UNIX, SOCK_STREAM, 0), 0);
	assert_int_equal(creates(AF_INET6, SOCK_DGRAM, 0), 0);
	assert_int_equal(creates(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM);
	refused_expect(POLICY_RULE_SOCKETS, 2);
	assert_true(policy_world_count(world, POLICY_RULE_SOCKETS - 1).audited >= 1);
}

/* ---- packet sockets -------------------------------------------------------------------------- */

static void frame_send(uint16_t ethertype)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6,
				  .sll_ifindex = (int)if_nametoindex("container") };
	uint8_t frame[60] = { 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	memcpy(frame, peer_mac, 6);
	memcpy(frame + 6, container_mac, 6);
	frame[12] = ethertype >> 8;
	frame[13] = ethertype & 0xff;
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (void *)&to, sizeof(to)),
			 sizeof(frame));
	close(fd);
}

static void strict_set(bool strict)
{
	struct policy_port port = { .netns = world->cookie, .set = FRONT_SET, .strict = strict };

	memcpy(port.mac, container_mac, 6);
	policy_world_port(world, outside, &port);
}

static void test_strict_veth_stops_packet_sockets(void **state)
{
	struct policy_sockets sockets = { .deny = POLICY_SOCKET_PACKET };
	int fd = -1;

	(void)state;
	reset();
	strict_set(false);
	frame_send(0x88b5);
	assert_int_equal(peer_frames(), 1);
	sockets.verdict[1] = POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0);
	policy_world_sockets(world, FRONT_SET, &sockets);
	strict_set(true);
	frame_send(0x88b5);
	frame_send(ETH_P_IP); /* its MACs are right, its socket is not */
	assert_int_equal(peer_frames(), 0);
	refused_expect(POLICY_RULE_SOCKETS, 2);
	assert_int_equal(connects(SOCK_STREAM, "192.0.2.1", 5432, &fd), 0);
	assert_true(echoes(fd));
	close(fd);
	refused_expect(POLICY_RULE_SOCKETS, 2);
}

static void test_veth_stops_who_is_in_no_cgroup(void **state)
{
	int fd;

	(void)state;
	reset();
	strict_set(false);
	assert_int_equal(policy_world_leave(), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(sends_to(fd, "8.8.8.8", 54, 0), 0);
	assert_false(readable(fd));
	refused_expect(TO_OTHERS, 1);
	assert_int_equal(sends_to(fd, "8.8.8.8", 53, 0), 0);
	assert_true(readable(fd));
	assert_int_equal(policy_world_join(), 0);
	close(fd);
}

static void test_veth_passes_members_of_other_groups(void **state)
{
	struct policy_port port = { .netns = world->cookie, .set = BATCH_SET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	reset();
	policy_world_batch(world);
	policy_world_port(world, outside, &port);
	assert_int_equal(sends_to(fd, "8.8.8.8", 53, 0), 0);
	assert_true(readable(fd));
	refused_expect(TO_OFFICE, 0);
	assert_int_equal(policy_world_leave(), 0);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(sends_to(fd, "8.8.8.8", 53, 0), 0);
	assert_false(readable(fd)); /* the port's group may not */
	refused_expect(TO_OFFICE, 1);
	assert_int_equal(policy_world_join(), 0);
	close(fd);
	policy_world_fill(world, 0, rules, RULES);
	strict_set(false);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int up(void **state)
{
	uint64_t cookie;
	socklen_t size = sizeof(cookie);
	int fd;

	(void)state;
	world = policy_world_open();
	outside = peer_open(bpf_program__fd(world->skel->progs.policy_backstop));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &size), 0);
	close(fd);
	world->cookie = cookie;
	policy_world_fill(world, 0, rules, RULES);
	policy_world_place(world, CONTAINER_IPV4 "/32", DB, cookie);
	policy_world_place(world, CONTAINER_IPV6 "/128", DB, cookie);
	policy_world_turn(world, 0);
	policy_world_attach(world);
	return 0;
}

static int down(void **state)
{
	(void)state;
	peer_close();
	policy_world_close(world);
	return 0;
}

static int tests(void)
{
	static const struct CMUnitTest list[] = {
		cmocka_unit_test(test_connect_hears_its_errno),
		cmocka_unit_test(test_allowed_connection_counts_once),
		cmocka_unit_test(test_sendmsg_hears_its_errno),
		cmocka_unit_test(test_datagrams_and_their_replies_pass),
		cmocka_unit_test(test_fast_open_is_refused),
		cmocka_unit_test(test_mptcp_is_judged_as_tcp),
		cmocka_unit_test(test_own_addresses_pass),
		cmocka_unit_test(test_what_is_audited_passes),
		cmocka_unit_test(test_server_answers_who_may_come),
		cmocka_unit_test(test_new_rules_stop_what_they_refuse),
		cmocka_unit_test(test_socket_from_before_is_known_by_its_cgroup),
		cmocka_unit_test(test_task_that_left_keeps_its_sockets_group),
		cmocka_unit_test(test_namespace_is_a_group),
		cmocka_unit_test(test_namespace_is_learnt_by_a_call),
		cmocka_unit_test(test_raw_socket_is_no_connection),
		cmocka_unit_test(test_bind_takes_only_its_ports),
		cmocka_unit_test(test_socket_kinds_are_denied),
		cmocka_unit_test(test_strict_veth_stops_packet_sockets),
		cmocka_unit_test(test_veth_stops_who_is_in_no_cgroup),
		cmocka_unit_test(test_veth_passes_members_of_other_groups),
	};

	return cmocka_run_group_tests_name("policy_sockets", list, up, down);
}

int main(void)
{
	return policy_world_run(tests);
}
