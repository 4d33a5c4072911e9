/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check "tcp": whether a connection is accepted. The application never hears of it: the
 * kernel is told to delay the last ACK of the handshake, and the close sends a reset in its
 * place. A listener that would accept has answered the SYN by then, its half-made connection is
 * forgotten, accept(2) does not wake, no log says "reset by peer", and no side keeps a TIME_WAIT.
 * Called by health_target.c. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lb/watch/health_probe.h"

struct tcp_probe {
	struct probe_request request;
	struct event *event;
	int fd;		/* -1: there was no socket to be had */
	int error;	/* errno of what ended it before the loop came to it, or 0 */
};

static socklen_t socket_address(const struct health_target *target,
				struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (addr_is_ipv4(&target->address)) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(target->port);
		memcpy(&ipv4->sin_addr, target->address.byte + 12, 4);
		return sizeof(*ipv4);
	}
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(target->port);
	memcpy(&ipv6->sin6_addr, target->address.byte, 16);
	return sizeof(*ipv6);
}

static void tcp_stop(void *data)
{
	struct tcp_probe *probe = data;

	event_free(probe->event);
	if (probe->fd >= 0)
		close(probe->fd);
	free(probe);
}

static void finish(struct tcp_probe *probe, enum probe_verdict verdict, const char *reason)
{
	const struct probe_request request = probe->request;

	tcp_stop(probe);
	request.done(request.data, verdict, reason);
}

static void on_answer(evutil_socket_t fd, short what, void *data)
{
	char reason[HEALTH_REASON_MAX] = "";
	enum probe_verdict verdict = PROBE_GOOD;
	struct tcp_probe *probe = data;
	int error = probe->error;
	socklen_t size = sizeof(error);

	(void)what;
	if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	if (error)
		verdict = probe_judge_errno(error, reason);
	finish(probe, verdict, reason);
}

/* Returns 0 or the errno with which it is over. */
static int begin(struct tcp_probe *probe)
{
	const int delay_ack = 0;
	struct sockaddr_storage address;
	socklen_t size = socket_address(probe->request.target, &address);

	probe->fd = probe_socket(address.ss_family);
	if (probe->fd < 0) {
		int error = -probe->fd;

		probe->fd = -1;
		return error;
	}
	setsockopt(probe->fd, IPPROTO_TCP, TCP_QUICKACK, &delay_ack, sizeof(delay_ack));
	if (connect(probe->fd, (struct sockaddr *)&address, size) && errno != EINPROGRESS)
		return errno;
	return 0;
}

static void *tcp_start(const struct probe_request *request)
{
	struct tcp_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	probe->request = *request;
	probe->error = begin(probe);
	probe->event = event_new(request->loop, probe->fd, EV_WRITE, on_answer, probe);
	if (!probe->event) {
		if (probe->fd >= 0)
			close(probe->fd);
		free(probe);
		return NULL;
	}
	if (!probe->error && event_add(probe->event, NULL))
		probe->error = ENOMEM;
	if (probe->error) /* known already, but told from the loop like any other */
		event_active(probe->event, EV_WRITE, 0);
	return probe;
}

static void tcp_expire(void *data)
{
	struct tcp_probe *probe = data;
	char reason[HEALTH_REASON_MAX];

	probe_reason_late(&probe->request, "", reason);
	finish(probe, PROBE_BAD, reason);
}

const struct probe_kind probe_tcp = {
	.start = tcp_start,
	.expire = tcp_expire,
	.stop = tcp_stop,
};
