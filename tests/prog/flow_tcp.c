/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/prog/flow_tcp.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- talking --------------------------------------------------------------------------------- */

/* Both ends in one process: what is sent is received before more is sent. */
void flow_bytes_send(int from, int to, size_t bytes)
{
	static char buffer[1 << 16];
	size_t sent = 0, got = 0;

	while (got < bytes) {
		size_t left = bytes - sent < sizeof(buffer) ? bytes - sent : sizeof(buffer);
		ssize_t done = left ? send(from, buffer, left, MSG_DONTWAIT) : 0;

		assert_true(done >= 0 || errno == EAGAIN);
		sent += done > 0 ? (size_t)done : 0;
		done = recv(to, buffer, sizeof(buffer), sent == bytes ? 0 : MSG_DONTWAIT);
		assert_true(done > 0 || errno == EAGAIN);
		got += done > 0 ? (size_t)done : 0;
	}
}

void flow_end_read(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void flow_reset_close(int *fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(*fd);
	*fd = -1;
}

void flow_error_read(int fd, int expected)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&ready, 1, 20000), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, expected);
}

/* After a half-close the other end says as much again. */
void flow_half_close(int first, int second, size_t bytes)
{
	assert_int_equal(shutdown(first, SHUT_WR), 0);
	flow_end_read(second);
	flow_bytes_send(second, first, bytes);
	assert_int_equal(shutdown(second, SHUT_WR), 0);
	flow_end_read(first);
}

/* ---- records --------------------------------------------------------------------------------- */

/* The socket's record, once it has ended: the other end's last segment may still be on its way. */
struct flow_record flow_ended(struct flow_world *world, uint64_t cookie)
{
	const struct flow_record *record;

	for (int tries = 0; tries < 1000; tries++) {
		record = flow_world_of(world, cookie, 0);
		assert_non_null(record);
		if (record->flow.life == FLOW_ENDED)
			return *record;
	}
	fail_msg("the connection does not end");
	return *record;
}

struct flow_record flow_living(struct flow_world *world, uint64_t cookie)
{
	const struct flow_record *record = flow_world_of(world, cookie, 0);

	assert_non_null(record);
	assert_int_equal(record->flow.life, FLOW_LIVE);
	return *record;
}

void assert_flow_bytes(const struct flow_record *record, uint64_t in, uint64_t out)
{
	assert_int_equal(record->flow.bytes_in, in);
	assert_int_equal(record->flow.bytes_out, out);
}

uint16_t flow_port(int fd)
{
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin6_port);
}
