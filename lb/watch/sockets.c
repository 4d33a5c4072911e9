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

#include "lb/watch/dump.h"
#include "lb/watch/veth.h"

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

/* One dump. */
struct counting {
	const struct socket_end *ends;
	size_t end_count;
	uint64_t count;
};

static bool is_counted(const struct inet_diag_msg *socket, const struct counting *counting)
{
	uint16_t port = ntohs(socket->id.idiag_sport);
	struct addr address = socket->idiag_family == AF_INET
				      ? addr_from_ipv4(socket->id.idiag_src)
				      : addr_from_ipv6(socket->id.idiag_src);

	for (size_t i = 0; i < counting->end_count; i++) {
		const struct socket_end *end = &counting->ends[i];

		if (port >= end->first && port <= end->last && addr_equal(&address, &end->address))
			return true;
	}
	return false;
}

static void count(const struct nlmsghdr *message, void *data)
{
	struct counting *counting = data;

	if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		counting->count += is_counted(NLMSG_DATA(message), counting);
}

static int family_count(int fd, int family, struct counting *counting)
{
	struct question question = question_of(family, counting->ends, counting->end_count);
	int err = dump_ask(fd, &question.header, count, counting);

	return err == -ENOENT ? -EOPNOTSUPP : err;
}

int sockets_count(struct net *net, const struct net_link *link, const struct socket_end *ends,
		  size_t end_count, uint64_t *ret_count)
{
	bool ipv4 = end_count && addr_is_ipv4(&ends[0].address);
	struct counting counting = { .ends = ends, .end_count = end_count };
	int fd, err;

	err = veth_end_socket(net, link, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, &fd);
	if (err)
		return err;
	/* Those of a listener for both families are IPv6 sockets with mapped addresses. */
	err = family_count(fd, AF_INET6, &counting);
	if (!err && ipv4)
		err = family_count(fd, AF_INET, &counting);
	close(fd);
	if (!err)
		*ret_count = counting.count;
	return err;
}
