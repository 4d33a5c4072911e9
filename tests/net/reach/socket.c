/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways by sockets for which the kernel writes the headers. */
#include "tests/net/reach/reach.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/mptcp.h>
#include <netinet/icmp6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* Of the kernel's include/linux/socket.h and uapi/linux/in.h: the C library does not know them. */
#define SOL_MPTCP	  284
#define PROTOCOL_MPTCP	  262
#define PROTOCOL_UDPLITE  136
#define SYN_DATA_ACCEPTED 32	/* TCPI_OPT_SYN_DATA */

socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->in) : sizeof(address->in6);
}

int failure(void)
{
	/* What SO_RCVTIMEO and SO_SNDTIMEO end with. */
	return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
}

int socket_open_as(struct attempt *attempt, int family, int type, int protocol, int *ret_fd)
{
	struct timeval time = { attempt->timeout_ms / 1000, attempt->timeout_ms % 1000 * 1000 };
	int error, fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

int socket_bind(int fd, const union address *from)
{
	return from->any.sa_family && bind(fd, &from->any, address_size(from)) ? -errno : 0;
}

int socket_open(struct attempt *attempt)
{
	const struct way *way = attempt->way;
	int error = socket_open_as(attempt, attempt->to.any.sa_family, way->type, way->protocol,
				   &attempt->fd);

	return error ? error : socket_bind(attempt->fd, &attempt->from);
}

int text_await(int fd, const char *text)
{
	unsigned char bytes[FRAME_MAX];

	for (;;) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

		if (got < 0)
			return failure();
		if (got == 0)
			return -ECONNRESET;
		if (memmem(bytes, got, text, strlen(text)))
			return 0;
	}
}

static int socket_connect(struct attempt *attempt)
{
	return connect(attempt->fd, &attempt->to.any, address_size(&attempt->to)) ? failure() : 0;
}

static int socket_answer(struct attempt *attempt)
{
	if (send(attempt->fd, attempt->text, strlen(attempt->text), MSG_NOSIGNAL) < 0)
		return failure();
	return text_await(attempt->fd, attempt->text);
}

static int sendto_answer(struct attempt *attempt)
{
	if (sendto(attempt->fd, attempt->text, strlen(attempt->text), 0, &attempt->to.any,
		   address_size(&attempt->to)) < 0)
		return failure();
	return text_await(attempt->fd, attempt->text);
}

/* ---- TCP Fast Open -------------------------------------------------------------------------- */

/* Whether the first segment's data was taken: else it was a connection like any other. */
static void fast_open_tell(struct attempt *attempt)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	getsockopt(attempt->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	attempt->fact = "syn_data";
	attempt->fact_value = !!(info.tcpi_options & SYN_DATA_ACCEPTED);
}

/* There is no connect that policy could refuse: the first bytes open the connection. */
static int fast_open_answer(struct attempt *attempt)
{
	int error;

	if (attempt->fact)	/* again: it is open */
		return socket_answer(attempt);
	if (sendto(attempt->fd, attempt->text, strlen(attempt->text), MSG_FASTOPEN | MSG_NOSIGNAL,
		   &attempt->to.any, address_size(&attempt->to)) < 0)
		return failure();
	error = text_await(attempt->fd, attempt->text);
	fast_open_tell(attempt);
	return error;
}

/* Connects at once, and sends the SYN with the first bytes. */
static int fast_open_connect(struct attempt *attempt)
{
	int on = 1;

	if (setsockopt(attempt->fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)))
		return -errno;
	return socket_connect(attempt);
}

static int fast_open_connected_answer(struct attempt *attempt)
{
	int error = socket_answer(attempt);

	fast_open_tell(attempt);
	return error;
}

/* ---- multipath TCP -------------------------------------------------------------------------- */

static int multipath_answer(struct attempt *attempt)
{
	struct mptcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int error = socket_answer(attempt);

	/* Fails where it fell back to TCP. */
	attempt->fact = "multipath";
	attempt->fact_value = !getsockopt(attempt->fd, SOL_MPTCP, MPTCP_INFO, &info, &size) &&
			      !(info.mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK);
	return error;
}

/* ---- echo of ICMP --------------------------------------------------------------------------- */

/* A raw socket would also take an error, which quotes our text. */
static int replies_only(int fd, bool ipv6)
{
	struct icmp_filter filter = { ~(1U << ICMP_ECHOREPLY) };
	struct icmp6_filter filter6;

	if (!ipv6)
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) ? -errno : 0;
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6)) ? -errno : 0;
}

static int echo_open(struct attempt *attempt)
{
	bool ipv6 = attempt->to.any.sa_family == AF_INET6;
	int error = socket_open_as(attempt, attempt->to.any.sa_family, attempt->way->type,
				   ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, &attempt->fd);

	if (!error && attempt->way->type == SOCK_RAW)
		error = replies_only(attempt->fd, ipv6);
	return error ? error : socket_bind(attempt->fd, &attempt->from);
}

static int echo_answer(struct attempt *attempt)
{
	bool ipv6 = attempt->to.any.sa_family == AF_INET6;
	union address to = attempt->to;
	struct {
		struct icmphdr header;
		char text[TEXT_MAX];
	} echo = { .header = { .type = ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
			       .un.echo.id = htons(getpid()) } };
	size_t size = sizeof(echo.header) + strlen(attempt->text);

	strcpy(echo.text, attempt->text);
	/* Of IPv6 the kernel makes the sum, which has addresses in it. */
	if (!ipv6)
		echo.header.checksum = sum_fold(sum_add(0, &echo, size));
	to.in.sin_port = 0;	/* at the same place in both families; raw sockets refuse one */
	if (sendto(attempt->fd, &echo, size, 0, &to.any, address_size(&to)) < 0)
		return failure();
	return text_await(attempt->fd, attempt->text);
}

/* ---- sockets that no IP packet leaves by ---------------------------------------------------- */

/* Whether there is one is all that is asked. */
static int other_open(struct attempt *attempt)
{
	const struct way *way = attempt->way;

	return socket_open_as(attempt, way->option, way->type, way->protocol, &attempt->fd);
}

/* ---- the table ------------------------------------------------------------------------------ */

/* The last is a family, where it is not the destination's. */
static const struct way ways[] = {
	{ "tcp", SOCK_STREAM, IPPROTO_TCP, socket_open, socket_connect, socket_answer, 0 },
	{ "udp", SOCK_DGRAM, IPPROTO_UDP, socket_open, socket_connect, socket_answer, 0 },
	{ "sendto", SOCK_DGRAM, IPPROTO_UDP, socket_open, NULL, sendto_answer, 0 },
	{ "udplite", SOCK_DGRAM, PROTOCOL_UDPLITE, socket_open, NULL, sendto_answer, 0 },
	{ "sctp", SOCK_STREAM, IPPROTO_SCTP, socket_open, socket_connect, socket_answer, 0 },
	{ "mptcp", SOCK_STREAM, PROTOCOL_MPTCP, socket_open, socket_connect, multipath_answer, 0 },
	{ "fastopen", SOCK_STREAM, IPPROTO_TCP, socket_open, NULL, fast_open_answer, 0 },
	{ "fastopen_connect", SOCK_STREAM, IPPROTO_TCP, socket_open, fast_open_connect,
	  fast_open_connected_answer, 0 },
	{ "ping", SOCK_DGRAM, 0, echo_open, NULL, echo_answer, 0 },
	{ "raw", SOCK_RAW, 0, echo_open, NULL, echo_answer, 0 },
	{ "netlink", SOCK_RAW, 0, other_open, NULL, NULL, AF_NETLINK },
	{ "vsock", SOCK_STREAM, 0, other_open, NULL, NULL, AF_VSOCK },
	{ "xdp", SOCK_RAW, 0, other_open, NULL, NULL, AF_XDP },
};

const struct way *socket_way(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}
