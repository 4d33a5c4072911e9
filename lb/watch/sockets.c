/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dump of NETLINK_SOCK_DIAG in the container's namespace, counted as it comes in. By hand and not
 * over ask(): libnl copies every message of an answer, and there is one for every connection. */
#include "lb/watch/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/watch/veth.h"

#define ANSWER_BYTES 32768 /* the largest piece that the kernel makes of a dump */

#define LIVE_STATES                                                                               \
	(1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |  \
	 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* Where there is one port only, the kernel leaves out the others. */
static struct question question_of(int family, const struct socket_end *ends, size_t end_count)
{
	struct question question = {
		.header = { .nlmsg_len = sizeof(question), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = LIVE_STATES },
	};
	bool one = end_count > 0;

	for (size_t i = 0; i < end_count; i++)
		one &= ends[i].first == ends[0].first && ends[i].last == ends[0].first;
	if (one)
		question.body.id.idiag_sport = htons(ends[0].first);
	return question;
}

static bool is_counted(const struct inet_diag_msg *socket, const struct socket_end *ends,
		       size_t end_count)
{
	uint16_t port = ntohs(socket->id.idiag_sport);
	struct addr address = socket->idiag_family == AF_INET
				      ? addr_from_ipv4(socket->id.idiag_src)
				      : addr_from_ipv6(socket->id.idiag_src);

	for (size_t i = 0; i < end_count; i++)
		if (port >= ends[i].first && port <= ends[i].last &&
		    addr_equal(&address, &ends[i].address))
			return true;
	return false;
}

/* Returns 1 while more is to come, 0 at the end of the dump, or -errno. */
static int piece_count(const char *piece, size_t size, const struct socket_end *ends,
		       size_t end_count, uint64_t *count)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)piece;

	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		const void *body = NLMSG_DATA(message);

		/* Both begin with what went wrong, or 0. */
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
			int err = *(const int *)body;

			return err == -ENOENT ? -EOPNOTSUPP : err;
		}
		if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			*count += is_counted(body, ends, end_count);
	}
	return 1;
}

static int family_count(int fd, int family, const struct socket_end *ends, size_t end_count,
			uint64_t *count)
{
	struct question question = question_of(family, ends, end_count);
	_Alignas(struct nlmsghdr) char piece[ANSWER_BYTES];
	int err = 1;

	if (send(fd, &question, sizeof(question), 0) != sizeof(question))
		return -errno;
	while (err > 0) {
		ssize_t size = recv(fd, piece, sizeof(piece), 0);

		if (size < 0 && errno == EINTR)
			continue;
		err = size < 0 ? -errno : piece_count(piece, (size_t)size, ends, end_count, count);
	}
	return err;
}

int sockets_count(struct net *net, const struct net_link *link, const struct socket_end *ends,
		  size_t end_count, uint64_t *ret_count)
{
	bool ipv4 = end_count && addr_is_ipv4(&ends[0].address);
	uint64_t count = 0;
	int fd, err;

	err = veth_end_socket(net, link, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, &fd);
	if (err)
		return err;
	/* Those of a listener for both families are IPv6 sockets with mapped addresses. */
	err = family_count(fd, AF_INET6, ends, end_count, &count);
	if (!err && ipv4)
		err = family_count(fd, AF_INET, ends, end_count, &count);
	close(fd);
	if (!err)
		*ret_count = count;
	return err;
}
