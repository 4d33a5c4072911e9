/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void talk_fail(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void address_text(const struct sockaddr_in6 *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
		inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(address->sin6_port));
	} else {
		inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, ntohs(address->sin6_port));
	}
}

/* In one call, so that threads do not tear each other's lines. */
void talk_tell(const struct talk_flow *flow)
{
	char local[INET6_ADDRSTRLEN + 8], remote[INET6_ADDRSTRLEN + 8];

	address_text(&flow->local, local, sizeof(local));
	address_text(&flow->remote, remote, sizeof(remote));
	printf("%s %s %s %lu %lu %lu %lu %s\n", flow->protocol, local, remote, flow->sent,
	       flow->received, flow->datagrams_sent, flow->datagrams_received, flow->end);
}

void talk_ends(int fd, struct talk_flow *ret_flow)
{
	socklen_t size = sizeof(ret_flow->local);

	if (getsockname(fd, (struct sockaddr *)&ret_flow->local, &size))
		talk_fail("getsockname");
	size = sizeof(ret_flow->remote);
	if (getpeername(fd, (struct sockaddr *)&ret_flow->remote, &size))
		talk_fail("getpeername");
}

void talk_send(int fd, uint64_t bytes, struct talk_flow *flow)
{
	static const char zeros[65536];

	while (bytes) {
		ssize_t sent = send(fd, zeros, bytes < sizeof(zeros) ? bytes : sizeof(zeros),
				    MSG_NOSIGNAL);

		if (sent < 0)
			talk_fail("send");
		bytes -= (uint64_t)sent;
		flow->sent += (uint64_t)sent;
	}
}

void talk_receive(int fd, uint64_t bytes, struct talk_flow *flow)
{
	char buffer[65536];

	while (bytes) {
		ssize_t size = recv(fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), 0);

		if (size <= 0)
			talk_fail(size ? "recv" : "recv: the end came early");
		bytes -= (uint64_t)size;
		flow->received += (uint64_t)size;
	}
}

void talk_receive_end(int fd, struct talk_flow *flow)
{
	char buffer[65536];
	ssize_t size;

	while ((size = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		flow->received += (uint64_t)size;
	if (size < 0)
		talk_fail("recv, up to the end");
}

void talk_receive_reset(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) >= 0 || errno != ECONNRESET)
		talk_fail("recv: a reset was to come");
}

void talk_reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static int usage(void)
{
	fputs("usage: talk serve PORT\n"
	      "       talk run ADDRESS PORT TCP UDP SEED [REFUSED_PORT]\n"
	      "       talk hold ADDRESS PORT COUNT BYTES\n", stderr);
	return 2;
}

static bool address_parse(const char *host, const char *port, struct sockaddr_in6 *ret_to)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(host, ':') ? "" : "::ffff:", host);
	*ret_to = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					 .sin6_port = htons((uint16_t)atoi(port)) };
	return inet_pton(AF_INET6, mapped, &ret_to->sin6_addr) == 1;
}

int main(int argc, char **argv)
{
	struct talk_plan plan = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return talk_serve((uint16_t)atoi(argv[2]));
	if (argc < 6 || !address_parse(argv[2], argv[3], &plan.to))
		return usage();
	if (argc == 6 && !strcmp(argv[1], "hold"))
		return talk_hold(&plan.to, (unsigned int)atoi(argv[4]), (uint32_t)atoi(argv[5]));
	if (argc < 7 || argc > 8 || strcmp(argv[1], "run"))
		return usage();
	plan.tcp = (unsigned int)atoi(argv[4]);
	plan.udp = (unsigned int)atoi(argv[5]);
	plan.seed = (unsigned int)atoi(argv[6]);
	plan.refused_port = argc == 8 ? (uint16_t)atoi(argv[7]) : 0;
	return talk_run(&plan);
}
