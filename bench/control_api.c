/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP as far as it is needed: one request on a connection, an answer up to its end. */
#include "bench/control_api.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/control_config.h"

int api_post(const char *path, const char *body)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[512];
	int size = snprintf(text, sizeof(text),
			    "POST %s HTTP/1.1\r\nHost: lbd\r\nConnection: close\r\n"
			    "Content-Length: %zu\r\n\r\n%s", path, strlen(body), body);

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    send(fd, text, (size_t)size, MSG_NOSIGNAL) == size)
		return fd;
	size = -errno;
	close(fd);
	return size;
}

int api_finish(int fd, struct diag *diag)
{
	char first[512], rest[16384];
	ssize_t size = recv(fd, first, sizeof(first) - 1, 0);
	bool done;

	first[size < 0 ? 0 : size] = '\0';
	done = !strncmp(first, "HTTP/1.1 200", strlen("HTTP/1.1 200"));
	while (size > 0)
		size = recv(fd, rest, sizeof(rest), 0);
	close(fd);
	if (done)
		return 0;
	diag_add(diag, NULL, 0, "lbd refused a change: %s", first);
	return -EREMOTEIO;
}
