/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each opens its socket in the calling task's cgroup and namespace. */
#include "tests/prog/policy_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/prog/fixture.h"

#define WAIT_MS	500

socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 *ipv6 = (void *)ret_address;
	struct sockaddr_in *ipv4 = (void *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		return sizeof(*ipv4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &ipv6->sin6_addr), 1);
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	return sizeof(*ipv6);
}

int family_of(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, WAIT_MS) == 1;
}

bool echoes(int fd)
{
	char text[8];

	return send(fd, "ping", 4, MSG_NOSIGNAL) == 4 && readable(fd) &&
	       recv(fd, text, sizeof(text), 0) == 4;
}

int connects(int type, const char *to, uint16_t port, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t size = address_of(to, port, &address);
	int fd = socket(family_of(to), type, 0), err;

	assert_true(fd >= 0);
	err = connect(fd, (void *)&address, size) ? errno : 0;
	if (ret_fd && !err)
		*ret_fd = fd;
	else
		close(fd);
	return err;
}

int sends_to(int fd, const char *to, uint16_t port, int flags)
{
	struct sockaddr_storage address;
	socklen_t size = address_of(to, port, &address);

	return sendto(fd, "ping", 4, flags, (void *)&address, size) == 4 ? 0 : errno;
}

int binds(int type, const char *at, uint16_t port, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t size = address_of(at, port, &address);
	int fd = socket(family_of(at), type, 0), on = 1, err;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	err = bind(fd, (void *)&address, size) ? errno : 0;
	if (ret_fd && !err)
		*ret_fd = fd;
	else
		close(fd);
	return err;
}
