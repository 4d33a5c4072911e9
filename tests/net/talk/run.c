/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: one flow after the other, of every kind and of sizes by chance, the same for the same
 * seed. */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static unsigned int chance(unsigned int *seed, unsigned int below)
{
	return (unsigned int)rand_r(seed) % below;
}

/* Mostly small ones, as in life. */
static uint32_t size_by_chance(unsigned int *seed)
{
	switch (chance(seed, 20)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return 1 << 20 >> chance(seed, 4);
	case 3:
	case 4:
	case 5:
		return chance(seed, 65536);
	default:
		return chance(seed, 3000);
	}
}

/* ---- connections ---------------------------------------------------------------------------- */

static int socket_patient(void)
{
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

static int connect_to(const struct sockaddr_in6 *to)
{
	int fd = socket_patient();

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		talk_fail("connect");
	return fd;
}

/* A connection that does not come about. Its port is not its own any more: whoever compares must do
 * without. */
static void tell_failed(const struct sockaddr_in6 *to, const char *end)
{
	talk_tell(&(struct talk_flow){ .protocol = "tcp", .end = end, .remote = *to });
}

/* The first one of a container that is new: there may be no way to a vip until its namespace is
 * known. Each attempt is a flow. */
static int connect_at_last(const struct sockaddr_in6 *to)
{
	for (int tries = 0; tries < 1000; tries++) {
		int fd = socket_patient();

		if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)))
			return fd;
		if (errno != ENETUNREACH && errno != EHOSTUNREACH)
			break;
		close(fd);
		tell_failed(to, "unreachable");
		usleep(20000);
	}
	talk_fail("connect, the first time");
}

static void request_send(int fd, const struct talk_request *request, struct talk_flow *flow)
{
	struct talk_request head = { htonl(request->kind), htonl(request->up),
				     htonl(request->down) };

	if (send(fd, &head, sizeof(head), MSG_NOSIGNAL) != (ssize_t)sizeof(head))
		talk_fail("send");
	flow->sent += sizeof(head);
	talk_send(fd, request->up, flow);
}

static void connection_run(int fd, const struct talk_request *request)
{
	struct talk_flow flow = { .protocol = "tcp", .end = "closed" };

	talk_ends(fd, &flow);
	request_send(fd, request, &flow);
	switch (request->kind) {
	case TALK_SERVER_CLOSES:
	case TALK_SERVER_HALF:
		talk_receive_end(fd, &flow);
		break;
	case TALK_CLIENT_CLOSES:
		talk_receive(fd, request->down, &flow);
		break;
	case TALK_CLIENT_HALF:
		shutdown(fd, SHUT_WR);
		talk_receive_end(fd, &flow);
		break;
	case TALK_CLIENT_RESETS:
		talk_receive(fd, request->down, &flow);
		flow.end = "aborted";
		talk_reset(fd);
		talk_tell(&flow);
		return;
	case TALK_SERVER_RESETS:
		talk_receive(fd, request->down, &flow);
		talk_send(fd, 1, &flow);
		talk_receive_reset(fd);
		flow.end = "reset";
		break;
	case TALK_SERVER_UNREAD:
		talk_receive_reset(fd);
		flow.end = "reset";
		break;
	}
	close(fd);
	talk_tell(&flow);
}

/* What the server is not to read must be something, and must fit into its queue. A client that
 * resets needs an answer first: a reset takes away what the server has not read yet. */
static struct talk_request request_by_chance(unsigned int *seed)
{
	struct talk_request request = { chance(seed, TALK_KINDS), size_by_chance(seed),
					size_by_chance(seed) };

	if (request.kind == TALK_SERVER_UNREAD)
		request.up = 1 + request.up % 16384;
	if (request.kind == TALK_CLIENT_RESETS)
		request.down++;
	return request;
}

static void connection_refused(struct sockaddr_in6 to, uint16_t port)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin6_port = htons(port);
	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != ECONNREFUSED)
		talk_fail("connect, to be refused");
	close(fd);
	tell_failed(&to, "refused");
}

/* ---- datagrams ------------------------------------------------------------------------------ */

/* Each is answered before the next is sent, so that none is lost for want of room. */
static void datagrams_run(const struct sockaddr_in6 *to, unsigned int *seed)
{
	struct talk_flow flow = { .protocol = "udp", .end = "idle" };
	struct timeval patience = { .tv_sec = 20 };
	unsigned int count = 1 + chance(seed, 10);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char buffer[TALK_DATAGRAM_MAX] = { 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		talk_fail("connect, of datagrams");
	talk_ends(fd, &flow);
	while (count--) {
		size_t size = sizeof(struct talk_datagram) +
			      chance(seed, TALK_DATAGRAM_MAX - sizeof(struct talk_datagram));
		uint16_t answer = (uint16_t)chance(seed, TALK_DATAGRAM_MAX);

		((struct talk_datagram *)buffer)->answer = htons(answer);
		if (send(fd, buffer, size, 0) != (ssize_t)size)
			talk_fail("send, of datagrams");
		if (recv(fd, buffer, sizeof(buffer), 0) != answer)
			talk_fail("recv, of datagrams");
		flow.sent += size;
		flow.received += answer;
		flow.datagrams_sent++;
		flow.datagrams_received++;
	}
	close(fd);
	talk_tell(&flow);
}

/* ---- both ----------------------------------------------------------------------------------- */

int talk_run(const struct talk_plan *plan)
{
	unsigned int seed = plan->seed, tcp = plan->tcp, udp = plan->udp;
	struct talk_request request = { TALK_CLIENT_CLOSES, 0, 0 };

	connection_run(connect_at_last(&plan->to), &request);
	while (tcp || udp) {
		if (chance(&seed, tcp + udp) < udp) {
			datagrams_run(&plan->to, &seed);
			udp--;
			continue;
		}
		request = request_by_chance(&seed);
		connection_run(connect_to(&plan->to), &request);
		if (plan->refused_port && tcp % 10 == 0)
			connection_refused(plan->to, plan->refused_port);
		tcp--;
	}
	puts("end");
	return 0;
}

int talk_hold(const struct sockaddr_in6 *to, unsigned int count, uint32_t bytes)
{
	struct talk_request request = { TALK_CLIENT_CLOSES, bytes, bytes };

	while (count--) {
		struct talk_flow flow = { .protocol = "tcp", .end = "held" };
		int fd = connect_to(to);

		talk_ends(fd, &flow);
		request_send(fd, &request, &flow);
		talk_receive(fd, request.down, &flow);
		talk_tell(&flow);
	}
	puts("held");
	for (;;)
		pause();
}
