/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sees flows, at cgroups (flows_abi.h says what is kept of them). It judges nobody: whatever
 * happens here, the packet passes.
 *
 *	flow_egress, flow_ingress	each packet: sizes of TCP's messages, and all of datagrams
 *	flow_sock_ops			a TCP connection's begin, states and end
 *	flow_sock_release		the end of a socket for datagrams
 *	flow_sample			an iterator over all sockets: the figures of TCP as of now
 *
 * Of a socket in TIME_WAIT, or one that a listener has not accepted yet, nothing is seen. */
#include "policy/flows_datagram.bpf.h"
#include "policy/flows_tcp.bpf.h"

/* How many sockets the sample met. */
__u64 flow_sampled = 0;

/* ---- packets --------------------------------------------------------------------------------- */

/* Bytes of a TCP segment's payload, or of several segments' as they came together; -1: it cannot be
 * read. */
static __always_inline long segment_read(struct __sk_buff *skb, __u8 *tcp_flags)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 at = sizeof(struct ipv6hdr);
	__u8 *bytes, protocol;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data;

		if ((void *)(ip + 1) > end)
			return -1;
		at = 4 * ip->ihl;
		protocol = ip->protocol;
	} else {
		struct ipv6hdr *ip = data;

		if ((void *)(ip + 1) > end)
			return -1;
		protocol = ip->nexthdr;
		if (protocol != IPPROTO_TCP)
			at = extensions_skip(skb, &protocol);
		if (!at || at > 0xff)
			return -1;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
	}
	if (protocol != IPPROTO_TCP) /* IPsec's, which hides the segment */
		return -1;
	bytes = data + (at & 0xff);
	if ((void *)(bytes + 14) > end)
		return -1;
	*tcp_flags = bytes[13];
	return (long)skb->len - at - 4 * (bytes[12] >> 4);
}

static __always_inline void segment_pass(struct __sk_buff *skb, struct bpf_sock *sk,
					 struct flow_socket *own, struct flow_record *record,
					 bool in)
{
	__u8 tcp_flags = 0;
	long bytes = segment_read(skb, &tcp_flags);

	if (record && bytes > 0)
		size_count(record, in, bytes, 1);
	if (own->flags && (own->flags & FLOW_SOCKET_ENDS || tcp_flags & (TCP_FIN | TCP_RST)))
		adopted_follow(sk, own, in, tcp_flags);
}

/* Of a socket that is new, is adopted, has another remote end, or has no record. */
static __noinline int packet_pass_unusual(struct __sk_buff *skb, bool in)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_socket *own;
	struct flow_record *record;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return 1;
	if (sk->protocol != IPPROTO_TCP || sk->type != SOCK_STREAM) {
		datagrams_pass(skb, sk, in);
		return 1;
	}
	own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);
	if ((!own || own->number == FLOW_NONE) && may_be_adopted(FIELD(sk, state)))
		own = socket_adopt(skb, sk);
	record = own ? record_of(own) : NULL;
	if (record || (own && own->flags))
		segment_pass(skb, sk, own, record, in);
	return 1;
}

/* What a socket's storage knows is its flow mostly. A socket that is not a full one has none. */
static __always_inline int packet_pass(struct __sk_buff *skb, bool in)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_socket *own = sk ? bpf_sk_storage_get(&flow_sockets, sk, 0, 0) : NULL;
	struct flow_record *record = own ? record_of(own) : NULL;

	if (record && record->flow.protocol == IPPROTO_TCP)
		segment_pass(skb, sk, own, record, in);
	else if (!record || record->flow.protocol != IPPROTO_UDP ||
		 !datagrams_pass_usual(skb, record, in))
		return packet_pass_unusual(skb, in);
	return 1;
}

SEC("cgroup_skb/egress")
int flow_egress(struct __sk_buff *skb)
{
	return packet_pass(skb, false);
}

SEC("cgroup_skb/ingress")
int flow_ingress(struct __sk_buff *skb)
{
	return packet_pass(skb, true);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static __always_inline __u64 cgroup_of(struct tcp_sock *tcp)
{
	return tcp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup->kn->id;
}

/* A socket that has begun to connect, and whose SYN crosses that of the other end, is told of once
 * more, as one that was accepted. */
static __always_inline bool has_begun(struct bpf_sock *sk)
{
	struct flow_socket *own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);

	return own && own->number != FLOW_NONE && own->number != FLOW_IS_OVER;
}

static __always_inline void ops_begin(struct bpf_sock_ops *ops, struct bpf_sock *sk, bool in)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct flow_birth birth = { .cookie = bpf_get_socket_cookie(ops),
				    .netns = bpf_get_netns_cookie(ops),
				    .direction = in ? FLOW_IN : FLOW_OUT };

	if (tcp) {
		birth.cgroup = cgroup_of(tcp);
		if (BPF_CORE_READ_BITFIELD(tcp, repair)) /* a checkpoint: begun long ago */
			birth.direction = FLOW_UNKNOWN;
	}
	birth.state = FIELD(sk, state);
	if (!connection_begin(sk, &birth)) {
		other_without_storage();
		return;
	}
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Other programs may have wished to see the states of sockets that are not known here. */
static __always_inline void ops_state(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct flow_socket *own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 old_state = ops->args[0], state = ops->args[1];
	struct flow_record *record;

	if (!own || !tcp)
		return;
	if (state == BPF_TCP_CLOSE) {
		connection_end(own, tcp, old_state);
		return;
	}
	record = record_of(own);
	if (record)
		record->flow.state = state;
}

SEC("sockops")
int flow_sock_ops(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ops_begin(ops, sk, false);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (!has_begun(sk))
			ops_begin(ops, sk, true);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		ops_state(ops, sk);
		break;
	}
	return 1;
}

/* What a socket for datagrams still gets is "other". A TCP connection goes on after close(). */
SEC("cgroup/sock_release")
int flow_sock_release(struct bpf_sock *sk)
{
	struct flow_socket *own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);
	struct flow_record *record = own ? record_of(own) : NULL;

	if (!own || (sk->protocol == IPPROTO_TCP && sk->type == SOCK_STREAM))
		return 1;
	own->flags = FLOW_SOCKET_RELEASED;
	write_once(&own->number, FLOW_IS_OTHER);
	if (!record)
		return 1;
	if (!record->flow.netns)
		record->flow.netns = bpf_get_netns_cookie(sk);
	record->flow.outcome = FLOW_IDLE;
	record->flow.end_ns = bpf_ktime_get_ns();
	life_set(&record->flow, FLOW_ENDED);
	return 1;
}

/* ---- samples --------------------------------------------------------------------------------- */

struct bpf_iter_meta {
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	void *map;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));

static __always_inline __u32 sample_number(void)
{
	__u32 zero = 0;
	struct flow_settings *settings = bpf_map_lookup_elem(&flow_settings, &zero);

	return settings ? settings->sample : 0;
}

/* Nobody holds the socket, and its memory may be another's meanwhile: then it has another cookie,
 * and what was read is worth nothing. */
static __always_inline void socket_sample(struct sock *sk, struct flow_record *record,
					  __u64 cookie)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u8 state = sk->__sk_common.skc_state;
	struct tcp_figures figures;

	if (!tcp)
		return;
	figures_read(&figures, tcp, record->flow.direction);
	barrier();
	if ((__u64)sk->__sk_common.skc_cookie.counter != cookie)
		return;
	if (state == BPF_TCP_CLOSE) {
		end_miss(&record->flow, &figures, tcp->inet_conn.icsk_inet.sk.sk_err);
		return;
	}
	figures_sample(&record->flow, &figures);
	if (record->flow.direction == FLOW_UNKNOWN)
		record->flow.state = state;
}

SEC("iter/bpf_sk_storage_map")
int flow_sample(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct flow_socket *own = ctx->value;
	struct flow_record *record;
	struct sock *sk = ctx->sk;
	__u64 cookie;

	if (!sk || !own)
		return 0;
	cookie = own->cookie;
	record = record_of(own);
	if (!record)
		return 0;
	if (!record->flow.netns)
		record->flow.netns = sk->__sk_common.skc_net.net->net_cookie;
	if (record->flow.protocol == IPPROTO_TCP)
		socket_sample(sk, record, cookie);
	record->flow.sampled = sample_number();
	__sync_fetch_and_add(&flow_sampled, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
