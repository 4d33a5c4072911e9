/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/flows_peers.h"

#include <bpf/bpf.h>
#include <string.h>

static __u64 key_of(const struct flow *flow, __u64 cookie)
{
	__u64 remote[2];

	memcpy(remote, flow->remote, sizeof(remote));
	return flow_peer_key(cookie, remote, flow->remote_port, flow->protocol);
}

void flow_peer_forget(int peers, const struct flow *flow)
{
	__u64 key = key_of(flow, flow->cookie);

	bpf_map_delete_elem(peers, &key);
}

void flow_peer_forget_late(int peers, const struct flow *flow, uint64_t cookie, uint32_t number)
{
	__u64 key = key_of(flow, cookie);
	uint32_t there;

	if (!bpf_map_lookup_elem(peers, &key, &there) && there == number)
		bpf_map_delete_elem(peers, &key);
}
