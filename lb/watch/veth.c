/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's end of a veth: what it is called, whether it has NAPI, and giving it that. The
 * link itself is read from here by its namespace's id; only ethtool's ioctl and the listing of its
 * connections (sockets.c) need a socket over there, and no other code of the program ever runs in
 * another namespace. */
#include "lb/watch/veth.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/watch/ethtool.h"
#include "lb/watch/netns.h"

_Static_assert(sizeof(((struct veth_end *)0)->netns) == NETNS_PATH_MAX, "a namespace's path fits");

/* A socket where the far end is, and the path of that namespace. */
static int far_socket(struct net *net, const struct net_link *link, int domain, int type,
		      int protocol, int *ret_fd, char path[NETNS_PATH_MAX])
{
	int netns, fd, err;

	path[0] = '\0';
	if (link->peer_nsid < 0) {
		fd = socket(domain, type | SOCK_CLOEXEC, protocol);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 0;
	}
	err = netns_open(net, link->peer_nsid, &netns, path);
	if (err)
		return err;
	err = netns_socket(netns, domain, type, protocol, ret_fd);
	close(netns);
	return err;
}

/* The link may be an old one by now: what stands there must be its other end. */
static int far_link(struct net *net, const struct net_link *link, struct net_link *ret_far)
{
	struct net_link far;
	int err;

	if (link->kind != NET_VETH || !link->peer)
		return -EINVAL;
	err = net_link_read(net, link->peer, link->peer_nsid, &far);
	if (err)
		return err == -EACCES ? -EPERM : err;
	if (far.kind != NET_VETH || far.peer != link->ifindex)
		return -ENODEV;
	*ret_far = far;
	return 0;
}

/* Leaves in *ret_fd a socket of the far end's namespace, for the caller to close. */
static int end_open(struct net *net, const struct net_link *link, struct veth_end *ret_end,
		    int *ret_fd)
{
	struct veth_end end = { 0 };
	struct net_link far;
	int fd, err;

	err = far_link(net, link, &far);
	if (!err)
		err = far_socket(net, link, AF_INET, SOCK_DGRAM, 0, &fd, end.netns);
	if (err)
		return err;
	memcpy(end.name, far.name, sizeof(end.name));
	end.xdp = far.xdp_prog_id != 0;
	err = ethtool_get(fd, end.name, ETHTOOL_GGRO, &end.gro);
	if (!err)
		err = ethtool_get(fd, end.name, ETHTOOL_GTXCSUM, &end.tx_checksum);
	if (err) {
		close(fd);
		return err;
	}
	*ret_end = end;
	*ret_fd = fd;
	return 0;
}

int veth_end_socket(struct net *net, const struct net_link *link, int domain, int type,
		    int protocol, int *ret_fd)
{
	char path[NETNS_PATH_MAX];
	struct net_link far;
	int err = far_link(net, link, &far);

	return err ? err : far_socket(net, link, domain, type, protocol, ret_fd, path);
}

int veth_end_read(struct net *net, const struct net_link *link, struct veth_end *ret_end)
{
	int fd, err = end_open(net, link, ret_end, &fd);

	if (!err)
		close(fd);
	return err;
}

int veth_end_enable_napi(struct net *net, const struct net_link *link, bool *ret_changed)
{
	struct veth_end end;
	bool on = false;
	int fd, err = end_open(net, link, &end, &fd);

	if (err)
		return err;
	if (!end.gro && !end.xdp) {
		err = ethtool_set(fd, end.name, ETHTOOL_SGRO, true);
		/* A device may take the wish and not fulfil it. */
		if (!err)
			err = ethtool_get(fd, end.name, ETHTOOL_GGRO, &on);
		if (!err && !on)
			err = -EOPNOTSUPP;
	}
	close(fd);
	if (!err)
		*ret_changed = on;
	return err;
}
