/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of lb/watch against the real kernel. Every test begins in a network
 * namespace of its own, and a container is a child process in another: no namespace has a name
 * outside this process's own mounts, so all of it is gone with the processes, however they end.
 * For one test program each: it defines the state that its tests share. */
#ifndef TESTS_UNIT_NET_GROUND_H
#define TESTS_UNIT_NET_GROUND_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lb/watch/netlink.h"

#define WAIT_MS 15000

static struct net *net;
static struct net_view view;
static pid_t container;

__attribute__((format(printf, 1, 2)))
static inline void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

/* A command in the container's namespace. */
#define run_there(format, ...) \
	run("nsenter --net=/proc/%d/ns/net " format, container __VA_OPT__(,) __VA_ARGS__)

/* Namespaces that tests name are mounts of this process and nobody else's. */
static inline int ground_make_private(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: namespaces need root\n");
		exit(77);
	}
	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
	    mount("edgelb-test", "/run", "tmpfs", 0, ""))
		return -1;
	return 0;
}

static inline pid_t namespace_holder(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static inline int ground_setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	run("ip link set lo up");
	container = namespace_holder();
	return net_open(&net);
}

static inline void end_container(void)
{
	if (container > 0) {
		kill(container, SIGKILL);
		waitpid(container, NULL, 0);
	}
	container = 0;
}

static inline int ground_teardown(void **state)
{
	(void)state;
	end_container();
	net_view_clear(&view);
	net_close(net);
	net = NULL;
	return 0;
}

static inline void read_view(void)
{
	net_view_clear(&view);
	assert_int_equal(net_read(net, &view), 0);
}

static inline const struct net_link *link_of(const char *name)
{
	const struct net_link *link = net_view_link_by_name(&view, name);

	if (!link)
		fail_msg("no link %s in the view", name);
	return link;
}

static inline struct addr parsed(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static inline struct prefix parsed_prefix(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static inline const struct net_neighbour *neighbour_of(const char *text)
{
	struct addr addr = parsed(text);

	for (size_t i = 0; i < view.neighbour_count; i++)
		if (addr_equal(&view.neighbours[i].addr, &addr))
			return &view.neighbours[i];
	return NULL;
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void read_view_after_event(long deadline, const char *awaited)
{
	struct pollfd events = { .fd = net_fd(net), .events = POLLIN };
	long left = deadline - now_ms();

	if (left <= 0 || poll(&events, 1, (int)left) != 1)
		fail_msg("not within %d ms: %s", WAIT_MS, awaited);
	if (net_drain(net))
		read_view();
}

/* Reads the view until the condition holds, woken by the events alone: so every use also shows
 * that the change made an event. */
#define wait_until(condition)                                                   \
	do {                                                                    \
		long deadline = now_ms() + WAIT_MS;                             \
                                                                                \
		read_view();                                                    \
		while (!(condition))                                            \
			read_view_after_event(deadline, #condition);            \
	} while (0)

/* A veth whose end eth0 is in the container; both ends are up and have addresses. */
static inline void make_container_link(void)
{
	run("ip link add veth-a type veth peer name eth0 netns %d", container);
	run("ip link set veth-a up");
	run("ip addr add 10.2.0.1/24 dev veth-a");
	run("ip addr add fd02::1/64 dev veth-a nodad");
	run_there("ip link set eth0 up");
	run_there("ip addr add 10.2.0.2/24 dev eth0");
	run_there("ip addr add fd02::2/64 dev eth0 nodad");
	wait_until(link_of("veth-a")->up);
}

static inline void mac_there(const char *device, unsigned char *ret_mac)
{
	char command[128], text[32] = "";
	FILE *from;

	snprintf(command, sizeof(command),
		 "nsenter --net=/proc/%d/ns/net ip -o link show %s | sed 's/.*ether //; s/ .*//'",
		 container, device);
	from = popen(command, "r");
	assert_non_null(from);
	assert_non_null(fgets(text, sizeof(text), from));
	pclose(from);
	assert_int_equal(sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", ret_mac, ret_mac + 1,
				ret_mac + 2, ret_mac + 3, ret_mac + 4, ret_mac + 5), 6);
}

#define GROUND_TEST(name) cmocka_unit_test_setup_teardown(name, ground_setup, ground_teardown)

#endif
