/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pattern serve: answers the first byte of a connection with its ID, and then echoes whatever
 * comes, until it is ended. A health check, which begins with GET, is answered with 200; with 503
 * from SIGUSR1 to SIGUSR2. */
#include "tests/net/pattern/pattern.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct peer {
	int fd;
	bool greeted;
	uint32_t pending;	/* bytes read that could not be written yet */
	unsigned char bytes[4096];
};

static volatile sig_atomic_t unwell;

static void on_signal(int number)
{
	unwell = number == SIGUSR1;
}

static void peer_watch(int epoll, struct peer *peer, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = peer };

	epoll_ctl(epoll, how, peer->fd, &event);
}

static void peers_accept(int epoll, int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *peer = calloc(1, sizeof(*peer));

		if (!peer)
			abort();
		peer->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		peer_watch(epoll, peer, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* The first bytes: the first of them becomes the greeting. False: it was a health check. */
static bool peer_greet(struct peer *peer, ssize_t got, unsigned char id)
{
	static const char well[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
				   "Connection: close\r\n\r\n";
	static const char ill[] = "HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n"
				  "Connection: close\r\n\r\n";
	const char *answer = unwell ? ill : well;

	peer->greeted = true;
	if (got >= 4 && !memcmp(peer->bytes, "GET ", 4))
		return write(peer->fd, answer, strlen(answer)) < 0;
	peer->bytes[0] = id;
	return true;
}

/* False once the connection is over. */
static bool peer_echo(int epoll, struct peer *peer, unsigned char id)
{
	bool waited = peer->pending;
	ssize_t got = peer->pending, put;

	if (!got)
		got = read(peer->fd, peer->bytes, sizeof(peer->bytes));
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	if (!peer->greeted && !peer_greet(peer, got, id))
		return false;
	put = write(peer->fd, peer->bytes, got);
	if (put < 0 && errno != EAGAIN)
		return false;
	if (put < 0)
		put = 0;
	peer->pending = got - put;
	memmove(peer->bytes, peer->bytes + put, peer->pending);
	if (waited != !!peer->pending)
		peer_watch(epoll, peer, EPOLL_CTL_MOD, peer->pending ? EPOLLOUT : EPOLLIN);
	return true;
}

static int listener_open(const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address->storage, address->size) ||
	    listen(fd, 4096)) {
		perror("pattern serve");
		exit(1);
	}
	return fd;
}

int serve_main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct address address;
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener;
	unsigned char id;

	if (argc != 4 || address_parse(argv[1], number_of(argv[2]), &address))
		return 2;
	id = number_of(argv[3]);
	descriptors_raise();
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	listener = listener_open(&address);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){ .events = EPOLLIN, .data.ptr = NULL });
	printf("serving\n");
	fflush(stdout);
	while (true) {
		int count = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;

			if (!peer) {
				peers_accept(epoll, listener);
			} else if (!peer_echo(epoll, peer, id)) {
				close(peer->fd);
				free(peer);
			}
		}
	}
}
