/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More flows than there are records for, a reader that is stopped, and one that reads while all
 * CPUs talk: nothing is lost, for what has no record is counted as other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/prog/flow_world.h"

#define RECORDS	 1024
#define MANY	 3000	/* flows at a time, of two files each at most */
#define SHORT	 5000	/* one after the other */

static struct flow_world world;

/* ---- sums ------------------------------------------------------------------------------------ */

/* What was said, by those who said it, and what flows know of it. */
struct books {
	struct flow_sums said, found;
	struct flow_other before;
};

static struct books books_open(void)
{
	struct books books = { 0 };

	flow_kernel_other(world.kernel, &books.before);
	return books;
}

static struct flow_sums books_sum(const struct books *books)
{
	struct flow_sums sum = books->found;
	struct flow_other now;

	flow_kernel_other(world.kernel, &now);
	sum.flows += now.flows - books->before.flows;
	sum.packets_in += now.packets_in - books->before.packets_in;
	sum.packets_out += now.packets_out - books->before.packets_out;
	sum.bytes_in += now.bytes_in - books->before.bytes_in;
	sum.bytes_out += now.bytes_out - books->before.bytes_out;
	assert_int_equal(now.no_memory, books->before.no_memory);
	return sum;
}

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* The last segments of connections may still be on their way. Packets of TCP nobody knows but the
 * kernel: they are not compared. */
static void assert_tcp_adds_up(struct books *books)
{
	uint64_t patience = seconds() + 30;
	struct flow_sums sum;

	do {
		flow_world_harvest(&world, true, &books->found);
		sum = books_sum(books);
	} while ((sum.flows < books->said.flows || sum.bytes_in < books->said.bytes_in ||
		  sum.bytes_out < books->said.bytes_out) && seconds() < patience);
	assert_int_equal(sum.flows, books->said.flows);
	assert_int_equal(sum.bytes_in, books->said.bytes_in);
	assert_int_equal(sum.bytes_out, books->said.bytes_out);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
}

static void assert_datagrams_add_up(struct books *books)
{
	struct flow_sums sum;

	flow_world_harvest(&world, true, &books->found);
	sum = books_sum(books);
	assert_int_equal(sum.packets_in, books->said.packets_in);
	assert_int_equal(sum.packets_out, books->said.packets_out);
	assert_int_equal(sum.bytes_in, books->said.bytes_in);
	assert_int_equal(sum.bytes_out, books->said.bytes_out);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
}

/* ---- talking --------------------------------------------------------------------------------- */

static void all_read(int fd, size_t bytes)
{
	static __thread char buffer[4096];

	while (bytes) {
		ssize_t got = recv(fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), 0);

		assert_true(got > 0);
		bytes -= (size_t)got;
	}
}

struct connection {
	int client, server;
};

static struct connection connection_make(int listener)
{
	struct connection made = { .client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct sockaddr_in to;
	socklen_t size = sizeof(to);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &size), 0);
	assert_int_equal(connect(made.client, (struct sockaddr *)&to, size), 0);
	made.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(made.server >= 0);
	return made;
}

static void connection_talk(const struct connection *on, size_t number, struct flow_sums *said)
{
	static const char buffer[1000];
	size_t up = number % 997, down = number * 7 % 991;

	assert_int_equal(send(on->client, buffer, up, 0), up);
	all_read(on->server, up);
	assert_int_equal(send(on->server, buffer, down, 0), down);
	all_read(on->client, down);
	said->flows++;
	said->bytes_out += up;
	said->bytes_in += down;
}

/* By a reset or not: either way no port has to rest in the end that is seen. */
static void connection_end(const struct connection *on, bool reset)
{
	const struct linger at_once = { .l_onoff = reset };

	setsockopt(on->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (reset)
		close(on->client);
	close(on->server);
	if (!reset)
		close(on->client);
}

/* ---- more than fit --------------------------------------------------------------------------- */

/* The servers' ends are in the other cgroup. */
static int listener_elsewhere(void)
{
	struct sockaddr_in6 address;
	socklen_t size;
	int listener;

	flow_world_enter(&world, false);
	listener = flow_listen(AF_INET, &address, &size);
	flow_world_enter(&world, true);
	return listener;
}

static void connections_beyond_the_records_add_up(void **state)
{
	static struct connection made[MANY];
	struct books books = books_open();
	int listener = listener_elsewhere();
	struct flow_other now;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		made[i] = connection_make(listener);
		connection_talk(&made[i], i, &books.said);
	}
	flow_kernel_other(world.kernel, &now);
	assert_in_range(flow_world_living(&world, FLOW_LIVE), RECORDS * 95 / 100, RECORDS);
	assert_int_equal(now.flows - books.before.flows,
			 MANY - flow_world_living(&world, FLOW_LIVE));
	for (size_t i = 0; i < MANY; i++)
		connection_end(&made[i], i % 2);
	close(listener);
	assert_tcp_adds_up(&books);
}

static void sockets_for_datagrams_beyond_the_records_add_up(void **state)
{
	static int made[MANY];
	struct books books = books_open();
	struct sockaddr_in6 to;
	socklen_t size;
	int server;

	(void)state;
	flow_world_enter(&world, false);
	server = flow_datagram(AF_INET, &to, &size);
	flow_world_enter(&world, true);
	for (size_t i = 0; i < MANY; i++) {
		made[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(made[i], (struct sockaddr *)&to, size), 0);
		for (size_t times = 0; times <= i % 3; times++) {
			assert_int_equal(send(made[i], &to, i % 20, 0), i % 20);
			books.said.packets_out++;
			books.said.bytes_out += i % 20;
			assert_int_equal(recv(server, (char[20]){ 0 }, 20, 0), i % 20);
		}
	}
	assert_in_range(flow_world_living(&world, FLOW_LIVE), RECORDS * 95 / 100, RECORDS);
	for (size_t i = 0; i < MANY; i++)
		close(made[i]);
	close(server);
	assert_datagrams_add_up(&books);
	assert_int_equal(books_sum(&books).flows, MANY);
}

/* One socket that is seen, and as many remote ends; each says two things and hears one. */
static void remote_ends_beyond_the_records_add_up(void **state)
{
	static struct sockaddr_in6 from[MANY];
	static int made[MANY];
	struct books books = books_open();
	struct sockaddr_in6 to;
	socklen_t size;
	int server = flow_datagram(AF_INET, &to, &size);
	uint64_t patience = seconds() + 20;

	(void)state;
	flow_world_enter(&world, false);
	for (size_t i = 0; i < MANY; i++)
		made[i] = flow_datagram(AF_INET, &from[i], &size);
	flow_world_enter(&world, true);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < MANY; i++) {
			assert_int_equal(sendto(made[i], &to, i % 20, 0, (struct sockaddr *)&to,
						size), i % 20);
			assert_int_equal(recv(server, (char[20]){ 0 }, 20, 0), i % 20);
			books.said.packets_in++;
			books.said.bytes_in += i % 20;
		}
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(sendto(server, &to, 5, 0, (struct sockaddr *)&from[i], size), 5);
		books.said.packets_out++;
		books.said.bytes_out += 5;
	}
	/* Whoever found none near its place has kept the socket from trying for a moment. */
	assert_in_range(flow_world_living(&world, FLOW_LIVE), RECORDS / 2, RECORDS);
	assert_datagrams_add_up(&books);
	/* Once there is room, it has records again, soon. */
	while (!flow_world_living(&world, FLOW_LIVE) && seconds() < patience)
		assert_int_equal(sendto(server, &to, 5, 0, (struct sockaddr *)&from[0], size), 5);
	assert_int_equal(flow_world_living(&world, FLOW_LIVE), 1);
	for (size_t i = 0; i < MANY; i++)
		close(made[i]);
	close(server);
	flow_world_harvest(&world, true, &books.found);
}

/* As many as fit are adopted, and the others once there is room: their figures are the
 * kernel's. Who ends before that is other. */
static void connections_before_the_programs_and_beyond_the_records_add_up(void **state)
{
	static struct connection made[MANY];
	struct books books = books_open();
	struct flow_sums again = { 0 };
	int listener;

	(void)state;
	flow_world_attach(&world, false);
	listener = listener_elsewhere();
	for (size_t i = 0; i < MANY; i++) {
		made[i] = connection_make(listener);
		connection_talk(&made[i], i + 1, &books.said);
	}
	flow_world_attach(&world, true);
	for (size_t i = 0; i < MANY; i++)
		connection_talk(&made[i], i + 1, &again);
	books.said.bytes_in += again.bytes_in;
	books.said.bytes_out += again.bytes_out;
	assert_int_equal(flow_world_living(&world, FLOW_LIVE), RECORDS);
	for (size_t i = 0; i < MANY; i++)
		connection_end(&made[i], true);
	close(listener);
	flow_world_lost(&world);
	assert_tcp_adds_up(&books);
}

/* ---- a reader that is stopped ---------------------------------------------------------------- */

static void short_flows_add_up_while_nobody_reads(void **state)
{
	struct books books = books_open();
	int listener = listener_elsewhere();
	struct connection made;

	(void)state;
	for (size_t i = 0; i < SHORT; i++) {
		made = connection_make(listener);
		connection_talk(&made, i, &books.said);
		connection_end(&made, i % 2);
	}
	assert_int_equal(flow_world_living(&world, FLOW_FREE), 0);
	assert_tcp_adds_up(&books);
	made = connection_make(listener);
	connection_talk(&made, 1, &books.said);
	assert_int_equal(flow_world_living(&world, FLOW_LIVE), 1);
	connection_end(&made, true);
	close(listener);
	assert_tcp_adds_up(&books);
}

static void short_flows_add_up_while_the_daemon_is_gone(void **state)
{
	struct books books = books_open();
	int listener = listener_elsewhere();

	(void)state;
	flow_world_close(&world);
	for (size_t i = 0; i < SHORT; i++) {
		struct connection made = connection_make(listener);

		connection_talk(&made, i, &books.said);
		connection_end(&made, i % 2);
	}
	close(listener);
	flow_world_open(&world, RECORDS);
	assert_tcp_adds_up(&books);
}

/* ---- all at once ----------------------------------------------------------------------------- */

#define SPEAKERS 3
#define WORDS	 30000

struct speaker {
	pthread_t thread;
	int shared;		/* the socket that all of them write to */
	const struct sockaddr_in6 *peers;
	int listener;		/* its own, elsewhere */
	size_t peer_count;
	unsigned int number;
	struct flow_sums said;
};

/* Datagrams of one socket to all peers, from all threads, and connections in between. */
static void *speak(void *data)
{
	struct speaker *speaker = data;

	for (size_t i = 0; i < WORDS; i++) {
		size_t bytes = (i + speaker->number) % 50;
		const struct sockaddr_in6 *to = &speaker->peers[i * 7 % speaker->peer_count];

		if (sendto(speaker->shared, speaker, bytes, 0, (const struct sockaddr *)to,
			   sizeof(struct sockaddr_in)) == (ssize_t)bytes) {
			speaker->said.packets_out++;
			speaker->said.bytes_out += bytes;
		}
		if (i % 100 == 0) {
			int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

			if (sendto(fd, speaker, 9, 0, (const struct sockaddr *)to,
				   sizeof(struct sockaddr_in)) == 9) {
				speaker->said.packets_out++;
				speaker->said.bytes_out += 9;
			}
			close(fd);
		}
	}
	return NULL;
}

static void *connect_often(void *data)
{
	struct speaker *speaker = data;

	for (size_t i = 0; i < WORDS / 20; i++) {
		struct connection made = connection_make(speaker->listener);

		connection_talk(&made, i, &speaker->said);
		connection_end(&made, i % 2);
	}
	return NULL;
}

/* `connect`: they make connections; else they send datagrams. The reader sees flows as idle all the
 * time, and takes them away under those who use them. */
static void speakers_run(bool connects, struct books *books)
{
	enum { PEERS = 200 };
	struct sockaddr_in6 peers[PEERS], own;
	struct speaker speakers[SPEAKERS] = { 0 };
	int fds[PEERS], shared, left = SPEAKERS;
	socklen_t size;

	flow_world_enter(&world, false);
	for (int i = 0; i < PEERS; i++)
		fds[i] = flow_datagram(AF_INET, &peers[i], &size);
	for (unsigned int i = 0; i < SPEAKERS; i++)
		speakers[i] = (struct speaker){
			.peers = peers, .peer_count = PEERS, .number = i,
			.listener = flow_listen(AF_INET, &own, &size),
		};
	flow_world_enter(&world, true);
	shared = flow_datagram(AF_INET, &own, &size);
	for (int i = 0; i < SPEAKERS; i++) {
		speakers[i].shared = shared;
		assert_int_equal(pthread_create(&speakers[i].thread, NULL,
						connects ? connect_often : speak, &speakers[i]), 0);
	}
	while (left) {
		flow_world_harvest(&world, true, &books->found);
		if (!pthread_tryjoin_np(speakers[left - 1].thread, NULL))
			left--;
	}
	for (int i = 0; i < SPEAKERS; i++) {
		books->said.flows += speakers[i].said.flows;
		books->said.packets_out += speakers[i].said.packets_out;
		books->said.bytes_out += speakers[i].said.bytes_out;
		books->said.bytes_in += speakers[i].said.bytes_in;
		close(speakers[i].listener);
	}
	for (int i = 0; i < PEERS; i++)
		close(fds[i]);
	close(shared);
}

static void datagrams_add_up_while_their_records_are_taken_away(void **state)
{
	struct books books = books_open();

	(void)state;
	speakers_run(false, &books);
	assert_int_equal(books.said.packets_out, SPEAKERS * (WORDS + WORDS / 100));
	assert_datagrams_add_up(&books);
}

static void connections_add_up_while_they_are_read(void **state)
{
	struct books books = books_open();

	(void)state;
	speakers_run(true, &books);
	assert_int_equal(books.said.flows, SPEAKERS * WORDS / 20);
	assert_tcp_adds_up(&books);
}

/* ---- the ground ------------------------------------------------------------------------------ */

static int up(void **state)
{
	const struct rlimit files = { 2 * MANY + 256, 2 * MANY + 256 };

	*state = &world;
	return setrlimit(RLIMIT_NOFILE, &files) || flow_world_up(&world, RECORDS) ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_beyond_the_records_add_up),
		cmocka_unit_test(connections_before_the_programs_and_beyond_the_records_add_up),
		cmocka_unit_test(sockets_for_datagrams_beyond_the_records_add_up),
		cmocka_unit_test(remote_ends_beyond_the_records_add_up),
		cmocka_unit_test(short_flows_add_up_while_nobody_reads),
		cmocka_unit_test(short_flows_add_up_while_the_daemon_is_gone),
		cmocka_unit_test(datagrams_add_up_while_their_records_are_taken_away),
		cmocka_unit_test(connections_add_up_while_they_are_read),
	};

	return cmocka_run_group_tests_name("more flows than records", tests, up, flow_world_gone);
}
