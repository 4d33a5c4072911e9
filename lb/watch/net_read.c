/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From rtnetlink's dumps to the view: links, addresses, neighbours, bridges' tables. The only
 * place that knows how the kernel writes these down. A dump that changed while it was read is
 * read again: half a view would look like lost links, and lost links cost flows. */
#include "lb/watch/net_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h> /* IFF_LOWER_UP; must come after <net/if.h> */
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DUMP_TRIES 8
#define IPV4_LEAD_BITS 96
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

/* ---- links ---- */

/* A veth whose other end is down has no carrier; a port that still authenticates has one, but is
 * not running. Neither brings a frame anywhere. */
static bool flags_say_up(unsigned int flags)
{
	const unsigned int need = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;

	return (flags & need) == need;
}

/* The ID of a VLAN interface of 802.1Q; 0: it is one of 802.1ad, whose tag nobody puts on here. */
static uint16_t vlan_of(struct nlattr *data)
{
	struct nlattr *attributes[IFLA_VLAN_MAX + 1];

	if (!data || nla_parse_nested(attributes, IFLA_VLAN_MAX, data, NULL) ||
	    !attributes[IFLA_VLAN_ID])
		return 0;
	if (attributes[IFLA_VLAN_PROTOCOL] &&
	    nla_get_u16(attributes[IFLA_VLAN_PROTOCOL]) != htons(ETH_P_8021Q))
		return 0;
	return nla_get_u16(attributes[IFLA_VLAN_ID]);
}

static void kind_parse(const struct ifinfomsg *info, struct nlattr *linkinfo,
		       struct net_link *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1];
	const char *kind;

	if (info->ifi_type == ARPHRD_LOOPBACK)
		link->kind = NET_LOOPBACK;
	if (!linkinfo || nla_parse_nested(attributes, IFLA_INFO_MAX, linkinfo, NULL) ||
	    !attributes[IFLA_INFO_KIND])
		return;
	kind = nla_get_string(attributes[IFLA_INFO_KIND]);
	if (!strcmp(kind, "veth"))
		link->kind = NET_VETH;
	else if (!strcmp(kind, "bridge"))
		link->kind = NET_BRIDGE;
	else if (!strcmp(kind, "vlan"))
		link->vlan = vlan_of(attributes[IFLA_INFO_DATA]);
	if (link->vlan)
		link->kind = NET_VLAN;
}

/* With programs in several modes at once there is no IFLA_XDP_PROG_ID, only one id a mode; the
 * driver's runs first. */
static uint32_t xdp_program_of(struct nlattr *xdp)
{
	static const int order[] = { IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID,
				     IFLA_XDP_HW_PROG_ID };
	struct nlattr *attributes[IFLA_XDP_MAX + 1];

	if (!xdp || nla_parse_nested(attributes, IFLA_XDP_MAX, xdp, NULL))
		return 0;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (attributes[order[i]])
			return nla_get_u32(attributes[order[i]]);
	return 0;
}

static bool link_parse(struct nlmsghdr *message, struct net_link *ret_link)
{
	const struct ifinfomsg *info = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1];
	struct net_link link = { .peer_nsid = -1 };

	if (message->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(message, sizeof(*info), attributes, IFLA_MAX, NULL) ||
	    !attributes[IFLA_IFNAME])
		return false;

	link.ifindex = (unsigned int)info->ifi_index;
	nla_strlcpy(link.name, attributes[IFLA_IFNAME], sizeof(link.name));
	kind_parse(info, attributes[IFLA_LINKINFO], &link);
	link.up = flags_say_up(info->ifi_flags);
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == sizeof(link.mac)) {
		memcpy(link.mac, nla_data(attributes[IFLA_ADDRESS]), sizeof(link.mac));
		link.ethernet = info->ifi_type == ARPHRD_ETHER;
	}
	if (attributes[IFLA_MTU])
		link.mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_MASTER])
		link.master = nla_get_u32(attributes[IFLA_MASTER]);
	if (link.kind == NET_VLAN && attributes[IFLA_LINK])
		link.parent = nla_get_u32(attributes[IFLA_LINK]);
	if (link.kind == NET_VETH && attributes[IFLA_LINK])
		link.peer = nla_get_u32(attributes[IFLA_LINK]);
	if (link.kind == NET_VETH && attributes[IFLA_LINK_NETNSID])
		link.peer_nsid = nla_get_s32(attributes[IFLA_LINK_NETNSID]);
	link.xdp_prog_id = xdp_program_of(attributes[IFLA_XDP]);
	*ret_link = link;
	return true;
}

static void take_link(struct nlmsghdr *message, void *arg)
{
	struct net_view *view = arg;
	struct net_link link;

	if (!link_parse(message, &link))
		return;
	view->links = net_room(view->links, view->link_count, sizeof(link));
	view->links[view->link_count++] = link;
}

static int by_ifindex(const void *a, const void *b)
{
	unsigned int left = ((const struct net_link *)a)->ifindex;
	unsigned int right = ((const struct net_link *)b)->ifindex;

	return (left > right) - (left < right);
}

static void take_one_link(struct nlmsghdr *message, void *arg)
{
	link_parse(message, arg);
}

int net_link_read(struct net *net, unsigned int ifindex, int nsid, struct net_link *ret_link)
{
	const struct ifinfomsg header = { .ifi_index = (int)ifindex };
	struct nl_msg *request = ask_new(RTM_GETLINK, 0, &header, sizeof(header));
	struct net_link link = { 0 };
	int err;

	if (nsid >= 0)
		nla_put_s32(request, IFLA_TARGET_NETNSID, nsid);
	err = ask(net->route, request, take_one_link, &link);
	if (!err && !link.ifindex)
		err = -ENODEV;
	if (!err)
		*ret_link = link;
	return err;
}

/* ---- addresses ---- */

static struct prefix connected_prefix(const struct addr *addr, unsigned int len)
{
	struct prefix prefix = { .addr = *addr, .len = len };

	for (unsigned int bit = len; bit < 8 * sizeof(addr->byte); bit++)
		prefix.addr.byte[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
	return prefix;
}

/* Point to point, IFA_LOCAL is ours and IFA_ADDRESS the peer's, in whose prefix the connected
 * network is; else both are ours, and IPv6 leaves IFA_LOCAL out. */
static void take_address(struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *info = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1];
	struct net_view *view = arg;
	struct net_address address;
	unsigned int len;
	struct addr far;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse(message, sizeof(*info), attributes, IFA_MAX, NULL) ||
	    !ask_get_addr(attributes[IFA_ADDRESS], info->ifa_family, &far))
		return;
	if (!ask_get_addr(attributes[IFA_LOCAL], info->ifa_family, &address.addr))
		address.addr = far;
	len = info->ifa_prefixlen + (info->ifa_family == AF_INET ? IPV4_LEAD_BITS : 0);
	address.network = connected_prefix(&far, len);
	address.ifindex = info->ifa_index;
	address.global = info->ifa_scope < RT_SCOPE_LINK;
	view->addresses = net_room(view->addresses, view->address_count, sizeof(address));
	view->addresses[view->address_count++] = address;
}

/* ---- neighbours ---- */

static void take_neighbour(struct nlmsghdr *message, void *arg)
{
	const struct ndmsg *info = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct net_neighbour neighbour = { 0 };
	struct net_view *view = arg;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse(message, sizeof(*info), attributes, NDA_MAX, NULL) ||
	    !ask_get_addr(attributes[NDA_DST], info->ndm_family, &neighbour.addr))
		return;
	neighbour.ifindex = (unsigned int)info->ndm_ifindex;
	neighbour.failed = info->ndm_state & NUD_FAILED;
	if ((info->ndm_state & NUD_USABLE) && attributes[NDA_LLADDR] &&
	    nla_len(attributes[NDA_LLADDR]) == sizeof(neighbour.mac)) {
		memcpy(neighbour.mac, nla_data(attributes[NDA_LLADDR]), sizeof(neighbour.mac));
		neighbour.usable = true;
	}
	view->neighbours = net_room(view->neighbours, view->neighbour_count, sizeof(neighbour));
	view->neighbours[view->neighbour_count++] = neighbour;
}

/* ---- bridges' forwarding tables ---- */

/* The dump also holds the address filters of cards and the tables of tunnels (NTF_SELF), which
 * are no bridge's. NUD_PERMANENT marks the bridge's own addresses, NUD_NOARP static entries. */
static void take_fdb_entry(struct nlmsghdr *message, void *arg)
{
	const struct ndmsg *info = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct net_view *view = arg;
	struct net_fdb_entry entry;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse(message, sizeof(*info), attributes, NDA_MAX, NULL) ||
	    info->ndm_family != AF_BRIDGE || (info->ndm_flags & NTF_SELF) ||
	    !attributes[NDA_MASTER] || !attributes[NDA_LLADDR] ||
	    nla_len(attributes[NDA_LLADDR]) != sizeof(entry.mac))
		return;
	entry.bridge = nla_get_u32(attributes[NDA_MASTER]);
	entry.port = (unsigned int)info->ndm_ifindex;
	entry.local = info->ndm_state & NUD_PERMANENT;
	memcpy(entry.mac, nla_data(attributes[NDA_LLADDR]), sizeof(entry.mac));
	view->fdb = net_room(view->fdb, view->fdb_count, sizeof(entry));
	view->fdb[view->fdb_count++] = entry;
}

/* ---- the whole ---- */

/* `count` is the view's of what take() adds: an interrupted dump starts again from none. */
static int dump(struct net *net, int type, const void *header, size_t header_size,
		void (*take)(struct nlmsghdr *message, void *arg), struct net_view *view,
		size_t *count)
{
	int err = -EINTR;

	for (int i = 0; err == -EINTR && i < DUMP_TRIES; i++) {
		*count = 0;
		err = ask(net->route, ask_new(type, NLM_F_DUMP, header, header_size), take, view);
	}
	return err == -EINTR ? -EAGAIN : err;
}

/* For those who look things up in it (view.c). */
static void view_order(struct net_view *view)
{
	if (view->link_count)
		qsort(view->links, view->link_count, sizeof(*view->links), by_ifindex);
	if (view->neighbour_count)
		qsort(view->neighbours, view->neighbour_count, sizeof(*view->neighbours),
		      net_neighbour_compare);
	if (view->fdb_count)
		qsort(view->fdb, view->fdb_count, sizeof(*view->fdb), net_fdb_compare);
}

int net_read(struct net *net, struct net_view *ret_view)
{
	static const struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	static const struct ifaddrmsg addresses = { .ifa_family = AF_UNSPEC };
	static const struct ndmsg neighbours = { .ndm_family = AF_UNSPEC };
	static const struct ndmsg fdb = { .ndm_family = AF_BRIDGE };
	struct net_view view = { 0 };
	int err;

	err = dump(net, RTM_GETLINK, &links, sizeof(links), take_link, &view, &view.link_count);
	if (!err)
		err = dump(net, RTM_GETADDR, &addresses, sizeof(addresses), take_address, &view,
			   &view.address_count);
	if (!err)
		err = dump(net, RTM_GETNEIGH, &neighbours, sizeof(neighbours), take_neighbour,
			   &view, &view.neighbour_count);
	if (!err)
		err = dump(net, RTM_GETNEIGH, &fdb, sizeof(fdb), take_fdb_entry, &view,
			   &view.fdb_count);
	if (err) {
		net_view_clear(&view);
		return err;
	}
	view_order(&view);
	*ret_view = view;
	return 0;
}
