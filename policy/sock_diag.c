/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By hand and not over a library that copies every message: there is one for each connection. */
#include "policy/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/watch/dump.h"
#include "lb/watch/netns.h"

#define ANSWER_BYTES	32768	/* of what the kernel says at once */
#define AT_ONCE		128	/* sockets that one message to the kernel ends */

int sock_diag_open(int netns_fd, int *ret_fd, uint64_t *ret_cookie)
{
	uint64_t cookie;
	socklen_t size = sizeof(cookie);
	int fd, err;

	err = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, &fd);
	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		cookie = 0;
	*ret_cookie = cookie;
	*ret_fd = fd;
	return 0;
}

/* ---- listing --------------------------------------------------------------------------------- */

/* Asks also for what programs remember of each socket (bpf_sk_storage_diag_alloc() in the kernel's
 * net/core/bpf_sk_storage.c). */
struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
	struct rtattr memories;
	struct rtattr memory;
	uint32_t map;
};

struct listing {
	uint8_t protocol;
	void (*visit)(const struct sock *sock, void *context);
	void *context;
};

static struct question question_of(int family, uint8_t protocol, uint32_t states, int memory)
{
	struct question question = {
		.header = { .nlmsg_len = sizeof(question), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = family, .sdiag_protocol = protocol,
			  .idiag_states = states },
		.memories = { .rta_len = RTA_LENGTH(RTA_LENGTH(sizeof(uint32_t))),
			      .rta_type = INET_DIAG_REQ_SK_BPF_STORAGES },
		.memory = { .rta_len = RTA_LENGTH(sizeof(uint32_t)),
			    .rta_type = SK_DIAG_BPF_STORAGE_REQ_MAP_FD },
		.map = (uint32_t)memory,
	};

	if (memory < 0)
		question.header.nlmsg_len = offsetof(struct question, memories);
	return question;
}

/* SK_DIAG_BPF_STORAGE { MAP_ID, MAP_VALUE } inside: of the one map that was asked for. */
static void memory_take(struct rtattr *at, struct policy_socket *ret_memory)
{
	int size = RTA_PAYLOAD(at), inner_size;
	struct rtattr *inner;

	for (at = RTA_DATA(at); RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		inner_size = RTA_PAYLOAD(at);
		for (inner = RTA_DATA(at); RTA_OK(inner, inner_size);
		     inner = RTA_NEXT(inner, inner_size))
			if ((inner->rta_type & NLA_TYPE_MASK) == SK_DIAG_BPF_STORAGE_MAP_VALUE &&
			    RTA_PAYLOAD(inner) == sizeof(*ret_memory))
				memcpy(ret_memory, RTA_DATA(inner), sizeof(*ret_memory));
	}
}

static struct sock_end end_of(const struct inet_diag_msg *message, const __be32 *address,
			      __be16 port)
{
	return (struct sock_end){
		.addr = message->idiag_family == AF_INET ? addr_from_ipv4(address)
							 : addr_from_ipv6(address),
		.port = ntohs(port),
	};
}

static void sock_take(const struct listing *listing, const struct nlmsghdr *header)
{
	const struct inet_diag_msg *message = NLMSG_DATA(header);
	struct rtattr *at = (struct rtattr *)((char *)message + NLMSG_ALIGN(sizeof(*message)));
	int size = NLMSG_PAYLOAD(header, sizeof(*message));
	struct sock sock = {
		.family = message->idiag_family, .protocol = listing->protocol,
		.state = message->idiag_state, .id = message->id,
		.local = end_of(message, message->id.idiag_src, message->id.idiag_sport),
		.remote = end_of(message, message->id.idiag_dst, message->id.idiag_dport),
	};

	for (; RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		int type = at->rta_type & NLA_TYPE_MASK;

		if (type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(at) == sizeof(sock.cgroup))
			memcpy(&sock.cgroup, RTA_DATA(at), sizeof(sock.cgroup));
		else if (type == INET_DIAG_SK_BPF_STORAGES)
			memory_take(at, &sock.memory);
	}
	listing->visit(&sock, listing->context);
}

static void message_take(const struct nlmsghdr *message, void *data)
{
	if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		sock_take(data, message);
}

static int family_list(int fd, struct listing *listing, int family, uint32_t states, int memory)
{
	struct question question = question_of(family, listing->protocol, states, memory);

	return dump_ask(fd, &question.header, message_take, listing);
}

int sock_diag_list(int fd, uint8_t protocol, uint32_t states, int memory,
		   void (*visit)(const struct sock *sock, void *context), void *context)
{
	struct listing listing = { protocol, visit, context };
	int err = family_list(fd, &listing, AF_INET, states, memory);

	/* A kernel without IPv6 knows no such sockets. */
	return err ? err : family_list(fd, &listing, AF_INET6, states, memory);
}

/* ---- ending ---------------------------------------------------------------------------------- */

struct ending {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* The kernel works it off before send() returns, and answers only where something went wrong. */
static int errors_take(int fd, bool *ended, size_t count)
{
	_Alignas(struct nlmsghdr) char piece[ANSWER_BYTES];
	ssize_t size;

	while ((size = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)piece;

		for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
			const struct nlmsgerr *error = NLMSG_DATA(message);

			if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq >= count)
				continue;
			if (error->error == -EOPNOTSUPP)
				return -EOPNOTSUPP;
			ended[message->nlmsg_seq] = false; /* gone by itself, mostly */
		}
	}
	return 0;
}

int sock_diag_end(int fd, const struct sock *list, size_t count, bool *ret_ended)
{
	struct ending endings[AT_ONCE];
	int err = 0;

	for (size_t first = 0; !err && first < count; first += AT_ONCE) {
		size_t some = count - first < AT_ONCE ? count - first : AT_ONCE;

		memset(endings, 0, sizeof(endings));
		for (size_t i = 0; i < some; i++) {
			const struct sock *sock = &list[first + i];

			endings[i] = (struct ending){
				.header = { .nlmsg_len = sizeof(endings[i]),
					    .nlmsg_type = SOCK_DESTROY,
					    .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = i },
				.body = { .sdiag_family = sock->family,
					  .sdiag_protocol = sock->protocol, .id = sock->id },
			};
			ret_ended[first + i] = true;
		}
		if (send(fd, endings, some * sizeof(endings[0]), 0) < 0)
			return -errno;
		err = errors_take(fd, ret_ended + first, some);
	}
	return err;
}
