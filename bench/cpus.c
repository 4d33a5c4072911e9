/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time of processes is exact; that of the CPUs is what /proc/stat gives neither to idling nor
 * to the hypervisor. */
#include "bench/cpus.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static cpu_set_t allowed;

int cpus_bind(int wanted, int *ret_cpu)
{
	cpu_set_t set;
	int cpu = wanted;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	for (int i = 0; wanted < 0 && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed))
			cpu = i;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	*ret_cpu = cpu;
	return 0;
}

void cpus_unbind(void)
{
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

unsigned int cpus_count(void)
{
	return CPU_COUNT(&allowed);
}

static double uptime_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int cpus_busy(double *ret_seconds)
{
	FILE *file = fopen("/proc/stat", "re");
	double hertz = sysconf(_SC_CLK_TCK), seconds = uptime_now() * cpus_count();
	unsigned long long idle, iowait, steal;
	unsigned int cpu, seen = 0;
	char line[512];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu%u %*u %*u %*u %llu %llu %*u %*u %llu", &cpu, &idle, &iowait,
			   &steal) == 4 && CPU_ISSET(cpu, &allowed)) {
			seconds -= (idle + iowait + steal) / hertz;
			seen++;
		}
	fclose(file);
	if (seen != cpus_count())
		return -ENODATA;
	*ret_seconds = seconds;
	return 0;
}

double cpus_had(const pid_t *pids, size_t count)
{
	double seconds = 0;

	for (size_t i = 0; i < count; i++) {
		struct timespec had;
		clockid_t clock;

		if (!clock_getcpuclockid(pids[i], &clock) && !clock_gettime(clock, &had))
			seconds += had.tv_sec + had.tv_nsec / 1e9;
	}
	return seconds;
}

size_t cpus_softirq_threads(pid_t *pids, size_t most)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (folder && count < most && (entry = readdir(folder))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = atoi(entry->d_name) ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && !strncmp(name, "ksoftirqd/", 10))
			pids[count++] = atoi(entry->d_name);
		fclose(file);
	}
	if (folder)
		closedir(folder);
	return count;
}
