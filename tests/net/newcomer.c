/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first thing that a container does: a datagram and a SYN to where it may not go, and then to
 * where it may, until it is answered there. Static, and alone in its image, so that nothing comes
 * before them. Prints one line of JSON; usage: newcomer FORBIDDEN ALLOWED PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS   20
#define PATIENCE_MS 20000

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* 0: it was sent. */
static int datagram(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), error = 0;

	if (sendto(fd, "first", 5, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* 0: it was answered. A SYN is sent in any case where none was refused. */
static int connection(const struct sockaddr_in *to, int wait_ms)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	struct pollfd answer = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(error);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS)
		error = errno;
	else if (poll(&answer, 1, wait_ms) < 1)
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	close(fd);
	return error;
}

int main(int argc, char **argv)
{
	struct sockaddr_in forbidden = { .sin_family = AF_INET };
	struct sockaddr_in allowed = { .sin_family = AF_INET };
	int udp, tcp, tries = 0, error;
	long begin = now_ms();

	if (argc != 4 || inet_pton(AF_INET, argv[1], &forbidden.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[2], &allowed.sin_addr) != 1)
		return 2;
	forbidden.sin_port = allowed.sin_port = htons((uint16_t)atoi(argv[3]));
	udp = datagram(&forbidden);
	tcp = connection(&forbidden, 0);
	do {
		if (tries++)
			usleep(PAUSE_MS * 1000);
		error = datagram(&allowed);
		if (!error)
			error = connection(&allowed, 1000);
		/* Whoever it is by then: what is forbidden stays so. */
		datagram(&forbidden);
		connection(&forbidden, 0);
	} while (error && now_ms() - begin < PATIENCE_MS);
	printf("{\"udp\": \"%s\", \"tcp\": \"%s\", \"tries\": %d, \"ms\": %ld, "
	       "\"error\": \"%s\"}\n", strerrorname_np(udp), strerrorname_np(tcp), tries,
	       now_ms() - begin, strerrorname_np(error));
	return !!error;
}
