/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a socket: only that loads a module. */
#include "policy/congestion.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AVAILABLE "/proc/sys/net/ipv4/tcp_available_congestion_control"

int congestion_list(char *ret_list, size_t size)
{
	FILE *file = fopen(AVAILABLE, "re");
	char list[CONGESTION_LIST_MAX];
	int err = 0;

	if (!file)
		return -errno;
	if (!fgets(list, sizeof(list), file))
		err = -EIO;
	fclose(file);
	if (err)
		return err;
	list[strcspn(list, "\n")] = '\0';
	if (strlen(list) >= size)
		return -ENOSPC;
	strcpy(ret_list, list);
	return 0;
}

bool congestion_has(const char *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && *name &&
		   !setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));

	if (fd >= 0)
		close(fd);
	return has;
}
