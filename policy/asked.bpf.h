/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which vip a local client asked for: written by local.bpf.c, read by it and by flows.bpf.c, which
 * share these tables through their pins. Whoever is loaded first makes them. */
#ifndef POLICY_ASKED_BPF_H
#define POLICY_ASKED_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "xdp/lb_abi.h"

/* Whom a socket asked for, and who serves it. A connected one has one of these for life; of the
 * others' peers there can be many, which stand in local_datagrams. */
struct local_socket {
	union lb_addr backend, vip;
	__be16 backend_port, vip_port;
	__u32 datagrams;	/* it has entries there */
};

struct local_peer {
	__u64 socket;		/* its cookie */
	union lb_addr backend;
	__be16 port;
	__u8 _pad[6];
};

struct local_asked {
	union lb_addr vip;
	__be16 port;
	__u8 _pad[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct local_socket);
} local_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct local_peer);
	__type(value, struct local_asked);
} local_datagrams SEC(".maps");

#endif
