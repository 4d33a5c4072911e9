/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the counters, and the little that is written to them: sums of removed backends. The
 * programs never count the forwarding verdicts themselves, so those places are ours. */
#include "lb/kernel/stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int cpus(void)
{
	static int count;

	if (!count)
		count = libbpf_num_possible_cpus();
	return count;
}

int stats_backend(const struct dataplane *dataplane, uint32_t id, struct lb_counters *ret_counters)
{
	struct lb_counters *each = calloc(cpus(), sizeof(*each)), sum = { 0 };
	int err = -ENOMEM;

	if (each)
		err = bpf_map_lookup_elem(dataplane->counters, &id, each) ? -errno : 0;
	for (int cpu = 0; !err && cpu < cpus(); cpu++) {
		sum.packets += each[cpu].packets;
		sum.bytes += each[cpu].bytes;
		sum.new_flows += each[cpu].new_flows;
		sum.transmitted += each[cpu].transmitted;
	}
	free(each);
	if (!err)
		*ret_counters = sum;
	return err;
}

uint64_t stats_sum(int fd, const void *key)
{
	uint64_t *each = calloc(cpus(), sizeof(*each)), sum = 0;

	if (each && !bpf_map_lookup_elem(fd, key, each))
		for (int cpu = 0; cpu < cpus(); cpu++)
			sum += each[cpu];
	free(each);
	return sum;
}

uint64_t stats_local(const struct dataplane *dataplane, uint32_t id)
{
	return dataplane->local_connections < 0 ? 0
						: stats_sum(dataplane->local_connections, &id);
}

/* How packets leave for a backend, by the port they came in and by another. */
static const struct {
	enum lb_verdict tx, redirect;
} sent_verdicts[] = {
	[LB_FORWARD_NAT] = { LB_TX_NAT, LB_REDIRECT_NAT },
	[LB_FORWARD_DSR] = { LB_TX_DSR, LB_REDIRECT_DSR },
	[LB_FORWARD_IPIP] = { LB_TX_IPIP, LB_REDIRECT_IPIP },
	[LB_FORWARD_GUE] = { LB_TX_GUE, LB_REDIRECT_GUE },
};
#define FORWARDS (sizeof(sent_verdicts) / sizeof(sent_verdicts[0]))

/* The forwarding verdicts of what a backend has counted. */
static void verdicts_add(uint64_t *counts, const struct lb_backend *backend,
			 const struct lb_counters *counters)
{
	if (backend->forward == LB_FORWARD_NONE || backend->forward >= FORWARDS)
		return;
	counts[sent_verdicts[backend->forward].tx] += counters->transmitted;
	counts[sent_verdicts[backend->forward].redirect] +=
		counters->packets - counters->transmitted;
}

int stats_verdicts(const struct dataplane *dataplane, uint64_t *ret_counts)
{
	struct lb_counters counters;

	for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		ret_counts[verdict] = stats_sum(dataplane->verdicts, &verdict);
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++) {
		if (!dataplane->backend_info[id].name[0])
			continue;
		if (!stats_backend(dataplane, id, &counters))
			verdicts_add(ret_counts, &dataplane->backends[id], &counters);
	}
	return 0;
}

uint64_t stats_drops(const struct dataplane *dataplane, uint32_t service, uint32_t verdict)
{
	struct lb_drop_key key = { .service = service, .verdict = verdict };

	return stats_sum(dataplane->drops, &key);
}

void stats_retire(const struct dataplane *dataplane, uint32_t id)
{
	uint64_t moved[LB_VERDICT_COUNT] = { 0 };
	struct lb_counters counters, *zero = calloc(cpus(), sizeof(*zero));
	uint64_t *each = calloc(cpus(), sizeof(*each));

	if (!zero || !each || stats_backend(dataplane, id, &counters))
		goto out;
	verdicts_add(moved, &dataplane->backends[id], &counters);
	for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		if (!moved[verdict] ||
		    bpf_map_lookup_elem(dataplane->verdicts, &verdict, each))
			continue;
		each[0] += moved[verdict];
		bpf_map_update_elem(dataplane->verdicts, &verdict, each, BPF_EXIST);
	}
	bpf_map_update_elem(dataplane->counters, &id, zero, BPF_EXIST);
	if (dataplane->local_connections >= 0)
		bpf_map_update_elem(dataplane->local_connections, &id, zero, BPF_EXIST);
out:
	free(zero);
	free(each);
}

void stats_forget_service(const struct dataplane *dataplane, uint32_t service)
{
	for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		struct lb_drop_key key = { .service = service, .verdict = verdict };

		bpf_map_delete_elem(dataplane->drops, &key);
	}
}

/* ---- losses --------------------------------------------------------------------------------- */

static struct lb_loss_key loss_key(uint32_t ifindex)
{
	struct lb_loss_key key = { .ifindex = ifindex };
	struct stat netns;

	if (!stat("/proc/self/ns/net", &netns))
		key.netns = netns.st_ino;
	return key;
}

void losses_watch(const struct dataplane *dataplane, uint32_t ifindex)
{
	struct lb_loss_key key = loss_key(ifindex);
	uint64_t zero = 0;

	if (dataplane->losses >= 0)
		bpf_map_update_elem(dataplane->losses, &key, &zero, BPF_NOEXIST);
}

void losses_forget(const struct dataplane *dataplane, uint32_t ifindex)
{
	struct lb_loss_key key = loss_key(ifindex);

	if (dataplane->losses >= 0)
		bpf_map_delete_elem(dataplane->losses, &key);
}

uint64_t losses_read(const struct dataplane *dataplane, uint32_t ifindex)
{
	struct lb_loss_key key = loss_key(ifindex);
	uint64_t lost = 0;

	if (dataplane->losses >= 0)
		bpf_map_lookup_elem(dataplane->losses, &key, &lost);
	return lost;
}
