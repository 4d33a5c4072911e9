/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/seen_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/cgroup.h"

#define PORT	  7000
#define BACKLOG	  4096
#define SOURCES	  64	/* addresses, so that closed connections do not use up the ports */
#define QUESTION  100	/* bytes */
#define ANSWER	  1000
#define FILES_BESIDE 64

struct worker {
	int number, listener;
	unsigned int live, a_second;
	uint64_t serial;
	volatile uint64_t *done;
};

static struct sockaddr_in loopback(uint32_t host, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(0x7f000000 | host);
	return address;
}

static int listener_open(struct worker *worker)
{
	struct sockaddr_in address = loopback(1, (uint16_t)(PORT + worker->number));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, BACKLOG))
		return -errno;
	worker->listener = fd;
	return 0;
}

struct ends {
	int client, server;
};

static int connection_make(struct worker *worker, struct ends *ret_ends)
{
	struct sockaddr_in to = loopback(1, (uint16_t)(PORT + worker->number));
	struct sockaddr_in from = loopback(2 + worker->serial++ % SOURCES, 0);
	int late = 1, err = 0;

	ret_ends->server = -1;
	ret_ends->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret_ends->client < 0 ||
	    setsockopt(ret_ends->client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late,
		       sizeof(late)) ||
	    bind(ret_ends->client, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(ret_ends->client, (struct sockaddr *)&to, sizeof(to)))
		err = -errno;
	if (!err)
		ret_ends->server = accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC);
	return err || ret_ends->server >= 0 ? err : -errno;
}

static int carry(int from, int to, size_t size)
{
	char data[ANSWER] = "";

	if (write(from, data, size) != (ssize_t)size)
		return -EPIPE;
	return recv(to, data, size, MSG_WAITALL) == (ssize_t)size ? 0 : -EPIPE;
}

static int connection_use(struct worker *worker)
{
	struct ends ends;
	int err = connection_make(worker, &ends);

	if (!err)
		err = carry(ends.client, ends.server, QUESTION);
	if (!err)
		err = carry(ends.server, ends.client, ANSWER);
	close(ends.client);
	close(ends.server);
	worker->done[worker->number] += !err;
	return err;
}

/* A share of them each millisecond; what a busy machine kept it from is made up for. */
static int connections_pace(struct worker *worker)
{
	struct timespec at;
	double owed = 0;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &at);
	while (!err) {
		at.tv_nsec += 1000000;
		if (at.tv_nsec >= 1000000000) {
			at.tv_nsec -= 1000000000;
			at.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		for (owed += worker->a_second / 1e3; !err && owed >= 1; owed--)
			err = connection_use(worker);
	}
	return err;
}

/* In the child. Its word `done` is ~0 until the connections that stay are there. */
static int worker_live(struct worker *worker)
{
	const struct rlimit files = { 2 * worker->live + FILES_BESIDE,
				      2 * worker->live + FILES_BESIDE };
	sigset_t begin;
	int err = setrlimit(RLIMIT_NOFILE, &files) ? -errno : 0, number;

	sigemptyset(&begin);
	sigaddset(&begin, SIGUSR1);
	sigprocmask(SIG_BLOCK, &begin, NULL);
	if (!err)
		err = listener_open(worker);
	for (unsigned int i = 0; !err && i < worker->live; i++) {
		struct ends stay;

		err = connection_make(worker, &stay);
	}
	if (err)
		return err;
	worker->done[worker->number] = 0;
	sigwait(&begin, &number);
	return connections_pace(worker);
}

static pid_t worker_start(const struct space *space, const char *cgroup, struct worker *worker)
{
	pid_t pid = fork();
	int err;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	err = cgroup_enter(cgroup);
	if (!err && setns(space->net, CLONE_NEWNET))
		err = -errno;
	if (!err)
		err = worker_live(worker);
	_exit(-err); /* who waits says what it was */
}

int seen_load_start(const struct space *space, const char *cgroup, unsigned int live,
		    unsigned int a_second, struct seen_load *ret_load)
{
	struct seen_load load = { 0 };
	int status, err;

	load.done = mmap(NULL, SEEN_LOADS * sizeof(*load.done), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load.done == MAP_FAILED)
		return -errno;
	for (int i = 0; i < SEEN_LOADS; i++) {
		struct worker worker = { .number = i, .live = live / SEEN_LOADS, .done = load.done,
					 .a_second = a_second / SEEN_LOADS };

		load.done[i] = UINT64_MAX;
		load.pids[i] = worker_start(space, cgroup, &worker);
	}
	for (int i = 0; i < SEEN_LOADS; i++)
		while (load.pids[i] > 0 && load.done[i] == UINT64_MAX) {
			if (waitpid(load.pids[i], &status, WNOHANG) == load.pids[i])
				load.pids[i] = -WEXITSTATUS(status) - 1;
			usleep(1000);
		}
	*ret_load = load;
	for (int i = 0; i < SEEN_LOADS; i++)
		if (load.pids[i] < 0) {
			err = load.pids[i] + 1;
			seen_load_stop(ret_load);
			return err;
		}
	return 0;
}

void seen_load_begin(const struct seen_load *load)
{
	for (int i = 0; i < SEEN_LOADS; i++)
		kill(load->pids[i], SIGUSR1);
}

uint64_t seen_load_done(const struct seen_load *load)
{
	uint64_t sum = 0;

	for (int i = 0; i < SEEN_LOADS; i++)
		sum += load->done[i];
	return sum;
}

void seen_load_stop(struct seen_load *load)
{
	for (int i = 0; i < SEEN_LOADS; i++)
		if (load->pids[i] > 0) {
			kill(load->pids[i], SIGKILL);
			waitpid(load->pids[i], NULL, 0);
		}
	munmap((void *)load->done, SEEN_LOADS * sizeof(*load->done));
}
