/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a socket belongs to: from cgroup and network namespace to a set of groups. It is found once
 * for each `current` and stands in the socket's storage; every program that needs it comes here. */
#ifndef POLICY_WHO_BPF_H
#define POLICY_WHO_BPF_H

#include "maps.bpf.h"

/* The ids by which a cgroup may be known: its ancestors where identities stand, and the governed
 * parents that it is below. */
struct lineage {
	__u64 at[POLICY_LEVELS];
	__u64 below[POLICY_LEVELS];
};

/* `ancestor(of, level)`: the helper that a program has for it; 0 beyond the cgroup's own level. */
#define lineage_find(lineage, dims, ancestor, ...)                                                \
	_Pragma("unroll") for (int _i = 0; _i < POLICY_LEVELS; _i++)                              \
	{                                                                                         \
		__u32 _at = (dims)->level[_i], _parent = (dims)->parent_level[_i];                \
                                                                                                  \
		(lineage)->at[_i] = _at ? ancestor(__VA_ARGS__, _at) : 0;                         \
		(lineage)->below[_i] = _parent && ancestor(__VA_ARGS__, _parent + 1)              \
					       ? ancestor(__VA_ARGS__, _parent)                   \
					       : 0;                                               \
	}

#define ancestor_of_socket(sk, level) bpf_sk_ancestor_cgroup_id(sk, level)
#define ancestor_of_task(unused, level) bpf_get_current_ancestor_cgroup_id(level)

/* The ids are copied: before 6.2 a key may not stand in memory that is an argument. */
static __always_inline __u32 set_of_cgroup(__u64 current, const struct lineage *lineage)
{
	__u64 id; /* a key stands on the function's own stack, for 6.1 */

	for (int i = 0; i < POLICY_LEVELS; i++) {
		__u32 *set;

		id = lineage->at[i];
		set = id ? half_lookup(policy_cgroups, current, &id) : NULL;
		if (set)
			return *set;
	}
	for (int i = 0; i < POLICY_LEVELS; i++) {
		id = lineage->at[i];
		if (id && bpf_map_lookup_elem(&policy_unnamed, &id))
			return POLICY_SET_NEW;
	}
	for (int i = 0; i < POLICY_LEVELS; i++) {
		id = lineage->below[i];
		if (id && half_lookup(policy_parents, current, &id))
			return POLICY_SET_NEW;
	}
	return POLICY_SET_NONE;
}

/* Global, as every larger step: the verifier walks through it once, and not for each caller. */
__noinline int set_find(__u64 current, __u64 cookie, const struct lineage *lineage)
{
	const struct policy_dims *dims = dims_of(current);
	__u32 by_cgroup, by_netns = POLICY_SET_NONE, pair, *set;

	if (!dims || !lineage)
		return POLICY_SET_NONE;
	by_cgroup = set_of_cgroup(current, lineage);
	set = dims->netns && cookie ? half_lookup(policy_netns, current, &cookie) : NULL;
	if (set)
		by_netns = *set;
	if (!by_netns)
		return by_cgroup;
	pair = by_cgroup * dims->set_count + by_netns;
	set = half_lookup(policy_pairs, current, &pair);
	return set ? *set : by_netns;
}

/* Writes down what was found; `identified` last, for those who read it meanwhile. */
static __always_inline void identity_stamp(struct policy_socket *own, __u64 current, __u32 set)
{
	own->set = set;
	write_once(&own->identified, current);
}

/* What a program without a helper for cgroups (sock_ops) can know: the set, or POLICY_SET_NONE
 * where it was not found under this `current`. */
static __always_inline __u32 identity_of(const struct policy_socket *own, __u64 current)
{
	return own && read_once(&own->identified) == current ? own->set : POLICY_SET_NONE;
}

/* ICMP is one protocol, whatever the family; what does not fit into eight bits has no packets. Nor
 * has a raw socket a protocol: it writes to whom it likes, and is no connection of what it says. */
static __always_inline __u8 protocol_stored(__u32 type, __u32 protocol)
{
	if (type == SOCK_RAW)
		return 0;
	if (protocol == 58 /* IPPROTO_ICMPV6 */)
		return 1 /* IPPROTO_ICMP */;
	return protocol > 255 ? 0 : protocol;
}

#endif
