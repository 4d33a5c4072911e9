/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of flows (flows_abi.h), and what the kernel's own structures have for them. */
#ifndef POLICY_FLOWS_MAPS_BPF_H
#define POLICY_FLOWS_MAPS_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy/asked.bpf.h"
#include "policy/flows_abi.h"

#define read_once(at) (*(const volatile typeof(*(at)) *)(at))
#define write_once(at, value) (*(volatile typeof(*(at)) *)(at) = (value))

/* Of libc's headers, which do not compile for BPF. */
enum { AF_INET = 2, AF_INET6 = 10 };
enum { SOCK_STREAM = 1 };
enum { ENOENT = 2, EPIPE = 32, ENETUNREACH = 101, ECONNABORTED = 103, ECONNRESET = 104,
       ETIMEDOUT = 110, ECONNREFUSED = 111 };

/* How many records there are, less one: set at load. */
const volatile __u32 flow_mask = FLOWS_MIN - 1;

/* This kernel can tell the network namespace of a packet; 6.1 cannot, and a sample does it. */
const volatile bool flow_cookie_of_packets = false;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOWS_MIN); /* set at load */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_record);
} flow_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_settings);
} flow_settings SEC(".maps");

/* Not cloned: the sockets that a listener accepts have flows of their own. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow_socket);
} flow_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS_MIN); /* as many as there are records, set at load */
	__type(key, __u64);
	__type(value, __u32);
} flow_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_other);
} flow_other SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_CGROUPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} flow_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} flow_news SEC(".maps");

/* ---- of the kernel --------------------------------------------------------------------------- */

struct net {
	__u64 net_cookie;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} __attribute__((preserve_access_index)) possible_net_t;

typedef struct {
	__s64 counter;
} __attribute__((preserve_access_index)) atomic64_t;

struct sock_common {
	unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	atomic64_t skc_cookie;
} __attribute__((preserve_access_index));

struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
	struct kernfs_node *kn;
} __attribute__((preserve_access_index));

struct sock_cgroup_data {
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
	int sk_err;
} __attribute__((preserve_access_index));

enum sock_flags { SOCK_DEAD, SOCK_DONE };

struct inet_sock {
	struct sock sk;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} __attribute__((preserve_access_index));

struct minmax_sample {
	__u32 v;
} __attribute__((preserve_access_index));

struct minmax {
	struct minmax_sample s[3];
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received, bytes_sent, bytes_retrans, bytes_acked;
	__u32 segs_in, segs_out, total_retrans, srtt_us;
	__u32 snd_una, snd_nxt, write_seq;
	__u8 repair : 1;
	struct minmax rtt_min;
} __attribute__((preserve_access_index));

#endif
