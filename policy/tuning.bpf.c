/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tuning of TCP by group: policy_tcp_ops, a sock_ops program at the governed parents. It sets what
 * policy.tcp says as a connection begins, at either end, before the first data: that overrides
 * what the application set until then, and what it sets later stands. It refuses nothing (sock_ops
 * cannot) and runs for no packet: as a connection begins, and in groups with "adaptive" as it
 * ends. */
#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy/adaptive.h"
#include "policy/tuning_abi.h"
#include "policy/who.bpf.h"

/* Of libc's headers, which do not compile for BPF. */
enum { SOL_SOCKET = 1, SOL_TCP = 6 };
enum { SO_MAX_PACING_RATE = 47, TCP_CONGESTION = 13 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, POLICY_TUNED);
	__type(key, __u32);
	__type(value, __u64);
} policy_tuned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ADAPTIVE_PATHS);
	__type(key, struct adaptive_key);
	__type(value, struct adaptive_path);
} policy_paths SEC(".maps");

static void tuned_count(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&policy_tuned, &what);

	if (count)
		(*count)++;
}

/* ---- whose socket ---------------------------------------------------------------------------- */

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[0];
} __attribute__((preserve_access_index));

struct sock_cgroup_data {
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_cgroup_data sk_cgrp_data;
} __attribute__((preserve_access_index));

/* sock_ops has no helper for the cgroup of a socket, and runs in whatever task or softirq. */
static __always_inline __u64 ancestor_of_cgroup(struct cgroup *cgroup, __u32 level)
{
	struct cgroup *ancestor;
	void *slot;

	if (level > (__u32)BPF_CORE_READ(cgroup, level))
		return 0;
	slot = (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
	       level * sizeof(ancestor);
	if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor), slot))
		return 0;
	return BPF_CORE_READ(ancestor, kn, id);
}

static __noinline __u32 set_of_socket(struct bpf_sock_ops *ops, __u64 current,
				      const struct policy_dims *dims)
{
	struct bpf_sock *sk = ops->sk;
	struct sock *kernel_sk = sk ? (struct sock *)bpf_skc_to_tcp_sock(sk) : NULL;
	struct cgroup *cgroup = kernel_sk ? BPF_CORE_READ(kernel_sk, sk_cgrp_data.cgroup) : NULL;
	struct lineage lineage;

	if (!cgroup)
		return POLICY_SET_NONE;
	lineage_find(&lineage, dims, ancestor_of_cgroup, cgroup);
	return set_find(current, bpf_get_netns_cookie(ops), &lineage);
}

/* What the socket's group has in policy.tcp, or NULL. Where the socket has passed a packet, the
 * other programs have said already whose it is. */
static const struct policy_tcp *tuning_find(struct bpf_sock_ops *ops)
{
	const struct policy_settings *now = settings();
	const struct policy_sockets *rules;
	struct policy_socket *own;
	struct bpf_sock *sk = ops->sk;
	__u32 set, index;
	__u64 current;

	if (!now || !sk)
		return NULL;
	current = read_once(&now->current);
	if (!current)
		return NULL;
	own = bpf_sk_storage_get(&policy_socket, sk, NULL, 0);
	set = identity_of(own, current);
	if (!set)
		set = set_of_socket(ops, current, &now->dims[POLICY_HALF(current)]);
	rules = set ? half_lookup(policy_sockets, current, &set) : NULL;
	if (!rules || !rules->tcp)
		return NULL;
	index = rules->tcp - 1;
	return half_lookup(policy_tcp, current, &index);
}

/* ---- adaptive -------------------------------------------------------------------------------- */

static struct adaptive_key key_of(struct bpf_sock_ops *ops)
{
	__u32 high = ops->remote_ip6[0], low = ops->remote_ip6[1];
	__u32 mark = ops->remote_ip6[2], ipv4 = ops->remote_ip6[3];
	bool mapped = !high && !low && mark == bpf_htonl(0xffff);
	struct adaptive_key key = { 0 };

	if (ops->family == AF_INET) {
		ipv4 = ops->remote_ip4;
		mapped = true;
	}
	/* The compiler must not make one read at a computed place in `ops` of these. */
	barrier_var(ipv4);
	if (mapped) {
		high = 0;
		low = ipv4;
	}
	low &= bpf_htonl(0xffffff00);
	__builtin_memcpy(key.network, &high, sizeof(high));
	__builtin_memcpy(key.network + 4, &low, sizeof(low));
	return key;
}

static bool path_has_bbr(struct bpf_sock_ops *ops)
{
	struct adaptive_key key = key_of(ops);
	struct adaptive_path *path = bpf_map_lookup_elem(&policy_paths, &key);

	return path && path->bbr;
}

/* The connection has ended, in whichever way; all that it sent is known. */
static void path_learn(struct bpf_sock_ops *ops)
{
	struct adaptive_sample sample = {
		.sent = ops->data_segs_out, .again = ops->total_retrans,
		.srtt_us = ops->srtt_us >> 3, .min_rtt_us = ops->rtt_min,
	};
	struct adaptive_key key = key_of(ops);
	struct adaptive_path *path, fresh = { 0 };

	if (!sample.sent || !sample.srtt_us)
		return;
	if (sample.again > sample.sent)
		sample.again = sample.sent;
	path = bpf_map_lookup_elem(&policy_paths, &key);
	if (!path) {
		bpf_map_update_elem(&policy_paths, &key, &fresh, BPF_NOEXIST);
		path = bpf_map_lookup_elem(&policy_paths, &key);
	}
	if (!path) {
		tuned_count(POLICY_TUNED_NO_PATH);
		return;
	}
	/* LRU tables have no locks: of two that end at once, what one showed may be lost. */
	adaptive_learn(path, &sample);
	tuned_count(POLICY_TUNED_LEARNED);
}

/* ---- setting --------------------------------------------------------------------------------- */

static void number_set(struct bpf_sock_ops *ops, int level, int option, int value, __u32 refused)
{
	if (bpf_setsockopt(ops, level, option, &value, sizeof(value)))
		tuned_count(refused);
}

static void congestion_set(struct bpf_sock_ops *ops, const struct policy_tcp *tuning)
{
	char name[sizeof(tuning->congestion)] = "cubic";

	if (!tuning->adaptive)
		__builtin_memcpy(name, tuning->congestion, sizeof(name));
	else if (path_has_bbr(ops))
		__builtin_memcpy(name, "bbr\0\0", sizeof("cubic"));
	if (name[0] && bpf_setsockopt(ops, SOL_TCP, TCP_CONGESTION, name, sizeof(name)))
		tuned_count(POLICY_TUNED_NO_CONGESTION);
}

/* What holds from the first packet on: the first round trip makes the first RTO. */
static void socket_tune(struct bpf_sock_ops *ops, const struct policy_tcp *tuning)
{
	tuned_count(POLICY_TUNED_SOCKETS);
	congestion_set(ops, tuning);
	if (tuning->min_rto_us)
		number_set(ops, SOL_TCP, TCP_BPF_RTO_MIN, tuning->min_rto_us,
			   POLICY_TUNED_NO_MIN_RTO);
	/* The kernel takes 32 bits from a program, and all ones for no limit. */
	if (tuning->pacing >= 0xffffffff)
		tuned_count(POLICY_TUNED_NO_PACING);
	else if (tuning->pacing)
		number_set(ops, SOL_SOCKET, SO_MAX_PACING_RATE, tuning->pacing,
			   POLICY_TUNED_NO_PACING);
	if (tuning->adaptive)
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags |
					       BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The kernel makes the window as the connection is established, just before it calls. */
static void window_set(struct bpf_sock_ops *ops, const struct policy_tcp *tuning)
{
	if (tuning->initial_window)
		number_set(ops, SOL_TCP, TCP_BPF_IW, tuning->initial_window,
			   POLICY_TUNED_NO_WINDOW);
}

SEC("sockops")
int policy_tcp_ops(struct bpf_sock_ops *ops)
{
	const struct policy_tcp *tuning;
	__u32 op = ops->op;

	/* Of other programs' wishes there may be more calls than these. */
	if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
	    !(op == BPF_SOCK_OPS_STATE_CB && ops->args[1] == BPF_TCP_CLOSE))
		return 1;
	tuning = tuning_find(ops);
	if (!tuning)
		return 1;
	if (op == BPF_SOCK_OPS_STATE_CB) {
		if (tuning->adaptive)
			path_learn(ops);
		return 1;
	}
	if (op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		socket_tune(ops, tuning);
	if (op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		window_set(ops, tuning);
	return 1;
}

char _license[] SEC("license") = "GPL";
