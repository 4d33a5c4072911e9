/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom the attempts want to reach: says back whatever comes to its port, by every protocol that the
 * kernel has, and tells what it heard. A packet socket beside them tells what came to this host at
 * all: to the test "nobody heard it" and "it did not come" are two things. */
#include "tests/net/reach/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PROTOCOL_UDPLITE 136
#define BACKLOG		 128

enum kind { LISTENER, STREAM, DATAGRAM, WATCHER };

static int epoll;

static int watch(int fd, enum kind kind)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data.u64 = (uint64_t)kind << 32 | (uint32_t)fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* ---- what it tells -------------------------------------------------------------------------- */

static bool of_a_text(unsigned char byte)
{
	return byte && strchr(MARK "0123456789abcdef", byte);
}

/* The first of our texts in these bytes, in quotes, or null. */
static const char *text_of(const unsigned char *bytes, size_t size)
{
	static char told[TEXT_MAX + 2];
	const unsigned char *at = memmem(bytes, size, MARK, strlen(MARK));
	size_t length = 0;

	if (!at)
		return "null";
	while (length < TEXT_MAX - 1 && at + length < bytes + size && of_a_text(at[length]))
		length++;
	snprintf(told, sizeof(told), "\"%.*s\"", (int)length, (const char *)at);
	return told;
}

static void tell(const char *event, const char *protocol, const struct sockaddr_in6 *from,
		 const unsigned char *bytes, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(AF_INET6, &from->sin6_addr, address, sizeof(address));
	printf("{\"event\": \"%s\", \"protocol\": \"%s\", \"from\": \"%s\", \"port\": %u, "
	       "\"text\": %s}\n", event, protocol, address, ntohs(from->sin6_port),
	       text_of(bytes, size));
	fflush(stdout);
}

static void packet_tell(const unsigned char *bytes, size_t size)
{
	const struct ip6_hdr *ip6 = (const struct ip6_hdr *)bytes;
	const struct iphdr *ip = (const struct iphdr *)bytes;
	struct sockaddr_in6 from = { 0 };
	char protocol[8];

	if (size >= sizeof(*ip6) && ip->version == 6) {
		from.sin6_addr = ip6->ip6_src;
		snprintf(protocol, sizeof(protocol), "%u", ip6->ip6_nxt);
	} else if (size >= sizeof(*ip) && ip->version == 4) {
		from.sin6_addr.s6_addr32[2] = htonl(0xffff);
		from.sin6_addr.s6_addr32[3] = ip->saddr;
		snprintf(protocol, sizeof(protocol), "%u", ip->protocol);
	} else {
		return;
	}
	tell("packet", protocol, &from, bytes, size);
}

/* ---- what comes ----------------------------------------------------------------------------- */

static void accept_one(int listener)
{
	struct sockaddr_in6 from = { 0 };
	socklen_t size = sizeof(from);
	int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	tell("accepted", "stream", &from, NULL, 0);
	if (watch(fd, STREAM))
		close(fd);
}

static void stream_echo(int fd)
{
	struct sockaddr_in6 from = { 0 };
	socklen_t length = sizeof(from);
	unsigned char bytes[FRAME_MAX];
	ssize_t size = read(fd, bytes, sizeof(bytes));

	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0) {
		close(fd);
		return;
	}
	getpeername(fd, (struct sockaddr *)&from, &length);
	tell("heard", "stream", &from, bytes, size);
	if (send(fd, bytes, size, MSG_NOSIGNAL) != size)
		close(fd);
}

/* The answer comes from the address that was asked: the control message goes back as it came. */
static void datagram_echo(int fd)
{
	struct sockaddr_in6 from = { 0 };
	unsigned char bytes[FRAME_MAX];
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec vector = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof(from),
				  .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t size = recvmsg(fd, &message, 0);

	if (size < 0)	/* an error that an answer had caused */
		return;
	tell("heard", "datagram", &from, bytes, size);
	vector.iov_len = size;
	sendmsg(fd, &message, 0);
}

static void packet_watch(int fd)
{
	struct sockaddr_ll from = { 0 };
	socklen_t length = sizeof(from);
	unsigned char bytes[FRAME_MAX];
	ssize_t size = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length);

	if (size > 0 && from.sll_pkttype != PACKET_OUTGOING)
		packet_tell(bytes, size);
}

/* ---- its sockets ---------------------------------------------------------------------------- */

/* Bound for both families. 0, or -errno: the kernel may lack the protocol. */
static int socket_add(int port, int type, int protocol, enum kind kind)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1, backlog = BACKLOG;
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return -errno;
	if (kind == DATAGRAM)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	else if (protocol != IPPROTO_SCTP)
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog));
	if (kind == LISTENER && listen(fd, backlog))
		return -errno;
	return watch(fd, kind);
}

static int watcher_add(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

	return fd < 0 ? -errno : watch(fd, WATCHER);
}

static int sockets_add(int port, int protocol)
{
	int error = socket_add(port, SOCK_STREAM, protocol, LISTENER);

	if (!error)
		error = socket_add(port, SOCK_DGRAM, IPPROTO_UDP, DATAGRAM);
	if (error)
		return error;
	/* Those that a kernel may lack, and the watcher's right that a container may. */
	socket_add(port, SOCK_DGRAM, PROTOCOL_UDPLITE, DATAGRAM);
	socket_add(port, SOCK_STREAM, IPPROTO_SCTP, LISTENER);
	error = watcher_add();
	return error == -EPERM ? 0 : error;
}

int serve(int port, int protocol)
{
	static void (*const handlers[])(int fd) = {
		[LISTENER] = accept_one,
		[STREAM] = stream_echo,
		[DATAGRAM] = datagram_echo,
		[WATCHER] = packet_watch,
	};
	int error;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	error = sockets_add(port, protocol);
	if (error) {
		fprintf(stderr, "reach: port %d: %s\n", port, strerror(-error));
		return 1;
	}
	printf("{\"event\": \"ready\"}\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(epoll, &event, 1, -1) == 1)
			handlers[event.data.u64 >> 32]((int)(uint32_t)event.data.u64);
	}
}
