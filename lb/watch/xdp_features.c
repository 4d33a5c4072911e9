/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a driver says about XDP: family "netdev" of generic netlink. libnl's own help for generic
 * netlink is another library, for two messages; these are written out here. */
#include "lb/watch/net_private.h"

#include <errno.h>
#include <linux/genetlink.h>

/* From include/uapi/linux/netdev.h of Linux 6.3, which Debian 12 does not ship. */
#define NETDEV_FAMILY_NAME "netdev"
#define NETDEV_FAMILY_VERSION 1
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_A_DEV_KNOWN 3

static struct nl_msg *generic_request(uint16_t family, uint8_t command, uint8_t version)
{
	const struct genlmsghdr header = { .cmd = command, .version = version };

	return ask_new(family, 0, &header, sizeof(header));
}

static void take_family(struct nlmsghdr *message, void *arg)
{
	struct nlattr *attributes[CTRL_ATTR_MAX + 1];
	uint16_t *family = arg;

	if (!nlmsg_parse(message, sizeof(struct genlmsghdr), attributes, CTRL_ATTR_MAX, NULL) &&
	    attributes[CTRL_ATTR_FAMILY_ID])
		*family = nla_get_u16(attributes[CTRL_ATTR_FAMILY_ID]);
}

/* The number of the family holds until the next boot. */
static int find_family(struct net *net)
{
	struct nl_msg *request;
	int err;

	if (net->netdev_family)
		return 0;
	request = generic_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	nla_put_string(request, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY_NAME);
	err = ask(net->generic, request, take_family, &net->netdev_family);
	if (err == -ENOENT || (!err && !net->netdev_family))
		return -EOPNOTSUPP;
	return err;
}

struct features {
	bool found;
	uint64_t bits;
};

static void take_features(struct nlmsghdr *message, void *arg)
{
	struct nlattr *attributes[NETDEV_A_DEV_KNOWN + 1];
	struct features *features = arg;

	if (nlmsg_parse(message, sizeof(struct genlmsghdr), attributes, NETDEV_A_DEV_KNOWN, NULL) ||
	    !attributes[NETDEV_A_DEV_XDP_FEATURES])
		return;
	features->found = true;
	features->bits = nla_get_u64(attributes[NETDEV_A_DEV_XDP_FEATURES]);
}

int net_xdp_features(struct net *net, unsigned int ifindex, uint64_t *ret_features)
{
	struct features features = { 0 };
	struct nl_msg *request;
	int err = find_family(net);

	if (err)
		return err;
	request = generic_request(net->netdev_family, NETDEV_CMD_DEV_GET, NETDEV_FAMILY_VERSION);
	nla_put_u32(request, NETDEV_A_DEV_IFINDEX, ifindex);
	err = ask(net->generic, request, take_features, &features);
	if (!err && !features.found)
		err = -EOPNOTSUPP;
	if (!err)
		*ret_features = features.bits;
	return err;
}
