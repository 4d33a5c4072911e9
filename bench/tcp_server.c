/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread with epoll; what a connection wants is kept by its descriptor. */
#include "bench/tcp_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/cpus.h"
#include "bench/space.h"

#define EVENTS	   64
#define BACKLOG	   4096
#define BULK_BYTES (256 * 1024)
#define FDS_MAX	   1024		/* the usual limit of a process */

struct server {
	struct tcp_served *served;
	int epoll;
	char wishes[FDS_MAX];	/* of enum tcp_wish; 0: not told yet */
	bool listens[FDS_MAX];
	char buffer[BULK_BYTES];
};

static int watch(const struct server *server, int fd, uint32_t events, int how)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(server->epoll, how, fd, &event);
}

static int port_listen(struct server *server, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, BACKLOG))
		return -1;
	server->listens[fd] = true;
	return watch(server, fd, EPOLLIN, EPOLL_CTL_ADD);
}

static void clients_accept(struct server *server, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		if (fd >= FDS_MAX || watch(server, fd, EPOLLIN, EPOLL_CTL_ADD))
			close(fd);
		else
			server->wishes[fd] = 0;
}

/* False: the connection is over. */
static bool request_read(struct server *server, int fd)
{
	ssize_t size = recv(fd, server->buffer, TCP_REQUEST_BYTES, 0);

	if (size <= 0)
		return false;
	server->wishes[fd] = server->buffer[0];
	switch (server->wishes[fd]) {
	case TCP_ANSWER: /* and then only its FIN is to come */
		server->wishes[fd] = 0;
		return send(fd, server->buffer, TCP_REQUEST_BYTES, MSG_NOSIGNAL) ==
		       TCP_REQUEST_BYTES;
	case TCP_DOWNLOAD:
		return !watch(server, fd, EPOLLOUT, EPOLL_CTL_MOD);
	default:
		return server->wishes[fd] == TCP_UPLOAD;
	}
}

static bool client_serve(struct server *server, int fd)
{
	ssize_t size;

	switch (server->wishes[fd]) {
	case TCP_DOWNLOAD:
		return send(fd, server->buffer, BULK_BYTES, MSG_NOSIGNAL) > 0 || errno == EAGAIN;
	case TCP_UPLOAD:
		size = recv(fd, server->buffer, BULK_BYTES, 0);
		if (size > 0)
			server->served->received += size;
		return size > 0;
	default:
		return request_read(server, fd);
	}
}

void tcp_serve(int ready, void *data)
{
	static struct server server;
	struct epoll_event events[EVENTS];

	cpus_unbind();
	server.served = data;
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0 || port_listen(&server, TCP_VIP_PORT) ||
	    port_listen(&server, TCP_PORT) || write(ready, "", 1) != 1)
		return;
	for (;;) {
		int count = epoll_wait(server.epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (server.listens[fd])
				clients_accept(&server, fd);
			else if (!client_serve(&server, fd))
				close(fd);
		}
	}
}
