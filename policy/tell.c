/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs tell and count, read. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/kernel_private.h"

#define CHUNK 256	/* rules that are read at once */

static int event_tell(void *context, void *data, size_t size)
{
	const struct policy_kernel *kernel = context;

	if (size >= sizeof(struct policy_event) && kernel->tell)
		kernel->tell(data, kernel->context);
	return 0;
}

void policy_kernel_listen(struct policy_kernel *kernel, policy_event_function *tell, void *context)
{
	kernel->tell = tell;
	kernel->context = context;
}

int policy_ring_open(struct policy_kernel *kernel)
{
	kernel->ring = ring_buffer__new(policy_kernel_map(kernel, "policy_events"), event_tell,
					kernel, NULL);
	return kernel->ring ? 0 : -errno;
}

int policy_kernel_fd(const struct policy_kernel *kernel)
{
	return ring_buffer__epoll_fd(kernel->ring);
}

void policy_kernel_drain(struct policy_kernel *kernel)
{
	ring_buffer__consume(kernel->ring);
}

static void count_add(struct policy_count *sum, const struct policy_count *of_cpu)
{
	sum->allowed += of_cpu->allowed;
	sum->refused += of_cpu->refused;
	sum->audited += of_cpu->audited;
	sum->told += of_cpu->told;
	sum->untold += of_cpu->untold;
}

/* One chunk, from the rule with that key on. */
static int counts_read(int fd, uint32_t first, char *values, size_t stride, int cpus,
		       struct policy_count *counts)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t keys[CHUNK], before = first - 1, after, count = CHUNK;

	/* A batch begins behind the key that it is given. At the end there is no more: ENOENT. */
	if (bpf_map_lookup_batch(fd, first ? &before : NULL, &after, keys, values, &count,
				 &options) &&
	    (errno != ENOENT || count != CHUNK))
		return -errno;
	for (int i = 0; i < CHUNK; i++)
		for (int cpu = 0; cpu < cpus; cpu++)
			count_add(&counts[i], (const struct policy_count *)
						      (values + (i * cpus + cpu) * stride));
	return 0;
}

int policy_kernel_counts(const struct policy_kernel *kernel, uint64_t current,
			 struct policy_count ret_counts[POLICY_RULES])
{
	size_t stride = (sizeof(struct policy_count) + 7) / 8 * 8;
	int fd = policy_kernel_map(kernel, "policy_counts"), cpus = libbpf_num_possible_cpus();
	char *values = calloc(CHUNK * (size_t)cpus, stride);
	struct policy_count *counts = calloc(POLICY_RULES, sizeof(*counts));
	int err = values && counts ? 0 : -ENOMEM;

	for (uint32_t rule = 0; !err && rule < POLICY_RULES; rule += CHUNK)
		err = counts_read(fd, POLICY_HALF(current) * POLICY_RULES + rule, values, stride,
				  cpus, &counts[rule]);
	if (!err)
		memcpy(ret_counts, counts, POLICY_RULES * sizeof(*counts));
	free(counts);
	free(values);
	return err;
}

int policy_kernel_lost(const struct policy_kernel *kernel, uint64_t ret_lost[POLICY_LOSSES])
{
	int fd = policy_kernel_map(kernel, "policy_lost"), cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc(cpus, sizeof(*values)), lost[POLICY_LOSSES] = { 0 };
	int err = values ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < POLICY_LOSSES; i++) {
		err = bpf_map_lookup_elem(fd, &i, values) ? -errno : 0;
		for (int cpu = 0; !err && cpu < cpus; cpu++)
			lost[i] += values[cpu];
	}
	if (!err)
		memcpy(ret_lost, lost, sizeof(lost));
	free(values);
	return err;
}
