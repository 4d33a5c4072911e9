/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A runtime that does as it is told: it answers, or is silent, slow, cut short or not HTTP at all.
 * It runs in the same loop as the one that asks it, so nothing here depends on threads. */
#ifndef TESTS_UNIT_RUNTIME_GROUND_H
#define TESTS_UNIT_RUNTIME_GROUND_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/mem.h"
#include "lb/watch/runtime.h"

#define PATIENCE_MS 20000
#define PEERS_MAX   64

enum manner { WELL, SILENT, DRIP, CUT, STATUS, NOT_HTTP, CLOSE, HELD };

struct route {
	enum manner manner;
	const char *body;	/* of the caller */
	size_t asked;
};

struct peer {
	struct server *server;
	struct bufferevent *events;
	bool stream;		/* it was told that its stream has begun */
	bool held;		/* waits for the list */
	struct event *drip;
	char *rest;		/* of what drips */
	size_t told;
};

struct server {
	struct event_base *loop;
	struct evconnlistener *listener;
	char path[64];
	struct route events, list, single;
	const char *singles[8][2]; /* id, body; another id is 404 */
	struct peer peers[PEERS_MAX];
	size_t accepted;
};

static inline void peer_close(struct peer *peer)
{
	if (!peer->events)
		return;
	bufferevent_free(peer->events);
	if (peer->drip)
		event_free(peer->drip);
	free(peer->rest);
	*peer = (struct peer){ .server = peer->server };
}

static inline void on_drip(evutil_socket_t fd, short what, void *data)
{
	struct peer *peer = data;

	(void)fd, (void)what;
	if (peer->rest[peer->told])
		bufferevent_write(peer->events, &peer->rest[peer->told++], 1);
}

static inline void on_written(struct bufferevent *events, void *data)
{
	(void)events;
	peer_close(data);
}

static inline void peer_end_when_written(struct peer *peer)
{
	bufferevent_setcb(peer->events, NULL, on_written, NULL, peer);
	bufferevent_disable(peer->events, EV_READ);
}

static inline void answer_say(struct peer *peer, const struct route *route, const char *body,
			      int status)
{
	struct evbuffer *to = bufferevent_get_output(peer->events);
	struct timeval tick = { .tv_usec = 2000 };
	size_t length = strlen(body);

	switch (route->manner) {
	case SILENT:
	case HELD:
		peer->held = route->manner == HELD;
		return;
	case CLOSE:
		bufferevent_disable(peer->events, EV_READ);
		peer_close(peer);
		return;
	case NOT_HTTP:
		evbuffer_add_printf(to, "\1\2\3 %s", body);
		peer_end_when_written(peer);
		return;
	case DRIP:
		peer->rest = mem_must(malloc(length + 128));
		sprintf(peer->rest, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", length,
			body);
		peer->drip = event_new(peer->server->loop, -1, EV_PERSIST, on_drip, peer);
		event_add(peer->drip, &tick);
		return;
	default:
		evbuffer_add_printf(to, "HTTP/1.1 %d So\r\nContent-Length: %zu\r\n\r\n",
				    route->manner == STATUS ? 500 : status, length);
		evbuffer_add(to, body, route->manner == CUT ? length / 2 : length);
		if (route->manner == CUT)
			peer_end_when_written(peer);
	}
}

static inline void single_say(struct peer *peer, const char *path)
{
	struct server *server = peer->server;

	server->single.asked++;
	for (size_t i = 0; i < 8 && server->singles[i][0]; i++)
		if (!strncmp(path + strlen("/containers/"), server->singles[i][0],
			     strlen(server->singles[i][0]))) {
			answer_say(peer, &server->single, server->singles[i][1], 200);
			return;
		}
	answer_say(peer, &server->single, "{\"message\":\"No such container\"}", 404);
}

static inline void on_request(struct bufferevent *events, void *data)
{
	struct evbuffer *from = bufferevent_get_input(events);
	struct peer *peer = data;
	struct server *server = peer->server;
	char line[256];
	size_t length;

	if (!evbuffer_search(from, "\r\n\r\n", 4, NULL).pos &&
	    memcmp(evbuffer_pullup(from, -1), "GET ", 4))
		return;
	length = (size_t)evbuffer_copyout(from, line, sizeof(line) - 1);
	line[length] = '\0';
	evbuffer_drain(from, evbuffer_get_length(from));
	assert_memory_equal(line, "GET /", 5);
	if (!strncmp(line + 4, "/events?", 8)) {
		server->events.asked++;
		if (server->events.manner != WELL) {
			answer_say(peer, &server->events, "", 200);
			return;
		}
		peer->stream = true;
		evbuffer_add_printf(bufferevent_get_output(events),
				    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	} else if (!strncmp(line + 4, "/containers/json?all=1 ", 23)) {
		server->list.asked++;
		answer_say(peer, &server->list, server->list.body, 200);
	} else {
		single_say(peer, line + 4);
	}
}

static inline void on_peer_end(struct bufferevent *events, short what, void *data)
{
	(void)events, (void)what;
	peer_close(data);
}

static inline void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
			     struct sockaddr *address, int length, void *data)
{
	struct server *server = data;
	struct peer *peer = server->peers;

	(void)listener, (void)address, (void)length;
	server->accepted++;
	while (peer->events)
		assert_ptr_not_equal(++peer, server->peers + PEERS_MAX);
	peer->server = server;
	peer->events = bufferevent_socket_new(server->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(peer->events, on_request, NULL, on_peer_end, peer);
	bufferevent_enable(peer->events, EV_READ | EV_WRITE);
}

static inline void server_listen(struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, server->path);
	server->listener = evconnlistener_new_bind(server->loop, on_accept, server,
						   LEV_OPT_CLOSE_ON_FREE, 16,
						   (struct sockaddr *)&address, sizeof(address));
	assert_non_null(server->listener);
}

static inline void server_close(struct server *server)
{
	if (server->listener)
		evconnlistener_free(server->listener);
	server->listener = NULL;
	unlink(server->path);
	for (size_t i = 0; i < PEERS_MAX; i++)
		peer_close(&server->peers[i]);
}

/* To every stream there is. */
static inline void server_event(struct server *server, const char *text)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].stream)
			evbuffer_add_printf(bufferevent_get_output(server->peers[i].events),
					    "%zx\r\n%s\r\n", strlen(text), text);
}

static inline void server_streams_end(struct server *server)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].stream)
			peer_close(&server->peers[i]);
}

/* What was held goes out now, as the list is now. */
static inline void server_release(struct server *server)
{
	server->list.manner = WELL;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].held)
			answer_say(&server->peers[i], &server->list, server->list.body, 200);
}

/* ---- the one that asks ---------------------------------------------------------------------- */

struct ground {
	struct server server;
	struct runtime *runtime;
	struct event *tick;
	size_t changes;
};

static const struct runtime_times quick = {
	.answer = 300, .pause_min = 5, .pause_max = 40, .list_soon = 20, .list = 50,
};

/* Lists are asked for when something happens, and at no other time. */
static const struct runtime_times unhurried = {
	.answer = PATIENCE_MS, .pause_min = 5, .pause_max = 40,
	.list_soon = 10 * PATIENCE_MS, .list = 10 * PATIENCE_MS,
};

static inline void on_changed(void *data)
{
	struct ground *ground = data;

	ground->changes++;
}

static inline void on_tick(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what, (void)data;
}

static inline int setup(void **state)
{
	struct timeval tick = { .tv_usec = 2000 };
	struct ground *ground = mem_array(1, sizeof(*ground));

	signal(SIGPIPE, SIG_IGN); /* as lbd does */
	ground->server.loop = event_base_new();
	snprintf(ground->server.path, sizeof(ground->server.path), "/tmp/elbt-runtime-%d",
		 getpid());
	unlink(ground->server.path);
	ground->server.list.body = "[]";
	ground->tick = event_new(ground->server.loop, -1, EV_PERSIST, on_tick, NULL);
	event_add(ground->tick, &tick);
	*state = ground;
	return 0;
}

static inline int teardown(void **state)
{
	struct ground *ground = *state;

	runtime_close(ground->runtime);
	server_close(&ground->server);
	event_free(ground->tick);
	event_base_free(ground->server.loop);
	free(ground);
	return 0;
}

static inline void ask(struct ground *ground, const struct runtime_times *times)
{
	assert_int_equal(runtime_open(ground->server.loop, ground->server.path, on_changed, ground,
				      &ground->runtime), 0);
	runtime_set_times(ground->runtime, times);
}

static inline int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define WAIT(ground, condition)                                                            \
	do {                                                                               \
		int64_t wait_end = clock_ms() + PATIENCE_MS;                               \
		while (!(condition)) {                                                     \
			assert_true(clock_ms() < wait_end);                                \
			event_base_loop((ground)->server.loop, EVLOOP_ONCE);               \
		}                                                                          \
	} while (0)

/* NULL: none of that name. */
static inline const struct container *named(struct ground *ground, const char *name)
{
	struct containers all;

	all.list = (struct container *)runtime_containers(ground->runtime, &all.count);
	return containers_by_name(&all, name);
}

static inline size_t count_of(struct ground *ground)
{
	size_t count;

	runtime_containers(ground->runtime, &count);
	return count;
}

static inline bool running(struct ground *ground, const char *name)
{
	const struct container *container = named(ground, name);

	return container && container->running;
}

static inline bool connected(struct ground *ground)
{
	return !runtime_reason(ground->runtime)[0];
}

/* ---- what it is told ------------------------------------------------------------------------- */

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define NETWORKS(address) "\"NetworkSettings\":{\"SandboxKey\":\"/run/docker/netns/1\"," \
	"\"Networks\":{\"bridge\":{\"IPAddress\":\"" address "\",\"GlobalIPv6Address\":\"\"}}}"
#define LISTED(id, name, state, address) "{\"Id\":\"" id "\",\"Names\":[\"/" name "\"]," \
	"\"Labels\":{\"app\":\"web\"},\"State\":\"" state "\"," NETWORKS(address) "}"
#define INSPECTED(id, name, status, address, mode) "{\"Id\":\"" id "\",\"Name\":\"/" name "\"," \
	"\"State\":{\"Status\":\"" status "\"},\"Config\":{\"Labels\":{\"app\":\"web\"}}," \
	"\"HostConfig\":{\"NetworkMode\":\"" mode "\",\"CgroupParent\":\"/edge\"}," \
	NETWORKS(address) "}"
#define EVENT(action, id) "{\"Type\":\"container\",\"Action\":\"" action "\"," \
	"\"Actor\":{\"ID\":\"" id "\",\"Attributes\":{\"name\":\"any\"}}}\n"

#define WEB_A LISTED(ID_A, "web-a", "running", "172.17.0.2")
#define WEB_B LISTED(ID_B, "web-b", "exited", "")
#define WEB_C LISTED(ID_C, "web-c", "running", "172.17.0.4")
#define A_RUNS INSPECTED(ID_A, "web-a", "running", "172.17.0.2", "default")
#define A_RAN  INSPECTED(ID_A, "web-a", "exited", "", "default")
#define A_MOVED INSPECTED(ID_A, "web-a", "running", "172.17.0.9", "default")
#define B_RUNS INSPECTED(ID_B, "web-b", "running", "172.17.0.3", "container:" ID_A)

static inline void single_set(struct server *server, size_t index, const char *id, const char *body)
{
	server->singles[index][0] = id;
	server->singles[index][1] = body;
}

static inline bool has_address(struct ground *ground, const char *name, const char *address)
{
	const struct container *container = named(ground, name);
	struct addr wanted;

	assert_int_equal(addr_parse(address, &wanted), 0);
	return container && container->network_count == 1 &&
	       container->networks[0].has_address[0] &&
	       addr_equal(&container->networks[0].address[0], &wanted);
}

static inline bool detailed(struct ground *ground, const char *name)
{
	const struct container *container = named(ground, name);

	return container && container->detailed;
}

/* web-a runs and is known in every detail. */
static inline void know_web_a(struct ground *ground, const struct runtime_times *times)
{
	single_set(&ground->server, 0, ID_A, A_RUNS);
	ground->server.list.body = "[" WEB_A "]";
	server_listen(&ground->server);
	ask(ground, times);
	WAIT(ground, detailed(ground, "web-a") && connected(ground));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
