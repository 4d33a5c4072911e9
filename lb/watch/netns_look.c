/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By hand over a socket of the other namespace: libnl opens its sockets where the caller lives. */
#include "lb/watch/netns_look.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/watch/dump.h"
#include "lb/watch/net_private.h"
#include "lb/watch/netns.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#define ATTEMPTS 5

static bool is_loopback(const struct addr *addr)
{
	static const struct addr ipv6 = { .byte = { [15] = 1 } };

	return addr_is_ipv4(addr) ? addr->byte[12] == 127 : addr_equal(addr, &ipv6);
}

static void take_address(const struct nlmsghdr *message, void *data)
{
	struct netns_look *look = data;
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	const struct rtattr *attribute = IFA_RTA(header);
	int size = (int)IFA_PAYLOAD(message);
	struct addr addr;
	bool found = false;

	if (message->nlmsg_type != RTM_NEWADDR)
		return;
	/* On a link between two, IFA_ADDRESS is the other one's and IFA_LOCAL comes behind it. */
	for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) {
		size_t bytes = RTA_PAYLOAD(attribute);

		if (attribute->rta_type != IFA_LOCAL && attribute->rta_type != IFA_ADDRESS)
			continue;
		if (found && attribute->rta_type == IFA_ADDRESS)
			continue;
		if (bytes == 4)
			addr = addr_from_ipv4(RTA_DATA(attribute));
		else if (bytes == 16)
			addr = addr_from_ipv6(RTA_DATA(attribute));
		else
			continue;
		found = true;
	}
	if (!found || is_loopback(&addr))
		return;
	look->addresses = net_room(look->addresses, look->address_count, sizeof(addr));
	look->addresses[look->address_count++] = addr;
}

static void take_link(const struct nlmsghdr *message, void *data)
{
	struct netns_look *look = data;
	const struct ifinfomsg *header = NLMSG_DATA(message);
	const struct rtattr *attribute = IFLA_RTA(header);
	int size = (int)IFLA_PAYLOAD(message);
	struct netns_veth veth = { .ifindex = (unsigned int)header->ifi_index };

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) {
		if (attribute->rta_type == IFLA_LINK && RTA_PAYLOAD(attribute) == 4)
			memcpy(&veth.peer, RTA_DATA(attribute), 4);
		if (attribute->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(attribute) == 6)
			memcpy(veth.mac, RTA_DATA(attribute), 6);
	}
	if (!veth.peer || veth.peer == veth.ifindex)
		return;
	look->veths = net_room(look->veths, look->veth_count, sizeof(veth));
	look->veths[look->veth_count++] = veth;
}

static int dump(int fd, uint16_t type, dump_message *take, struct netns_look *look)
{
	const struct {
		struct nlmsghdr header;
		union {
			struct ifaddrmsg address;
			struct ifinfomsg link;
		} body;
	} question = {
		.header = { .nlmsg_len = sizeof(question), .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};

	return dump_ask(fd, &question.header, take, look);
}

static int cookie_of(int fd, uint64_t *ret_cookie)
{
	socklen_t size = sizeof(*ret_cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) ? -errno : 0;
}

int netns_cookie_own(uint64_t *ret_cookie)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : cookie_of(fd, ret_cookie);

	if (fd >= 0)
		close(fd);
	return err;
}

static int look_once(int netns_fd, struct netns_look *ret_look)
{
	struct netns_look look = { 0 };
	int fd, err = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &fd);

	if (err)
		return err;
	err = cookie_of(fd, &look.cookie);
	if (!err)
		err = dump(fd, RTM_GETADDR, take_address, &look);
	if (!err)
		err = dump(fd, RTM_GETLINK, take_link, &look);
	close(fd);
	if (err)
		netns_look_clear(&look);
	else
		*ret_look = look;
	return err;
}

/* A dump that changed while it was read says so: that is just when addresses are made. */
int netns_look(int netns_fd, struct netns_look *ret_look)
{
	int err = -EAGAIN;

	for (int i = 0; err == -EAGAIN && i < ATTEMPTS; i++)
		err = look_once(netns_fd, ret_look);
	return err;
}

void netns_look_clear(struct netns_look *look)
{
	free(look->addresses);
	free(look->veths);
	*look = (struct netns_look){ 0 };
}
