/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespace at a veth's other end as a client of ours: which one it is, and whether its way to
 * an address leads here. Its own routes say so, by a socket over there: a container has us as its
 * gateway, a host that we are a container of does not. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/watch/net_private.h"
#include "lb/watch/veth.h"

/* libnl asks by this socket, and closes it. */
static int sock_of(int fd, struct nl_sock **ret_sock)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct nl_sock *sock;

	if (bind(fd, (const struct sockaddr *)&any, sizeof(any))) {
		int err = -errno;

		close(fd);
		return err;
	}
	sock = mem_must(nl_socket_alloc());
	if (nl_socket_set_fd(sock, NETLINK_ROUTE, fd)) {
		nl_socket_free(sock);
		close(fd);
		return -EIO;
	}
	*ret_sock = sock;
	return 0;
}

static void way_read(struct net *far, unsigned int ifindex, const struct addr *to,
		     struct veth_client *client)
{
	struct net_route route;
	int err = net_route_get(far, to, &route);

	if (err == -ENETUNREACH)
		return;
	if (err || route.local || route.ifindex != ifindex)
		client->leads_here = false;
	else if (route.has_source)
		client->sources[client->source_count++] = route.source;
}

int veth_end_client(struct net *net, const struct net_link *link, const struct addr *to,
		    size_t count, struct veth_client *ret_client)
{
	struct veth_client client = { .leads_here = true };
	socklen_t size = sizeof(client.cookie);
	struct net far = { 0 };
	int fd, err = veth_end_socket(net, link, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &fd);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &client.cookie, &size)) {
		err = -errno;
		close(fd);
		return err;
	}
	err = sock_of(fd, &far.route);
	if (err)
		return err;
	for (size_t i = 0; i < count && i < VETH_CLIENT_ADDRS; i++)
		way_read(&far, link->peer, &to[i], &client);
	nl_socket_free(far.route);
	*ret_client = client;
	return 0;
}
