/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that has found a record and not yet written to it, while the daemon takes the record
 * away: the daemon waits for it, and nothing that it counts is lost, nor another flow's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tests/prog/flow_world.h"
#include "tests/prog/held_abi.h"

#define RECORDS 1024

static struct flow_world world;
static volatile struct held *held;
static pthread_attr_t elsewhere; /* not on the CPU of this thread, which would be held as well */
static bool cpus_divided;

/* ---- a thread that is held ------------------------------------------------------------------- */

struct subject {
	pthread_t thread;
	int fd;
	const struct sockaddr_in6 *to; /* NULL: the connection is reset */
	volatile bool done;
};

static void *subject_run(void *data)
{
	struct subject *subject = data;
	const struct linger at_once = { .l_onoff = 1 };
	ssize_t sent = 0;

	held->thread = (uint32_t)syscall(SYS_gettid);
	if (subject->to) {
		sent = sendto(subject->fd, "held", 4, 0, (const struct sockaddr *)subject->to,
			      sizeof(struct sockaddr_in));
	} else {
		setsockopt(subject->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(subject->fd);
	}
	held->thread = 0;
	subject->done = true;
	return sent < 0 ? data : NULL;
}

static void subject_hold(struct subject *subject)
{
	*held = (struct held) { 0 };
	assert_int_equal(pthread_create(&subject->thread, &elsewhere, subject_run, subject), 0);
	while (!held->stands && !held->stood && !subject->done)
		sched_yield();
}

/* It was to be gone by itself: the daemon has waited. */
static void subject_end(const struct subject *subject)
{
	bool stands = held->stands;
	void *failed;

	held->go = 1;
	assert_int_equal(pthread_join(subject->thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(held->stood, 1);
	assert_false(stands);
}

/* ---- what it still writes -------------------------------------------------------------------- */

static void datagram_that_is_being_counted_is_waited_for(void **state)
{
	struct flow_sums sums = { 0 };
	struct sockaddr_in6 to;
	socklen_t size;
	struct subject subject = { .to = &to };
	int server;

	(void)state;
	if (!cpus_divided)
		skip(); /* there is one CPU */
	flow_world_enter(&world, false);
	server = flow_datagram(AF_INET, &to, &size);
	flow_world_enter(&world, true);
	subject.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(subject.fd, "first", 5, 0, (struct sockaddr *)&to, size), 5);
	assert_int_equal(flow_world_living(&world, FLOW_LIVE), 1);
	subject_hold(&subject);
	flow_world_harvest(&world, true, &sums);
	subject_end(&subject);
	flow_world_harvest(&world, true, &sums);
	assert_int_equal(sums.flows, 1);
	assert_int_equal(sums.packets_out, 2);
	assert_int_equal(sums.bytes_out, 9);
	assert_int_equal(sums.sizes_out, 2);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
	close(subject.fd);
	close(server);
}

/* The daemon believes that the socket is gone, and it is told so at this very moment. */
static void connection_that_is_ending_is_waited_for(void **state)
{
	struct flow_pair pair;
	struct flow_sums sums = { 0 };
	const struct flow_record *record;
	struct subject subject;

	(void)state;
	if (!cpus_divided)
		skip(); /* there is one CPU */
	pair = flow_connect(AF_INET);
	record = flow_world_of(&world, pair.client_cookie, 0);
	assert_non_null(record);
	subject = (struct subject) { .fd = pair.client };
	pair.client = -1;
	subject_hold(&subject);
	flow_kernel_disown(world.kernel, (size_t)(record - world.records), FLOW_GONE);
	flow_world_harvest(&world, true, &sums);
	subject_end(&subject);
	flow_pair_close(&pair);
	flow_world_harvest(&world, true, &sums);
	assert_int_equal(sums.flows, 2);
	assert_int_equal(flow_world_living(&world, FLOW_FREE), RECORDS);
}

/* ---- the ground ------------------------------------------------------------------------------ */

/* This thread to the first CPU that it may use, the one that is held to the others. */
static bool cpus_divide(void)
{
	cpu_set_t own, others;
	int first = 0;

	if (sched_getaffinity(0, sizeof(others), &others) || CPU_COUNT(&others) < 2)
		return false;
	while (!CPU_ISSET(first, &others))
		first++;
	CPU_CLR(first, &others);
	CPU_ZERO(&own);
	CPU_SET(first, &own);
	pthread_attr_init(&elsewhere);
	return !pthread_attr_setaffinity_np(&elsewhere, sizeof(others), &others) &&
	       !sched_setaffinity(0, sizeof(own), &own);
}

static int up(void **state)
{
	char path[128];
	int map;

	(void)state;
	if (flow_world_make(&world))
		return -1;
	flow_world_open(&world, RECORDS);
	snprintf(path, sizeof(path), "%s/flows/flow_held", world.pin);
	map = bpf_obj_get(path);
	held = mmap(NULL, sizeof(*held), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	close(map);
	flow_world_enter(&world, true);
	cpus_divided = cpus_divide();
	return held == MAP_FAILED ? -1 : 0;
}

static int down(void **state)
{
	(void)state;
	flow_world_unload(&world);
	flow_world_unmake(&world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagram_that_is_being_counted_is_waited_for),
		cmocka_unit_test(connection_that_is_ending_is_waited_for),
	};

	return cmocka_run_group_tests_name("records that are taken away under a program", tests, up,
					   down);
}
