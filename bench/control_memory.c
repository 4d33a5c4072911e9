/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading /proc: smaps of a process, fdinfo of maps that are opened by their pins. */
#include "bench/control_memory.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB 1e6
#define KIB 1024.0

/* The name stands at the end of a mapping's first line: "…-… rw-s … anon_inode:bpf-map". */
double process_memory_mb(pid_t pid)
{
	bool of_map = false;
	char line[512];
	double kib = 0;
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/smaps", pid);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long first, last, rss;

		if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
			of_map = strstr(line, "bpf-map");
		else if (!of_map && sscanf(line, "Rss: %lu kB", &rss) == 1)
			kib += (double)rss;
	}
	if (file)
		fclose(file);
	return kib * KIB / MB;
}

static double memlock_mb(int fd)
{
	double bytes = 0;
	char line[256];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	if (file)
		fclose(file);
	return bytes / MB;
}

static bool map_read(const char *path, struct map_memory *ret_map)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path);
	bool is_map = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) && info.max_entries;

	if (is_map) {
		snprintf(ret_map->name, sizeof(ret_map->name), "%s", info.name);
		ret_map->mb = memlock_mb(fd);
	}
	if (fd >= 0)
		close(fd);
	return is_map;
}

static int compare(const void *a, const void *b)
{
	const struct map_memory *left = a, *right = b;

	return (left->mb < right->mb) - (left->mb > right->mb);
}

size_t maps_memory(const char *pin, struct map_memory *maps, size_t most, double *ret_sum)
{
	DIR *dir = opendir(pin);
	const struct dirent *entry;
	char path[PATH_MAX];
	size_t count = 0;
	double sum = 0;

	while (dir && (entry = readdir(dir)) && count < most) {
		snprintf(path, sizeof(path), "%s/%s", pin, entry->d_name);
		/* Links and programs are pinned beside them, under other names. */
		if (strncmp(entry->d_name, "lb_", 3) || !map_read(path, &maps[count]))
			continue;
		sum += maps[count++].mb;
	}
	if (dir)
		closedir(dir);
	qsort(maps, count, sizeof(*maps), compare);
	*ret_sum = sum;
	return count;
}
