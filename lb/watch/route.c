/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the kernel would send to one address: a question a backend instead of a copy of the tables.
 * Rules, metrics and next-hop groups are thus the kernel's business, and the answer is the one
 * that the host's own packets would get. */
#include "lb/watch/net_private.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

struct route_answer {
	bool found;
	int error;
	struct net_route route;
};

/* RTA_VIA: an IPv4 route over an IPv6 gateway (RFC 8950). */
static bool parse_via(const struct nlattr *attribute, struct addr *ret_gateway)
{
	const struct rtvia *via;
	size_t len;

	if (!attribute || (size_t)nla_len(attribute) < sizeof(*via))
		return false;
	via = nla_data(attribute);
	len = (size_t)nla_len(attribute) - sizeof(*via);
	if (via->rtvia_family == AF_INET && len >= 4)
		*ret_gateway = addr_from_ipv4(via->rtvia_addr);
	else if (via->rtvia_family == AF_INET6 && len >= 16)
		*ret_gateway = addr_from_ipv6(via->rtvia_addr);
	else
		return false;
	return true;
}

static void parse_gateway(struct nlattr **attributes, int family, struct net_route *route)
{
	route->has_gateway = ask_get_addr(attributes[RTA_GATEWAY], family, &route->gateway) ||
			     parse_via(attributes[RTA_VIA], &route->gateway);
}

/* The kernel answers with the one path that it took; a kernel that answers with all of them gets
 * the first that lives. */
static void parse_multipath(const struct nlattr *multipath, int family, struct net_route *route)
{
	struct rtnexthop *hop = nla_data(multipath);
	int left = nla_len(multipath);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		struct nlattr *attributes[RTA_MAX + 1];

		if (hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
			continue;
		if (nla_parse(attributes, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
			      hop->rtnh_len - (int)RTNH_LENGTH(0), NULL))
			return;
		route->ifindex = (unsigned int)hop->rtnh_ifindex;
		parse_gateway(attributes, family, route);
		return;
	}
}

/* The route's own, or what the kernel has learned of the path since. */
static unsigned int parse_mtu(const struct nlattr *metrics)
{
	struct nlattr *attributes[RTAX_MAX + 1];

	if (!metrics ||
	    nla_parse(attributes, RTAX_MAX, nla_data(metrics), nla_len(metrics), NULL) ||
	    !attributes[RTAX_MTU])
		return 0;
	return nla_get_u32(attributes[RTAX_MTU]);
}

static void take_route(struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *info = nlmsg_data(message);
	struct nlattr *attributes[RTA_MAX + 1];
	struct route_answer *answer = arg;
	struct net_route route = { 0 };

	if (answer->found || message->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse(message, sizeof(*info), attributes, RTA_MAX, NULL))
		return;
	answer->found = true;
	if (attributes[RTA_OIF])
		route.ifindex = nla_get_u32(attributes[RTA_OIF]);
	parse_gateway(attributes, info->rtm_family, &route);
	if (attributes[RTA_MULTIPATH] && !route.ifindex)
		parse_multipath(attributes[RTA_MULTIPATH], info->rtm_family, &route);
	route.has_source = ask_get_addr(attributes[RTA_PREFSRC], info->rtm_family, &route.source);
	route.mtu = parse_mtu(attributes[RTA_METRICS]);
	route.local = info->rtm_type == RTN_LOCAL || info->rtm_type == RTN_ANYCAST;

	if ((info->rtm_type != RTN_UNICAST && !route.local) || !route.ifindex)
		answer->error = -ENETUNREACH;
	else if (attributes[RTA_ENCAP_TYPE]) /* MPLS, segment routing: not by MACs alone */
		answer->error = -EOPNOTSUPP;
	answer->route = route;
}

/* What the routes of the types "unreachable", "prohibit" and "blackhole" answer, in this order
 * (net/ipv4/fib_semantics.c, fib_props; IPv6 has the same). */
static bool means_unreachable(int err)
{
	return err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL;
}

int net_route_get(struct net *net, const struct addr *to, struct net_route *ret_route)
{
	const struct rtmsg header = {
		.rtm_family = (unsigned char)ask_family(to),
		.rtm_dst_len = addr_is_ipv4(to) ? 32 : 128,
	};
	struct nl_msg *request = ask_new(RTM_GETROUTE, 0, &header, sizeof(header));
	struct route_answer answer = { 0 };
	int err;

	ask_put_addr(request, RTA_DST, to);
	err = ask(net->route, request, take_route, &answer);
	if (means_unreachable(err) || (!err && !answer.found))
		return -ENETUNREACH;
	if (!err)
		err = answer.error;
	if (!err)
		*ret_route = answer.route;
	return err;
}
