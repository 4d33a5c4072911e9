/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads lb.conf and its includes into memory. Called by load.c and scan.c; nothing else in
 * config/ touches the file system. */
#include "config/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/mem.h"

#define SIZE_MAX_BYTES	(64u << 20)
#define CHUNK		65536

static int read_all(int fd, char **ret_text)
{
	char *text = NULL;
	size_t len = 0;
	ssize_t got;

	do {
		text = mem_must(realloc(text, len + CHUNK + 1));
		got = read(fd, text + len, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int error = -errno;

			free(text);
			return error;
		}
		len += (size_t)got;
		if (len > SIZE_MAX_BYTES) {
			free(text);
			return -EFBIG;
		}
	} while (got);
	text[len] = '\0';
	if (strlen(text) != len) {
		free(text);
		return -EINVAL;
	}
	*ret_text = text;
	return 0;
}

int slurp(const char *path, bool only_regular, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | (only_regular ? O_NONBLOCK : 0));
	struct stat status;
	int error;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		error = -errno;
	else if (S_ISDIR(status.st_mode))
		error = -EISDIR;
	else if (only_regular && !S_ISREG(status.st_mode))
		error = -ENODEV;
	else
		error = read_all(fd, ret_text);
	close(fd);
	return error;
}

const char *slurp_error(int error)
{
	switch (-error) {
	case EINVAL:
		return "not a text: there is a NUL byte in it";
	case ENODEV:
		return "not a regular file";
	default:
		return strerror(-error);
	}
}
