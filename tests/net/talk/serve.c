/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server: threads that each serve one connection at a time, and one for all datagrams. Of the
 * datagrams it tells at its end (SIGTERM), since it cannot know which is a peer's last. */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define THREADS	  64
#define PEERS_MAX 65536

static struct talk_flow peers[PEERS_MAX]; /* of datagrams, by open addressing */
static pthread_mutex_t peers_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- connections ---------------------------------------------------------------------------- */

/* Until all of it lies in the socket's queue, unread. */
static void wait_queued(int fd, uint32_t bytes)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int queued = 0, low = (int)bytes;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
	if (poll(&ready, 1, 10000) < 1 || ioctl(fd, FIONREAD, &queued) || (uint32_t)queued < bytes)
		talk_fail("poll: what was to lie unread did not come");
}

static void connection_serve(int fd)
{
	struct talk_flow flow = { .protocol = "tcp", .end = "closed" };
	struct talk_request request;

	talk_ends(fd, &flow);
	if (recv(fd, &request, sizeof(request), MSG_WAITALL) != (ssize_t)sizeof(request)) {
		close(fd); /* somebody looked whether the port is open */
		return;
	}
	flow.received = sizeof(request);
	request.up = ntohl(request.up);
	request.down = ntohl(request.down);
	switch (ntohl(request.kind)) {
	case TALK_SERVER_CLOSES:
		talk_receive(fd, request.up, &flow);
		talk_send(fd, request.down, &flow);
		break;
	case TALK_CLIENT_CLOSES:
		talk_receive(fd, request.up, &flow);
		talk_send(fd, request.down, &flow);
		talk_receive_end(fd, &flow);
		break;
	case TALK_CLIENT_HALF:
		talk_receive_end(fd, &flow);
		talk_send(fd, request.down, &flow);
		break;
	case TALK_SERVER_HALF:
		talk_send(fd, request.down, &flow);
		shutdown(fd, SHUT_WR);
		talk_receive_end(fd, &flow);
		break;
	case TALK_CLIENT_RESETS:
		talk_receive(fd, request.up, &flow);
		talk_send(fd, request.down, &flow);
		talk_receive_reset(fd);
		flow.end = "reset";
		break;
	case TALK_SERVER_RESETS:
		talk_receive(fd, request.up, &flow);
		talk_send(fd, request.down, &flow);
		/* The client has read all of it: what a reset overtakes would be lost. */
		talk_receive(fd, 1, &flow);
		flow.end = "aborted";
		talk_reset(fd);
		talk_tell(&flow);
		return;
	case TALK_SERVER_UNREAD:
		wait_queued(fd, request.up);
		flow.received += request.up;
		flow.end = "aborted";
		break;
	}
	/* Told once it is over: whoever waits for the line finds the flow ended. */
	close(fd);
	talk_tell(&flow);
}

static void *connections_serve(void *data)
{
	int listener = *(int *)data, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		connection_serve(fd);
	talk_fail("accept");
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static struct talk_flow *peer_of(const struct sockaddr_in6 *remote)
{
	uint32_t place = ntohs(remote->sin6_port) * 2654435761U;

	for (int i = 0; i < 4; i++)
		place = (place ^ remote->sin6_addr.s6_addr32[i]) * 2654435761U;
	for (;; place++) {
		struct talk_flow *flow = &peers[place % PEERS_MAX];

		if (!flow->protocol) {
			flow->protocol = "udp";
			flow->end = "active";
			flow->remote = *remote;
			return flow;
		}
		if (flow->remote.sin6_port == remote->sin6_port &&
		    !memcmp(&flow->remote.sin6_addr, &remote->sin6_addr, 16))
			return flow;
	}
}

/* The address that a datagram was sent to, of which a socket on all of them has many. */
static struct in6_addr address_of(struct msghdr *message)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(message);

	for (; part; part = CMSG_NXTHDR(message, part))
		if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO)
			return ((struct in6_pktinfo *)CMSG_DATA(part))->ipi6_addr;
	talk_fail("recvmsg: no address");
}

static void *datagrams_serve(void *data)
{
	int fd = *(int *)data;
	char buffer[65536], control[256];
	struct sockaddr_in6 remote, local;
	socklen_t local_size = sizeof(local);
	struct iovec part = { buffer, sizeof(buffer) };

	getsockname(fd, (struct sockaddr *)&local, &local_size);
	for (;;) {
		struct msghdr message = { &remote, sizeof(remote), &part, 1, control,
					  sizeof(control), 0 };
		struct talk_datagram head;
		struct talk_flow *flow;
		ssize_t size;
		size_t answer;

		part.iov_len = sizeof(buffer);
		size = recvmsg(fd, &message, 0);
		if (size < (ssize_t)sizeof(head))
			talk_fail("recvmsg");
		memcpy(&head, buffer, sizeof(head));
		answer = ntohs(head.answer);
		pthread_mutex_lock(&peers_lock);
		flow = peer_of(&remote);
		flow->local = local;
		flow->local.sin6_addr = address_of(&message);
		flow->received += (uint64_t)size;
		flow->datagrams_received++;
		flow->sent += answer;
		flow->datagrams_sent++;
		pthread_mutex_unlock(&peers_lock);
		part.iov_len = answer; /* from the address that control says */
		if (sendmsg(fd, &message, 0) != (ssize_t)answer)
			talk_fail("sendmsg");
	}
}

/* ---- both ----------------------------------------------------------------------------------- */

static int socket_open(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		talk_fail("bind");
	return fd;
}

int talk_serve(uint16_t port)
{
	static int stream, datagram;
	pthread_t thread;
	sigset_t ends;
	int number;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	stream = socket_open(SOCK_STREAM, port);
	datagram = socket_open(SOCK_DGRAM, port);
	if (listen(stream, 4096))
		talk_fail("listen");
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, connections_serve, &stream))
			talk_fail("pthread_create");
	if (pthread_create(&thread, NULL, datagrams_serve, &datagram))
		talk_fail("pthread_create");
	puts("ready");
	sigwait(&ends, &number);
	pthread_mutex_lock(&peers_lock);
	for (int i = 0; i < PEERS_MAX; i++)
		if (peers[i].protocol)
			talk_tell(&peers[i]);
	puts("end");
	fflush(stdout);
	_exit(0);
}
