/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection for an answer: connect, send, wait for the answer, close. The client closes first,
 * with nothing unread, so that both sides end by FIN, and TIME_WAIT is the client's. */
#include "bench/tcp_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/cpus.h"

#define EVENTS	    64
#define BULK_BYTES  (256 * 1024)
#define CLIENT_BASE 0xc6120001
#define FINISH_MS   300		/* what is under way may end before a worker does */
#define WORKERS_MAX 64
#define SOFTIRQ_MAX 256
#define FDS_MAX	    1024	/* the usual limit of a process */

/* Shared with the workers. */
struct shared {
	_Atomic uint64_t done, received, failed;
	_Atomic bool stop;
};

struct worker {
	const struct tcp_load *load;
	struct shared *shared;
	int epoll;
	unsigned int opened, open, most; /* ever; now; at a time */
	bool connected[FDS_MAX];
	char buffer[BULK_BYTES];
};

/* ---- connections ----------------------------------------------------------------------------- */

static int watch(const struct worker *worker, int fd, uint32_t events, int how)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(worker->epoll, how, fd, &event);
}

/* Begins a connection from the next address to the next target. */
static int connection_begin(struct worker *worker)
{
	const struct tcp_load *load = worker->load;
	uint32_t client = CLIENT_BASE + worker->opened % TCP_CLIENTS;
	uint32_t target = load->targets[worker->opened % load->target_count];
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(client) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(load->port),
				  .sin_addr.s_addr = htonl(target) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	worker->opened++;
	if (fd < 0 || fd >= FDS_MAX)
		return -EMFILE;
	/* The port is chosen by connect(), who knows the other end: it may be in use to another. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) ||
	    watch(worker, fd, EPOLLOUT, EPOLL_CTL_ADD)) {
		close(fd);
		return -EIO;
	}
	worker->connected[fd] = false;
	worker->open++;
	return 0;
}

static void connection_end(struct worker *worker, int fd, bool failed)
{
	close(fd);
	worker->open--;
	worker->shared->failed += failed;
}

static bool request_send(struct worker *worker, int fd)
{
	char request[TCP_REQUEST_BYTES] = { (char)worker->load->wish };

	return send(fd, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request);
}

/* The connection is there (its first event) or gone. */
static void connection_established(struct worker *worker, int fd)
{
	uint32_t next = worker->load->wish == TCP_UPLOAD ? EPOLLOUT : EPOLLIN;

	worker->connected[fd] = true;
	if (!request_send(worker, fd) || watch(worker, fd, next, EPOLL_CTL_MOD))
		connection_end(worker, fd, true);
}

static void connection_read(struct worker *worker, int fd)
{
	ssize_t size = recv(fd, worker->buffer, BULK_BYTES, 0);

	if (size <= 0) {
		connection_end(worker, fd, true);
	} else if (worker->load->wish == TCP_DOWNLOAD) {
		worker->shared->received += size;
	} else {
		worker->shared->done++;
		connection_end(worker, fd, false);
	}
}

static void connection_write(struct worker *worker, int fd)
{
	if (send(fd, worker->buffer, BULK_BYTES, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		connection_end(worker, fd, true);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void event_handle(struct worker *worker, const struct epoll_event *event)
{
	int fd = event->data.fd;

	if (!worker->connected[fd])
		connection_established(worker, fd);
	else if (event->events & EPOLLIN)
		connection_read(worker, fd);
	else if (event->events & (EPOLLERR | EPOLLHUP))
		connection_end(worker, fd, true);
	else
		connection_write(worker, fd);
}

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void work(struct worker *worker)
{
	struct epoll_event events[EVENTS];
	double finish = 0;

	for (;;) {
		bool stop = worker->shared->stop;
		int count;

		if (stop && !finish)
			finish = now_seconds() + FINISH_MS / 1e3;
		if (stop && (!worker->open || worker->load->wish != TCP_ANSWER ||
			     now_seconds() > finish))
			return;
		while (!stop && worker->open < worker->most)
			if (connection_begin(worker)) {
				worker->shared->failed++;
				break;
			}
		count = epoll_wait(worker->epoll, events, EVENTS, 10);
		for (int i = 0; i < count; i++)
			event_handle(worker, &events[i]);
	}
}

/* In a child. Workers begin at different addresses and targets. */
static void worker_become(const struct space *client, const struct tcp_load *load,
			  struct shared *shared, unsigned int number, unsigned int workers)
{
	static struct worker worker;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cpus_unbind();
	worker.load = load;
	worker.shared = shared;
	worker.opened = number;
	worker.most = (load->parallel + workers - 1 - number) / workers;
	worker.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker.epoll < 0 || setns(client->net, CLONE_NEWNET))
		_exit(1);
	work(&worker);
	_exit(0);
}

/* ---- runs ------------------------------------------------------------------------------------ */

struct run {
	const struct tcp_load *load;
	struct shared *shared;
	pid_t pids[WORKERS_MAX + SOFTIRQ_MAX];	/* of the workers, then of the kernel's threads */
	size_t workers, count;
};

struct reading {
	double seconds, had, busy;	/* of the clock; by us; by all */
	uint64_t count;			/* connections or bytes */
};

static int reading_take(const struct run *run, struct reading *ret_reading)
{
	const struct tcp_load *load = run->load;
	struct reading *reading = ret_reading;

	reading->count = load->wish == TCP_ANSWER ? run->shared->done : run->shared->received;
	for (size_t i = 0; load->wish == TCP_UPLOAD && i < load->served_count; i++)
		reading->count += load->served[i].received;
	reading->seconds = now_seconds();
	reading->had = cpus_had(run->pids, run->count) +
		       cpus_had(load->others, load->other_count);
	return cpus_busy(&reading->busy);
}

static void rest(unsigned int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static int result_make(const struct tcp_load *load, const struct reading *from,
		       const struct reading *to, struct tcp_result *ret_result)
{
	double count = (double)(to->count - from->count) * (load->wish == TCP_ANSWER ? 1 : 8);
	double seconds = to->seconds - from->seconds, had = to->had - from->had;

	if (!count)
		return -EPROTO;
	ret_result->rate = count / seconds;
	ret_result->cpu = had / count;
	ret_result->foreign = (to->busy - from->busy - had) / (seconds * cpus_count());
	return 0;
}

static int workers_start(const struct space *client, struct run *run)
{
	unsigned int most = run->load->parallel < WORKERS_MAX ? run->load->parallel : WORKERS_MAX;
	unsigned int wanted = cpus_count() < most ? cpus_count() : most;

	while (run->workers < wanted) {
		pid_t pid = fork();

		if (!pid)
			worker_become(client, run->load, run->shared, run->workers, wanted);
		if (pid < 0)
			return -errno;
		run->pids[run->workers++] = pid;
	}
	run->count = run->workers +
		     cpus_softirq_threads(run->pids + run->workers, SOFTIRQ_MAX);
	return 0;
}

static void workers_end(const struct run *run)
{
	run->shared->stop = true;
	for (size_t i = 0; i < run->workers; i++)
		waitpid(run->pids[i], NULL, 0);
}

int tcp_load_run(const struct space *client, const struct tcp_load *load,
		 struct tcp_result *ret_result)
{
	struct run run = { .load = load };
	struct reading from, to;
	int err;

	run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.shared == MAP_FAILED)
		return -errno;
	err = workers_start(client, &run);
	rest(load->warm_ms);
	if (!err)
		err = reading_take(&run, &from);
	rest(load->run_ms);
	if (!err)
		err = reading_take(&run, &to);
	workers_end(&run);
	if (!err)
		err = result_make(load, &from, &to, ret_result);
	ret_result->failed = run.shared->failed;
	munmap(run.shared, sizeof(*run.shared));
	return err;
}
