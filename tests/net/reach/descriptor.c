/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A descriptor that one process makes and another one uses, over a Unix socket. */
#include "tests/net/reach/reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_open(const char *path, struct sockaddr_un *ret_address, int *ret_fd)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret_address->sun_path, path);
	*ret_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *ret_fd < 0 ? -errno : 0;
}

int descriptor_give(const char *path, int fd, long timeout_ms)
{
	char room[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 0;
	struct iovec vector = { &byte, sizeof(byte) };
	struct sockaddr_un to;
	struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &vector,
				  .msg_iovlen = 1, .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);
	int out, error = unix_open(path, &to, &out);

	if (error)
		return error;
	*control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				     .cmsg_len = CMSG_LEN(sizeof(fd)) };
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	/* Whoever takes it may not wait yet. */
	while (sendmsg(out, &message, 0) < 0) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || timeout_ms-- <= 0) {
			error = -errno;
			break;
		}
		usleep(1000);
	}
	close(out);
	return error;
}

int descriptor_take(const char *path, long timeout_ms, int *ret_fd)
{
	struct timeval time = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec vector = { &byte, sizeof(byte) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *control;
	struct sockaddr_un own;
	int in, error = unix_open(path, &own, &in);

	if (error)
		return error;
	if (bind(in, (struct sockaddr *)&own, sizeof(own)) ||
	    setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) ||
	    recvmsg(in, &message, MSG_CMSG_CLOEXEC) < 0) {
		error = failure();
	} else {
		control = CMSG_FIRSTHDR(&message);
		if (control && control->cmsg_type == SCM_RIGHTS)
			memcpy(ret_fd, CMSG_DATA(control), sizeof(*ret_fd));
		else
			error = -EBADMSG;
	}
	close(in);
	unlink(path);
	return error;
}
