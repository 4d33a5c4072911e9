/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_losses: what the kernel drops in silence after a program has redirected it (a full ring, a
 * veth without NAPI at its far end, a frame over the device's MTU), counted by the device that
 * lost it. Tracepoints see the whole host: only devices that a daemon has put into lb_losses
 * count. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "lb_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_MAX_DEVICES);
	__type(key, struct lb_loss_key);
	__type(value, __u64);
} lb_losses SEC(".maps");

/* The few fields of the kernel's structs that are read; CO-RE finds their places. */
struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));
struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));
typedef struct {
	struct net *net;
} __attribute__((preserve_access_index)) possible_net_t;
struct net_device {
	int ifindex;
	possible_net_t nd_net;
} __attribute__((preserve_access_index));

static __always_inline void loss_count(__u32 netns, __u32 ifindex, __u64 frames)
{
	struct lb_loss_key key = { .netns = netns, .ifindex = ifindex };
	__u64 *lost = bpf_map_lookup_elem(&lb_losses, &key);

	if (lost)
		__sync_fetch_and_add(lost, frames);
}

/* Frames that the device took back, or did not take, when a batch was flushed to it. */
SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(lb_lost_in_batch, const struct net_device *from, const struct net_device *to, int sent,
	     int drops, int err)
{
	if (drops > 0)
		loss_count(to->nd_net.net->ns.inum, to->ifindex, drops);
	return 0;
}

/* Frames that were refused one by one: over the MTU, the device down, no such device. */
SEC("tp_btf/xdp_redirect_err")
int BPF_PROG(lb_lost_at_once, const struct net_device *dev, const void *prog,
	     const void *target, int err, int map_type, __u32 map_id, __u32 index)
{
	loss_count(dev->nd_net.net->ns.inum, index, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
