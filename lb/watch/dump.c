/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/watch/dump.h"

#include <errno.h>
#include <sys/socket.h>

#define ANSWER_BYTES 32768 /* the largest piece that the kernel makes of a dump */

/* Returns 1 while more is to come, 0 at the end of the dump, or -errno. */
static int piece_take(const char *piece, size_t size, dump_message *take, void *data)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)piece;

	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		/* Both begin with what went wrong, or 0. */
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return *(const int *)NLMSG_DATA(message);
		take(message, data);
	}
	return 1;
}

int dump_ask(int fd, const struct nlmsghdr *question, dump_message *take, void *data)
{
	_Alignas(struct nlmsghdr) char piece[ANSWER_BYTES];
	int err = 1;

	if (send(fd, question, question->nlmsg_len, 0) < 0)
		return -errno;
	while (err > 0) {
		ssize_t size = recv(fd, piece, sizeof(piece), 0);

		if (size < 0 && errno == EINTR)
			continue;
		err = size < 0 ? -errno : piece_take(piece, (size_t)size, take, data);
	}
	return err;
}
