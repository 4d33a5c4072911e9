/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation: what a container may reach. Every IP packet that a socket sends or gets goes through
 * policy_egress or policy_ingress, which are the authority; a task that asks for what they would
 * refuse hears so from the hooks of its calls; what leaves a container without a socket of its
 * cgroup meets policy_backstop on the host's side of its veth. */
#include "backstop.bpf.h"
#include "call.bpf.h"

/* The kernel has bpf_get_netns_cookie() for packets (not 6.1). Without it a socket that is older
 * than these programs is known by its cgroup alone. */
const volatile bool policy_cookie_of_packets = false;

#define LOOPBACK 1 /* the ifindex of every namespace's */

/* ---- packets of sockets ---------------------------------------------------------------------- */

/* The set stands in the socket from now on; returns its storage, NULL where there is no memory. */
static __always_inline struct policy_socket *packet_own(struct question *q, struct __sk_buff *skb,
							struct bpf_sock *sk)
{
	const struct policy_dims *dims = dims_of(q->current);
	struct policy_socket *own;
	struct lineage lineage;

	own = bpf_sk_storage_get(&policy_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	q->cookie = own ? own->cookie : 0;
	if (!q->cookie && policy_cookie_of_packets)
		q->cookie = bpf_get_netns_cookie(skb);
	q->ends.netns = q->cookie;
	if (own && read_once(&own->identified) == q->current) {
		q->set = own->set;
		return own;
	}
	if (!dims)
		return NULL;
	lineage_find(&lineage, dims, ancestor_of_socket, sk);
	q->set = set_find(q->current, q->cookie, &lineage);
	if (!own) {
		loss_count(POLICY_LOST_SOCKET);
		return NULL;
	}
	own->cookie = q->cookie;
	own->protocol = protocol_stored(sk->type, sk->protocol);
	identity_stamp(own, q->current, q->set);
	return own;
}

static __noinline int packet_judge(struct __sk_buff *skb, __u64 current, bool outgoing)
{
	struct bpf_sock *sk = skb->sk;
	struct policy_socket *own;
	struct question q;
	struct packet pkt;
	int passes;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return 1;
	__builtin_memset(&q, 0, sizeof(q));
	q.current = current;
	own = packet_own(&q, skb, sk);
	if (q.set == POLICY_SET_NONE)
		return 1;
	q.cgroup = bpf_sk_cgroup_id(sk);
	q.hook = outgoing ? POLICY_HOOK_EGRESS : POLICY_HOOK_INGRESS;
	packet_read(skb, 0, skb->protocol == bpf_htons(ETH_P_IPV6), outgoing, &q.ends, &pkt);
	passes = form_judge(&q, &pkt, outgoing);
	if (passes < 0) {
		if (own && own->protocol == IPPROTO_TCP && q.ends.protocol == IPPROTO_TCP)
			passes = tcp_judge(&q, own, sk->state);
		else
			passes = datagram_judge(&q, own, &pkt, outgoing);
	}
	if (passes && pkt.fragment && pkt.form != PACKET_LATER)
		fragment_remember(&q, &pkt, outgoing);
	barrier_var(passes); /* the verifier does not know of a global function what clang does */
	return passes & 1;
}

/* Nothing is parsed for sockets of nobody's group, nor for a connection that was allowed: its
 * packets go nowhere else. A listener's come from anywhere, and a SYN begins anew. */
static __always_inline int packet_pass(struct __sk_buff *skb, bool outgoing)
{
	const struct policy_settings *set = settings();
	struct bpf_sock *sk = skb->sk;
	struct policy_socket *own;
	__u64 current;

	if (!set || !sk || skb->ifindex == LOOPBACK)
		return 1;
	current = read_once(&set->current);
	if (!current)
		return 1;
	own = bpf_sk_storage_get(&policy_socket, sk, 0, 0);
	if (own && read_once(&own->identified) == current) {
		if (own->set == POLICY_SET_NONE)
			return 1;
		if (own->protocol == IPPROTO_TCP && read_once(&own->judged) == current &&
		    sk->state != BPF_TCP_LISTEN && sk->state != BPF_TCP_SYN_SENT)
			return 1;
	}
	return packet_judge(skb, current, outgoing);
}

SEC("cgroup_skb/egress")
int policy_egress(struct __sk_buff *skb)
{
	return packet_pass(skb, true);
}

SEC("cgroup_skb/ingress")
int policy_ingress(struct __sk_buff *skb)
{
	return packet_pass(skb, false);
}

/* ---- calls ----------------------------------------------------------------------------------- */

SEC("cgroup/connect4")
int policy_connect4(struct bpf_sock_addr *ctx)
{
	return connect_judge(ctx, false);
}

SEC("cgroup/connect6")
int policy_connect6(struct bpf_sock_addr *ctx)
{
	return connect_judge(ctx, true);
}

SEC("cgroup/sendmsg4")
int policy_sendmsg4(struct bpf_sock_addr *ctx)
{
	return sendmsg_judge(ctx, false);
}

SEC("cgroup/sendmsg6")
int policy_sendmsg6(struct bpf_sock_addr *ctx)
{
	return sendmsg_judge(ctx, true);
}

SEC("cgroup/bind4")
int policy_bind4(struct bpf_sock_addr *ctx)
{
	return bind_judge(ctx, false);
}

SEC("cgroup/bind6")
int policy_bind6(struct bpf_sock_addr *ctx)
{
	return bind_judge(ctx, true);
}

SEC("cgroup/sock_create")
int policy_sock_create(struct bpf_sock *sk)
{
	return socket_judge(sk);
}

/* ---- what leaves a container's veth ---------------------------------------------------------- */

SEC("tc")
int policy_backstop(struct __sk_buff *skb)
{
	return backstop_pass(skb) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
