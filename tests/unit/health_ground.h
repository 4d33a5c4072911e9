/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of health checks: a network namespace of its own for every test, one loop
 * in which both the checks and the backends run, and backends that answer as they are told. All
 * of 127.0.0.0/8 is a backend's address here. For one test program each: it defines the state that
 * its tests share. */
#ifndef TESTS_UNIT_HEALTH_GROUND_H
#define TESTS_UNIT_HEALTH_GROUND_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lb/watch/health.h"

#define HTTP CONFIG_CHECK_HTTP
#define TCP  CONFIG_CHECK_TCP

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define WAIT_MS	      15000
#define REQUEST_MAX   512
#define GOOD_ANSWER   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define FAULTY_ANSWER "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

static struct event_base *loop;
static struct event *tick;	/* so that conditions that make no event are seen too */
static struct health *health;
static unsigned int changes;	/* calls of the callback */
static int files_before;

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline void on_tick(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what, (void)data;
}

static inline void on_changed(void *data)
{
	(void)data;
	changes++;
}

static inline void turn_before(long deadline, const char *awaited)
{
	if (now_ms() > deadline)
		fail_msg("not within %d ms: %s", WAIT_MS, awaited);
	event_base_loop(loop, EVLOOP_ONCE);
}

#define wait_until(condition)                                   \
	do {                                                    \
		long deadline_ = now_ms() + WAIT_MS;            \
                                                                \
		while (!(condition))                            \
			turn_before(deadline_, #condition);     \
	} while (0)

/* ---- targets -------------------------------------------------------------------------------- */

static inline struct addr parsed(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static inline struct health_target target_of(enum config_check_type type, const char *backend,
					     const char *address, uint16_t port)
{
	static char path[] = "/healthz";
	struct health_target target = {
		.service = "web",
		.address = parsed(address),
		.port = port,
		.check = {
			.type = type,
			.every_ms = 20,
			.timeout_ms = 5000,
			.fall = 1,
			.rise = 1,
			.path = path,
			.expect_min = 200,
			.expect_max = 299,
		},
	};

	snprintf(target.backend, sizeof(target.backend), "%s", backend);
	return target;
}

static inline void set_targets(const struct health_target *targets, size_t count)
{
	assert_int_equal(health_set(health, targets, count), 0);
}

static inline struct health_result result_of(const struct health_target *target)
{
	struct health_result result;

	health_get(health, target->service, target->backend, &target->address, &result);
	return result;
}

static inline bool is_known(const struct health_target *target)
{
	return result_of(target).known;
}

static inline bool is_up(const struct health_target *target)
{
	return is_known(target) && result_of(target).up;
}

static inline bool is_down(const struct health_target *target)
{
	return is_known(target) && !result_of(target).up;
}

/* ---- backends ------------------------------------------------------------------------------- */

struct server {
	struct event_base *base;
	int fd;
	struct event *event;
	unsigned int accepted, requests, open, open_max;
	const char *answer;	/* "" for none */
	bool hold;		/* the connection stays open after the answer */
	void (*on_request)(struct server *server);	/* before the answer; may change it */
	/* the last one: its text, the connection it came by, and our address on that */
	char request[REQUEST_MAX];
	int request_fd;
	struct addr request_to;
};

struct connection {
	struct server *server;
	struct event *event;
	int fd;
	size_t size;
	bool answered;
	char request[REQUEST_MAX];
};

static inline void end_connection(struct connection *connection)
{
	connection->server->open--;
	event_free(connection->event);
	close(connection->fd);
	free(connection);
}

static inline void on_readable(evutil_socket_t fd, short what, void *data)
{
	struct connection *connection = data;
	struct server *server = connection->server;
	struct sockaddr_in6 to;
	socklen_t size = sizeof(to);
	ssize_t got = read(fd, connection->request + connection->size,
			   REQUEST_MAX - 1 - connection->size);

	(void)what;
	if (got <= 0) {
		end_connection(connection);
		return;
	}
	connection->size += (size_t)got;
	if (connection->answered || !strstr(connection->request, "\r\n\r\n"))
		return;
	connection->answered = true;
	server->requests++;
	server->request_fd = fd;
	getsockname(fd, (struct sockaddr *)&to, &size);
	server->request_to = addr_from_ipv6(&to.sin6_addr);
	memcpy(server->request, connection->request, REQUEST_MAX);
	if (server->on_request)
		server->on_request(server);
	got = send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
	(void)got; /* who has gone meanwhile is told by the next read */
	if (!server->hold)
		end_connection(connection);
}

static inline void on_accept(evutil_socket_t fd, short what, void *data)
{
	struct server *server = data;
	struct connection *connection;
	int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (accepted < 0)
		return;
	connection = calloc(1, sizeof(*connection));
	connection->server = server;
	connection->fd = accepted;
	connection->event = event_new(server->base, accepted, EV_READ | EV_PERSIST, on_readable,
				      connection);
	event_add(connection->event, NULL);
	server->accepted++;
	if (++server->open > server->open_max)
		server->open_max = server->open;
}

/* On every address of the namespace; `backlog` as of listen(2). */
static inline int listen_on(uint16_t port, int backlog)
{
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int one = 1;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline void server_open(struct server *server, struct event_base *base, uint16_t port)
{
	*server = (struct server){ .base = base, .answer = GOOD_ANSWER };
	server->fd = listen_on(port, 4096);
	server->event = event_new(base, server->fd, EV_READ | EV_PERSIST, on_accept, server);
	event_add(server->event, NULL);
}

/* With health closed, whoever was connected is gone: the loop only has to hear of it. */
static inline void server_close(struct server *server)
{
	event_free(server->event);
	close(server->fd);
	wait_until(!server->open);
}

/* A port that takes no SYN: its one place is taken. Both descriptors are the caller's. */
static inline void deaf_open(uint16_t port, int ret_fds[2])
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	ret_fds[0] = listen_on(port, 0);
	ret_fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ret_fds[1], (const struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void deaf_close(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* ---- before and after ----------------------------------------------------------------------- */

static inline int ground_setup(void **state)
{
	static const struct timeval grain = { .tv_usec = 5000 };

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: namespaces need root\n");
		exit(77);
	}
	if (unshare(CLONE_NEWNET))
		return -1;
	run("ip link set lo up");
	files_before = open_files();
	loop = event_base_new();
	tick = event_new(loop, -1, EV_PERSIST, on_tick, NULL);
	event_add(tick, &grain);
	changes = 0;
	return health_open(loop, on_changed, NULL, &health);
}

static inline void close_health(void)
{
	health_close(health);
	health = NULL;
}

/* Every test also shows that no descriptor is left. */
static inline int ground_teardown(void **state)
{
	(void)state;
	close_health();
	event_free(tick);
	event_base_free(loop);
	assert_int_equal(open_files(), files_before);
	return 0;
}

#define HEALTH_TEST(name) cmocka_unit_test_setup_teardown(name, ground_setup, ground_teardown)

#endif
