/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting a container's connections, against the real kernel: sockets of both families, in the
 * states that count and in those that do not. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lb/watch/sockets.h"
#include "tests/unit/net_ground.h"

#define MANY 8000	/* with both ends here, below the usual limits of a process */

/* Sockets of the container's namespace, made by this process. */
static void there(bool enter)
{
	static int home = -1;
	char path[64];
	int fd;

	if (home < 0)
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", container);
	fd = enter ? open(path, O_RDONLY | O_CLOEXEC) : home;
	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	close(fd);
	if (!enter)
		home = -1;
}

static socklen_t sockaddr_of(const char *address, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, address, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		return sizeof(*ipv4);
	}
	assert_int_equal(inet_pton(AF_INET6, address, &ipv6->sin6_addr), 1);
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	return sizeof(*ipv6);
}

/* In the namespace that this thread is in. */
static int listener(const char *address, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t size = sockaddr_of(address, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

static int connected(const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t size = sockaddr_of(address, port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
	return fd;
}

static uint64_t counted(const char *address, uint16_t first, uint16_t last)
{
	const struct socket_end end = { parsed(address), first, last };
	uint64_t count = UINT64_MAX;

	assert_int_equal(sockets_count(net, link_of("veth-a"), &end, 1, &count), 0);
	return count;
}

static void connections_are_counted_by_address_and_port(void **state)
{
	const struct socket_end two[] = { { parsed("10.2.0.2"), 8080, 8080 },
					  { parsed("10.2.0.2"), 9000, 9000 } };
	int clients[6], servers[3];
	uint64_t count;

	(void)state;
	make_container_link();
	there(true);
	servers[0] = listener("::", 8080);
	servers[1] = listener("0.0.0.0", 9000);
	servers[2] = listener("fd02::2", 9000);
	there(false);
	/* A listener for both families, one for IPv4, one for IPv6. */
	clients[0] = connected("10.2.0.2", 8080);
	clients[1] = connected("10.2.0.2", 8080);
	clients[2] = connected("fd02::2", 8080);
	clients[3] = connected("10.2.0.2", 9000);
	clients[4] = connected("fd02::2", 9000);
	clients[5] = connected("fd02::2", 9000);
	assert_int_equal(counted("10.2.0.2", 8080, 8080), 2);
	assert_int_equal(counted("fd02::2", 8080, 8080), 1);
	assert_int_equal(counted("10.2.0.2", 9000, 9000), 1);
	assert_int_equal(counted("fd02::2", 9000, 9000), 2);
	assert_int_equal(counted("10.2.0.2", 8000, 9000), 3);
	assert_int_equal(counted("10.2.0.2", 8081, 8999), 0);
	assert_int_equal(counted("fd02::2", 0, UINT16_MAX), 3);
	assert_int_equal(counted("10.2.0.9", 8080, 8080), 0);
	assert_int_equal(sockets_count(net, link_of("veth-a"), two, 2, &count), 0);
	assert_int_equal(count, 3);
	/* Neither those of this namespace, which have the same ports at their far ends. */
	assert_int_equal(counted("10.2.0.1", 0, UINT16_MAX), 0);
	for (int i = 0; i < 6; i++)
		close(clients[i]);
	for (int i = 0; i < 3; i++)
		close(servers[i]);
}

static void a_connection_counts_until_both_have_closed(void **state)
{
	int server, client, accepted;
	long deadline;

	(void)state;
	make_container_link();
	there(true);
	server = listener("10.2.0.2", 8080);
	there(false);
	assert_int_equal(counted("10.2.0.2", 8080, 8080), 0);
	client = connected("10.2.0.2", 8080);
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(counted("10.2.0.2", 8080, 8080), 1);
	/* The container's end is LAST_ACK for a moment; the client's TIME_WAIT is not there. */
	close(accepted);
	deadline = now_ms() + WAIT_MS;
	while (counted("10.2.0.2", 8080, 8080) && now_ms() < deadline)
		usleep(1000);
	assert_int_equal(counted("10.2.0.2", 8080, 8080), 0);
	close(client);
	close(server);
}

static void what_is_no_veth_has_no_container(void **state)
{
	const struct socket_end end = { parsed("10.2.0.2"), 80, 80 };
	uint64_t count = 7;

	(void)state;
	run("ip link add br0 type bridge");
	read_view();
	assert_int_equal(sockets_count(net, link_of("br0"), &end, 1, &count), -EINVAL);
	assert_int_equal(count, 7);
}

/* The daemon waits for it: a generous bound, the figure is printed. */
static void many_connections_are_counted_in_no_time(void **state)
{
	static int clients[MANY], accepted[MANY];
	struct rlimit files;
	long begin, spent;
	int server;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 2 * MANY + 100) {
		print_message("           not measured: a process may have %lu files only\n",
			      (unsigned long)files.rlim_cur);
		skip();
	}
	make_container_link();
	run("sysctl -qw net.ipv4.ip_local_port_range='2000 65000'");
	run_there("sysctl -qw net.core.somaxconn=4096");
	there(true);
	server = listener("::", 1080);
	there(false);
	begin = now_ms();
	assert_int_equal(counted("10.2.0.2", 1080, 1080), 0);
	spent = now_ms() - begin;
	for (int i = 0; i < MANY; i++) {
		clients[i] = connected("10.2.0.2", 1080);
		if (i % 2000 == 1999) /* before the backlog is full */
			for (int j = i - 1999; j <= i; j++)
				accepted[j] = accept(server, NULL, NULL);
	}
	begin = now_ms();
	assert_int_equal(counted("10.2.0.2", 1080, 1080), MANY);
	print_message("           none: %ld ms; %d connections: %ld ms\n", spent, MANY,
		      now_ms() - begin);
	assert_in_range(now_ms() - begin, 0, 1000);
	for (int i = 0; i < MANY; i++) {
		close(clients[i]);
		close(accepted[i]);
	}
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUND_TEST(connections_are_counted_by_address_and_port),
		GROUND_TEST(a_connection_counts_until_both_have_closed),
		GROUND_TEST(what_is_no_veth_has_no_container),
		GROUND_TEST(many_connections_are_counted_in_no_time),
	};

	return cmocka_run_group_tests_name("sockets", tests, ground_make_private, NULL);
}
