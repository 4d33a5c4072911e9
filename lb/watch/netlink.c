/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets of a network namespace and its events. An event carries no data from here to
 * anywhere: it only says that the view must be read anew (net_read.c), so a lost or misread
 * message can never leave the daemon with a wrong picture. */
#include "lb/watch/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "config/mem.h"
#include "lb/watch/net_private.h"

#define EVENT_BUFFER_BYTES (1 << 20)
#define EVENT_MESSAGE_MAX (32 << 10) /* the kernel's own limit for what it puts together */
#define DRAIN_MAX 4096 /* messages a call: a storm of routes must not hold the loop */

static const int groups[] = {
	RTNLGRP_LINK, RTNLGRP_NEIGH, /* of bridges too: their forwarding tables */
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,
};

/* More room than the usual limit needs CAP_NET_ADMIN. Without it the buffer stays as it is: an
 * overrun is noticed and costs one reading of the view. */
static void enlarge_buffer(int fd)
{
	int size = EVENT_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int events_open(struct nl_sock **ret_sock)
{
	struct nl_sock *sock;
	int fd, err = ask_open(NETLINK_ROUTE, &sock);

	if (err)
		return err;
	fd = nl_socket_get_fd(sock);
	enlarge_buffer(fd);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i]))) {
			err = -errno;
			nl_socket_free(sock);
			return err;
		}
	}
	*ret_sock = sock;
	return 0;
}

int net_open(struct net **ret_net)
{
	struct net *net = mem_array(1, sizeof(*net));
	int err;

	err = ask_open(NETLINK_ROUTE, &net->route);
	if (!err)
		err = ask_open(NETLINK_GENERIC, &net->generic);
	if (!err)
		err = events_open(&net->events);
	if (err) {
		net_close(net);
		return err;
	}
	*ret_net = net;
	return 0;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	nl_socket_free(net->route);
	nl_socket_free(net->generic);
	nl_socket_free(net->events);
	free(net->places);
	net_routes_forget(net);
	free(net);
}

int net_fd(const struct net *net)
{
	return nl_socket_get_fd(net->events);
}

/* A route that IPv6 caches for itself. */
static bool is_cached_route(struct nlmsghdr *message)
{
	const struct rtmsg *route = nlmsg_data(message);

	return (message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE) &&
	       nlmsg_valid_hdr(message, sizeof(*route)) && (route->rtm_flags & RTM_F_CLONED);
}

/* All that we subscribed to concerns us, but for those. */
static bool messages_note(struct net *net, struct nlmsghdr *message, size_t len)
{
	bool concerns_us = false;

	for (int left = (int)len; nlmsg_ok(message, left); message = nlmsg_next(message, &left)) {
		if (is_cached_route(message))
			continue;
		net_routes_note(net, message->nlmsg_type);
		concerns_us = true;
	}
	return concerns_us;
}

bool net_drain(struct net *net)
{
	_Alignas(struct nlmsghdr) unsigned char buffer[EVENT_MESSAGE_MAX];
	bool changed = false;

	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t len = recv(net_fd(net), buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0 && (errno == EAGAIN || errno == EBADF))
			break;
		if (len < 0 && errno == EINTR)
			continue;
		/* ENOBUFS: messages were lost. A cut one may say anything. */
		if (len < 0 || (size_t)len > sizeof(buffer)) {
			net_routes_forget(net);
			changed = true;
		} else if (messages_note(net, (struct nlmsghdr *)buffer, (size_t)len)) {
			changed = true;
		}
	}
	return changed;
}

void *net_room(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return mem_must(reallocarray(items, count ? 2 * count : 1, size));
}
