/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network's sysctls, read where they stand and named as sysctl(8) wants them. They belong to
 * the namespace of whoever opens the file. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lb/ctl/doctor.h"

int sysctl_read(bool ipv6, const char *device, const char *key)
{
	char path[PATH_MAX];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/%s", ipv6 ? 6 : 4, device, key);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

int sysctl_read_effective(bool ipv6, const char *device, const char *key)
{
	int all = sysctl_read(ipv6, "all", key), own = sysctl_read(ipv6, device, key);

	return all > own ? all : own;
}

/* Names of devices may hold dots, so then slashes stand between the parts: sysctl(8) takes both. */
char *sysctl_word(bool ipv6, const char *device, const char *key, int value)
{
	char text[128], word[SHELL_WORD_MAX];
	char sep = strchr(device, '.') ? '/' : '.';

	snprintf(text, sizeof(text), "net%cipv%d%cconf%c%s%c%s=%d", sep, ipv6 ? 6 : 4, sep, sep,
		 device, sep, key, value);
	return text_new("%s", shell_word(text, word));
}
