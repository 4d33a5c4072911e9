/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbours that the kernel keeps resolved by itself. XDP asks nobody for a MAC, so without
 * this a backend's would go stale and be forgotten.
 *
 * NTF_USE stands beside NTF_EXT_MANAGED in every change: it makes the kernel keep state and MAC
 * of an entry that is there (net/core/neighbour.c, __neigh_update()), and a kernel before 5.16,
 * which passes over the attribute, resolves the neighbour once instead of forgetting it. */
#include "lb/watch/net_private.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

struct entry {
	bool found;
	bool foreign;	/* what an administrator or a routing daemon set: not ours to change */
	bool managed;
};

static void take_entry(struct nlmsghdr *message, void *arg)
{
	const struct ndmsg *info = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct entry *entry = arg;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse(message, sizeof(*info), attributes, NDA_MAX, NULL))
		return;
	entry->found = true;
	entry->foreign = (info->ndm_state & (NUD_PERMANENT | NUD_NOARP)) ||
			 (info->ndm_flags & NTF_EXT_LEARNED);
	entry->managed = attributes[NDA_FLAGS_EXT] &&
			 (nla_get_u32(attributes[NDA_FLAGS_EXT]) & NTF_EXT_MANAGED);
}

static struct nl_msg *request_for(int type, int flags, unsigned char entry_flags,
				  unsigned int ifindex, const struct addr *addr)
{
	const struct ndmsg header = {
		.ndm_family = (unsigned char)ask_family(addr),
		.ndm_ifindex = (int)ifindex,
		.ndm_state = NUD_NONE,
		.ndm_flags = entry_flags,
	};
	struct nl_msg *request = ask_new(type, flags, &header, sizeof(header));

	ask_put_addr(request, NDA_DST, addr);
	return request;
}

static int entry_read(struct net *net, unsigned int ifindex, const struct addr *addr,
		      struct entry *ret_entry)
{
	struct entry entry = { 0 };
	int err = ask(net->route, request_for(RTM_GETNEIGH, 0, 0, ifindex, addr), take_entry,
		      &entry);

	if (err && err != -ENOENT)
		return err;
	*ret_entry = entry;
	return 0;
}

int net_neighbour_manage(struct net *net, unsigned int ifindex, const struct addr *addr)
{
	struct nl_msg *request;
	struct entry entry;
	int err = entry_read(net, ifindex, addr, &entry);

	if (err || entry.foreign || entry.managed)
		return err;
	request = request_for(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, NTF_USE, ifindex, addr);
	nla_put_u32(request, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return ask(net->route, request, NULL, NULL);
}

/* Asked anew from nothing: for an entry with a MAC the kernel asks only that MAC, for long. */
int net_neighbour_renew(struct net *net, unsigned int ifindex, const struct addr *addr)
{
	struct entry entry;
	int err = entry_read(net, ifindex, addr, &entry);

	if (!err && entry.foreign)
		return 0;
	if (!err && entry.found)
		err = ask(net->route, request_for(RTM_DELNEIGH, 0, 0, ifindex, addr), NULL, NULL);
	return err && err != -ENOENT ? err : net_neighbour_manage(net, ifindex, addr);
}

/* The entry stays with its MAC and becomes an ordinary one: the host itself may be using it. */
int net_neighbour_release(struct net *net, unsigned int ifindex, const struct addr *addr)
{
	struct entry entry;
	int err = entry_read(net, ifindex, addr, &entry);

	if (!err && entry.managed && !entry.foreign)
		err = ask(net->route,
			  request_for(RTM_NEWNEIGH, NLM_F_REPLACE, NTF_USE, ifindex, addr), NULL,
			  NULL);
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}
