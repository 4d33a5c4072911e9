/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every table of isolation, shared by its programs through the pins. What stands in pairs of
 * generations is an array of two maps, which the daemon makes; the sizes of the templates here are
 * nobody's, their types and flags are what a new one must have. */
#ifndef POLICY_MAPS_BPF_H
#define POLICY_MAPS_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy_abi.h"

#define read_once(at) (*(const volatile typeof(*(at)) *)(at))
#define write_once(at, value) (*(volatile typeof(*(at)) *)(at) = (value))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct policy_settings);
} policy_settings SEC(".maps");

/* Of libc's sys/socket.h, which does not compile for BPF. */
enum { SOCK_RAW = 3 };
enum { AF_INET = 2, AF_INET6 = 10, AF_PACKET = 17 };

/* ---- generations ----------------------------------------------------------------------------- */

/* Of u64: cgroup ids, cookies. By sizes: behind two pointers clang leaves out what a struct is
 * made of. */
struct policy_hash {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_MEMBERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(__u64));
	__uint(value_size, sizeof(__u32));
};

struct policy_port_hash {		/* of an ifindex */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct policy_port));
};

struct policy_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, POLICY_PLACES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct policy_key));
	__uint(value_size, sizeof(struct policy_place));
};

/* Arrays of any length: with this flag the kernel does not compare it. */
#define POLICY_ARRAY(name, kind)                                                                  \
	struct name {                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                 \
		__uint(max_entries, 1);                                                           \
		__uint(map_flags, BPF_F_INNER_MAP);                                               \
		__uint(key_size, sizeof(__u32));                                                  \
		__uint(value_size, sizeof(kind));                                                 \
	}

POLICY_ARRAY(policy_set_array, __u32);
POLICY_ARRAY(policy_class_array, struct policy_class);
POLICY_ARRAY(policy_cell_array, struct policy_cell);
POLICY_ARRAY(policy_span_array, struct policy_span);
POLICY_ARRAY(policy_sockets_array, struct policy_sockets);
POLICY_ARRAY(policy_tcp_array, struct policy_tcp);

#define POLICY_HALVES(name, template)                                                             \
	struct {                                                                                  \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                         \
		__uint(max_entries, 2);                                                           \
		__type(key, __u32);                                                               \
		__array(values, struct template);                                                 \
	} name SEC(".maps")

POLICY_HALVES(policy_cgroups, policy_hash);
POLICY_HALVES(policy_netns, policy_hash);
POLICY_HALVES(policy_parents, policy_hash);
POLICY_HALVES(policy_pairs, policy_set_array);
POLICY_HALVES(policy_places, policy_trie);
POLICY_HALVES(policy_unions, policy_class_array);
POLICY_HALVES(policy_cells, policy_cell_array);
POLICY_HALVES(policy_spans, policy_span_array);
POLICY_HALVES(policy_sockets, policy_sockets_array);
POLICY_HALVES(policy_tcp, policy_tcp_array);
POLICY_HALVES(policy_ports, policy_port_hash);

/* Cgroups that are named like a container's, wherever they stand: new, until policy_cgroups says
 * who it is. No generation has a part in it, so that none can lose one. (u64 of any) */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_MEMBERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} policy_unnamed SEC(".maps");

/* ---- what programs remember ------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_CLONE | BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct policy_socket);
} policy_socket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, POLICY_FLOWS);
	__type(key, struct policy_flow_key);
	__type(value, struct policy_flow);
} policy_flows SEC(".maps");

/* First fragments that passed: key of a flow with the datagram's id in place of the ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct policy_flow_key);
	__type(value, __u32); /* ticks */
} policy_fragments SEC(".maps");

/* ---- what is told ---------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} policy_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * POLICY_RULES);
	__type(key, __u32);
	__type(value, struct policy_count);
} policy_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, POLICY_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} policy_lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, POLICY_SEEN);
	__type(key, struct policy_seen_key);
	__type(value, struct policy_seen);
} policy_seen SEC(".maps");

/* ---- looking up ------------------------------------------------------------------------------ */

static __always_inline const struct policy_settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&policy_settings, &zero);
}

/* The sizes of the half that `current` names, or NULL. */
static __always_inline const struct policy_dims *dims_of(__u64 current)
{
	const struct policy_settings *set = settings();

	return set ? &set->dims[POLICY_HALF(current)] : NULL;
}

/* An entry of the half that `current` names, or NULL. The halves are macros' arguments because the
 * verifier wants to know which map it is. */
#define half_lookup(halves, current, key)                                                         \
	({                                                                                        \
		__u32 _half = POLICY_HALF(current);                                               \
		void *_map = bpf_map_lookup_elem(&(halves), &_half);                              \
		_map ? bpf_map_lookup_elem(_map, key) : NULL;                                     \
	})

static __always_inline __u32 ticks_now(void)
{
	return bpf_ktime_get_coarse_ns() >> POLICY_TICK_SHIFT;
}

static __always_inline void loss_count(enum policy_loss loss)
{
	__u32 key = loss;
	__u64 *lost = bpf_map_lookup_elem(&policy_lost, &key);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

#endif
