/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two questions to rtnetlink that only lbctl doctor has: the way of a packet with a given source,
 * and proxy neighbours. A socket stays in the namespace in which it was opened. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "config/mem.h"
#include "lb/ctl/doctor.h"

struct nl_sock *doctor_sock_open(void)
{
	struct nl_sock *sock = mem_must(nl_socket_alloc());

	nl_socket_disable_auto_ack(sock);
	if (!nl_connect(sock, NETLINK_ROUTE))
		return sock;
	nl_socket_free(sock);
	return NULL;
}

static int ask(struct nl_sock *sock, struct nl_msg *request, nl_recvmsg_msg_cb_t take, void *arg)
{
	int err;

	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take, arg);
	err = nl_send_auto(sock, request);
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	nlmsg_free(request);
	return err;
}

/* As the kernel has it: the last 4 bytes of an IPv4 address, else all 16. */
static void put_addr(struct nl_msg *request, int type, const struct addr *addr)
{
	int lead = addr_is_ipv4(addr) ? 12 : 0;

	nla_put(request, type, 16 - lead, addr->byte + lead);
}

static int family_of_addr(const struct addr *addr)
{
	return addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

static struct nl_msg *request_new(int type, int flags, void *header, size_t size)
{
	struct nl_msg *request = mem_must(nlmsg_alloc_simple(type, flags));

	if (nlmsg_append(request, header, size, NLMSG_ALIGNTO))
		abort();
	return request;
}

static int take_route(struct nl_msg *message, void *arg)
{
	const struct rtmsg *header = nlmsg_data(nlmsg_hdr(message));
	struct nlattr *attributes[RTA_MAX + 1];
	unsigned int *ifindex = arg;

	if (header->rtm_type == RTN_UNICAST && /* not unreachable, prohibited, ... */
	    !nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, RTA_MAX, NULL) &&
	    attributes[RTA_OIF])
		*ifindex = nla_get_u32(attributes[RTA_OIF]);
	return NL_OK;
}

unsigned int doctor_route_from(struct nl_sock *sock, const struct addr *from,
			       const struct addr *to)
{
	struct rtmsg header = { .rtm_family = (unsigned char)family_of_addr(to) };
	struct nl_msg *request;
	unsigned int ifindex = 0;

	header.rtm_dst_len = header.rtm_src_len = addr_is_ipv4(to) ? 32 : 128;
	request = request_new(RTM_GETROUTE, 0, &header, sizeof(header));
	put_addr(request, RTA_DST, to);
	put_addr(request, RTA_SRC, from);
	return ask(sock, request, take_route, &ifindex) < 0 ? 0 : ifindex;
}

struct proxy_question {
	unsigned int ifindex;
	const struct addr *addr;
	bool found;
};

static int take_proxy(struct nl_msg *message, void *arg)
{
	const struct ndmsg *header = nlmsg_data(nlmsg_hdr(message));
	struct nlattr *attributes[NDA_MAX + 1];
	struct proxy_question *question = arg;
	int lead = addr_is_ipv4(question->addr) ? 12 : 0;

	if (nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, NDA_MAX, NULL) ||
	    !attributes[NDA_DST] || nla_len(attributes[NDA_DST]) != 16 - lead)
		return NL_OK;
	if ((header->ndm_flags & NTF_PROXY) &&
	    (!header->ndm_ifindex || (unsigned int)header->ndm_ifindex == question->ifindex) &&
	    !memcmp(nla_data(attributes[NDA_DST]), question->addr->byte + lead, 16 - lead))
		question->found = true;
	return NL_OK;
}

bool doctor_has_proxy(struct nl_sock *sock, unsigned int ifindex, const struct addr *addr)
{
	struct ndmsg header = { .ndm_family = (unsigned char)family_of_addr(addr),
				.ndm_flags = NTF_PROXY };
	struct proxy_question question = { .ifindex = ifindex, .addr = addr };

	ask(sock, request_new(RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header)), take_proxy,
	    &question);
	return question.found;
}
