/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two processes of a load: one takes what comes at the far end and counts it in memory that is
 * shared, one sends from the near end, and looks at the counts when its time is over. */
#include "bench/path_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/cpus.h"

#define PORT	      5001
#define CHUNK	      65536
#define UNSENT_MOST   65536	/* bytes that a sender has in its queue beyond the window */

struct exchange {		/* shared by the three processes */
	uint64_t bytes[PATHS_MAX];
	struct path_result result;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct sockaddr_in far_end(size_t number)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT),
				     .sin_addr.s_addr = htonl(path_address(number)) };
}

/* ---- the far end ----------------------------------------------------------------------------- */

static int far_accept(struct pollfd *polls, int listener, size_t count)
{
	struct sockaddr_in own = { 0 };
	socklen_t size = sizeof(own);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t number;

	if (fd < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (getsockname(fd, (struct sockaddr *)&own, &size))
		return -errno;
	number = (ntohl(own.sin_addr.s_addr) >> 8 & 0xff) - 1;
	if (number >= count || polls[number].fd >= 0)
		return -EPROTO;
	polls[number].fd = fd;
	return 0;
}

static void far_read(struct pollfd *poll, uint64_t *bytes)
{
	static char buffer[CHUNK];
	ssize_t size = read(poll->fd, buffer, sizeof(buffer));

	if (size > 0) {
		__atomic_fetch_add(bytes, (uint64_t)size, __ATOMIC_RELAXED);
	} else if (!size || errno != EAGAIN) {
		close(poll->fd);
		poll->fd = -1;
	}
}

static int far_live(const struct paths *paths, struct exchange *exchange, int ready)
{
	struct pollfd polls[PATHS_MAX + 1] = { 0 };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	size_t count = paths->count;
	int yes = 1, err = 0, fd;

	for (size_t i = 0; i < count; i++)
		polls[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (setns(paths->far.net, CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, PATHS_MAX) ||
	    write(ready, "", 1) != 1)
		return -errno;
	polls[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (!err && poll(polls, count + 1, -1) >= 0) {
		if (polls[count].revents)
			err = far_accept(polls, fd, count);
		for (size_t i = 0; i < count; i++)
			if (polls[i].fd >= 0 && polls[i].revents)
				far_read(&polls[i], &exchange->bytes[i]);
	}
	return err;
}

static int far_start(const struct paths *paths, struct exchange *exchange, pid_t *ret_pid)
{
	int ready[2];
	char byte;
	bool made;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	*ret_pid = fork();
	if (!*ret_pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cpus_unbind();
		setpriority(PRIO_PROCESS, 0, -20);
		_exit(-far_live(paths, exchange, ready[1]));
	}
	close(ready[1]);
	made = *ret_pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return made ? 0 : -ECONNREFUSED;
}

/* ---- the near end ---------------------------------------------------------------------------- */

static int near_connect(const struct path_load *load, size_t number)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int unsent = UNSENT_MOST, err;
	struct sockaddr_in to = far_end(number);

	if (fd < 0)
		return -errno;
	err = setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (!err && load->congestion)
		err = setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, load->congestion,
				 (socklen_t)strlen(load->congestion));
	if (!err && connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		err = -1;
	if (!err)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int near_send(struct pollfd *polls, size_t count, unsigned int run_ms)
{
	static const char zeros[CHUNK];
	uint64_t end_ms = now_ms() + run_ms, now;

	while ((now = now_ms()) < end_ms) {
		if (poll(polls, count, (int)(end_ms - now)) < 0)
			return -errno;
		for (size_t i = 0; i < count; i++)
			if (polls[i].revents && write(polls[i].fd, zeros, CHUNK) < 0 &&
			    errno != EAGAIN)
				return -errno;
	}
	return 0;
}

/* Ends a connection at once, with what it has under way. */
static int near_end(int fd, char congestion[16])
{
	const struct linger at_once = { .l_onoff = 1 };
	socklen_t size = 16;
	int err = getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &size) ||
		  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) ? -errno : 0;

	close(fd);
	return err;
}

static int near_live(const struct path_load *load, struct exchange *exchange)
{
	size_t count = load->paths->count;
	struct pollfd polls[PATHS_MAX] = { 0 };
	int err = load->tuned ? tuned_enter(load->tuned) : 0;

	if (!err && setns(load->paths->near.net, CLONE_NEWNET))
		err = -errno;
	for (size_t i = 0; !err && i < count; i++) {
		polls[i] = (struct pollfd){ .fd = near_connect(load, i), .events = POLLOUT };
		err = polls[i].fd < 0 ? polls[i].fd : 0;
	}
	if (!err)
		err = near_send(polls, count, load->run_ms);
	for (size_t i = 0; !err && i < count; i++)
		exchange->result.mbit[i] =
			(double)__atomic_load_n(&exchange->bytes[i], __ATOMIC_RELAXED) * 8 /
			(load->run_ms * 1000.0);
	for (size_t i = 0; !err && i < count; i++)
		err = near_end(polls[i].fd, exchange->result.congestion[i]);
	return err;
}

static int near_run(const struct path_load *load, struct exchange *exchange)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cpus_unbind();
		setpriority(PRIO_PROCESS, 0, -20);
		_exit(-near_live(load, exchange));
	}
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

int path_load_run(const struct path_load *load, struct path_result *ret_result)
{
	struct exchange *exchange = mmap(NULL, sizeof(*exchange), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t far = 0;
	int err;

	if (exchange == MAP_FAILED)
		return -errno;
	err = far_start(load->paths, exchange, &far);
	if (!err)
		err = near_run(load, exchange);
	if (!err)
		*ret_result = exchange->result;
	space_kill(&far);
	munmap(exchange, sizeof(*exchange));
	return err;
}
