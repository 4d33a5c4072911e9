/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The request and answer of netlink over libnl, with the kernel's own errno kept: libnl folds
 * many of them into one of its codes, and the caller tells "no route" from "prohibited". Every
 * question of lb/watch goes through ask(). */
#include "lb/watch/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "config/mem.h"

#define IPV4_OFFSET 12 /* see config/addr.h */

struct answer {
	void (*take)(struct nlmsghdr *message, void *arg);
	void *arg;
	bool complete;
	int error;
};

/* For what fails inside libnl; an error that the kernel answers is taken by on_error(). */
static int errno_of(int nl_error)
{
	switch (-nl_error) {
	case NLE_DUMP_INTR:
		return -EINTR;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_BAD_SOCK:
		return -EBADF;
	default:
		return -EIO;
	}
}

int ask_open(int protocol, struct nl_sock **ret_sock)
{
	struct nl_sock *sock = mem_must(nl_socket_alloc());
	int err = nl_connect(sock, protocol);

	if (err) {
		nl_socket_free(sock);
		return errno_of(err);
	}
	*ret_sock = sock;
	return 0;
}

struct nl_msg *ask_new(int type, int flags, const void *header, size_t header_size)
{
	struct nl_msg *request = mem_must(nlmsg_alloc_simple(type, flags));

	nlmsg_append(request, (void *)header, header_size, NLMSG_ALIGNTO);
	return request;
}

static int on_message(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	if (answer->take)
		answer->take(nlmsg_hdr(message), answer->arg);
	return NL_OK;
}

/* The end of a dump carries the error that cut it short, which libnl does not look at. */
static int on_end(struct nl_msg *message, void *arg)
{
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct answer *answer = arg;

	answer->complete = true;
	if (nlmsg_datalen(header) >= (int)sizeof(int) && *(int *)nlmsg_data(header) < 0)
		answer->error = *(int *)nlmsg_data(header);
	return NL_STOP;
}

static int on_ack(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	(void)message;
	answer->complete = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->complete = true;
	answer->error = error->error;
	return NL_STOP;
}

int ask(struct nl_sock *sock, struct nl_msg *request,
	void (*take)(struct nlmsghdr *message, void *arg), void *arg)
{
	struct answer answer = { .take = take, .arg = arg };
	int err;

	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, &answer);
	nl_socket_modify_cb(sock, NL_CB_FINISH, NL_CB_CUSTOM, on_end, &answer);
	nl_socket_modify_cb(sock, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &answer);
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, &answer);

	err = nl_send_auto(sock, request);
	nlmsg_free(request);
	while (err >= 0 && !answer.complete)
		err = nl_recvmsgs_default(sock);
	if (answer.error)
		return answer.error;
	return err < 0 ? errno_of(err) : 0;
}

int ask_family(const struct addr *addr)
{
	return addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

void ask_put_addr(struct nl_msg *request, int type, const struct addr *addr)
{
	if (addr_is_ipv4(addr))
		nla_put(request, type, 4, addr->byte + IPV4_OFFSET);
	else
		nla_put(request, type, 16, addr->byte);
}

bool ask_get_addr(const struct nlattr *attribute, int family, struct addr *ret_addr)
{
	if (!attribute)
		return false;
	if (family == AF_INET && nla_len(attribute) == 4)
		*ret_addr = addr_from_ipv4(nla_data(attribute));
	else if (family == AF_INET6 && nla_len(attribute) == 16)
		*ret_addr = addr_from_ipv6(nla_data(attribute));
	else
		return false;
	return true;
}
