/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's side of a container's veth: whatever leaves the container comes by here, with or
 * without a socket of its cgroup. What policy_egress has just judged is not judged again.
 *
 * Where the interface is strict (packet sockets are denied) nothing leaves that is not the
 * container's own: other source MACs, ARP for others, packet sockets' frames, other ethertypes. */
#ifndef POLICY_BACKSTOP_BPF_H
#define POLICY_BACKSTOP_BPF_H

#include <linux/pkt_cls.h>

#include "flow.bpf.h"
#include "who.bpf.h"

/* ARP for IPv4 over Ethernet, RFC 826. */
struct arp_packet {
	__be16 hardware, protocol;
	__u8 hardware_size, protocol_size;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
} __attribute__((packed));

/* Behind one tag in the frame; the outer one of two was taken off before. */
static __always_inline __be16 ethertype_find(struct __sk_buff *skb, __u32 *ret_l3)
{
	__be16 type = 0;

	*ret_l3 = ETH_HLEN;
	bpf_skb_load_bytes(skb, ETH_HLEN - 2, &type, sizeof(type));
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
		type = 0;
		bpf_skb_load_bytes(skb, ETH_HLEN + 2, &type, sizeof(type));
		*ret_l3 += 4;
	}
	return type;
}

static __always_inline bool mac_is(const __u8 *mac, const struct policy_port *port)
{
	for (int i = 0; i < 6; i++)
		if (mac[i] != port->mac[i])
			return false;
	return true;
}

/* A probe (RFC 5227) has no sender address. */
static __always_inline bool arp_is_own(struct __sk_buff *skb, __u32 l3, __u64 current,
				       const struct policy_port *port)
{
	const struct policy_place *place;
	struct arp_packet arp;
	__u8 sender[16];
	__be32 ip;

	if (bpf_skb_load_bytes(skb, l3, &arp, sizeof(arp)) || !mac_is(arp.sender_mac, port))
		return false;
	__builtin_memcpy(&ip, arp.sender_ip, sizeof(ip));
	if (!ip)
		return true;
	address_mapped(sender, ip);
	place = place_find(current, sender);
	return place && place->netns == port->netns;
}

static __always_inline bool frame_is_own(struct __sk_buff *skb, __u32 l3, __be16 type,
					 __u64 current, const struct policy_port *port)
{
	struct bpf_sock *sk = skb->sk;
	__u8 mac[6];

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk && sk->family == AF_PACKET)
		return false;
	if (bpf_skb_load_bytes(skb, 6, mac, sizeof(mac)) || !mac_is(mac, port))
		return false;
	if (type == bpf_htons(ETH_P_ARP))
		return arp_is_own(skb, l3, current, port);
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6);
}

/* What "packet" in policy.sockets says for its set. */
static __always_inline __u32 strict_verdict(const struct question *q)
{
	const struct policy_sockets *rules = half_lookup(policy_sockets, q->current, &q->set);

	return rules ? rules->verdict[1] : VERDICT_BROKEN; /* the bit of POLICY_SOCKET_PACKET */
}

/* Its socket is in a set, though not always in the port's: members of several groups can share a
 * namespace. So policy_egress saw it under this `current`. That of a SYN's answer is a request
 * without storage; policy_egress judged it by the listener. A raw socket's source can be anything,
 * and policy_egress took it for its own: that is looked at here. */
static __always_inline bool egress_saw(struct __sk_buff *skb, __u64 current)
{
	struct bpf_sock *sk = skb->sk, *full;
	struct policy_socket *own;

	if (!sk)
		return false;
	full = bpf_sk_fullsock(sk);
	if (!full)
		full = bpf_get_listener_sock(sk);
	if (!full || full->type == SOCK_RAW)
		return false;
	own = bpf_sk_storage_get(&policy_socket, full, 0, 0);
	return own && read_once(&own->identified) == current && own->set != POLICY_SET_NONE;
}

/* Only what leaves comes by, so whether it answers is known from the flow that the sockets'
 * programs keep: they saw what came. */
static __always_inline __u32 backstop_hint(struct question *q, const struct packet *pkt)
{
	struct policy_flow *flow;

	if (q->ends.protocol == IPPROTO_TCP)
		return direction_of(pkt, true);
	q->ends.backstop = 0;
	flow = bpf_map_lookup_elem(&policy_flows, &q->ends);
	q->ends.backstop = 1;
	if (flow && ticks_now() - flow->seen <= POLICY_FLOW_TICKS)
		return flow->direction;
	return direction_of(pkt, true);
}

static __noinline int backstop_judge(struct __sk_buff *skb, struct question *q, __u32 l3,
				     bool ipv6)
{
	struct packet pkt;
	int passes;

	packet_read(skb, l3, ipv6, true, &q->ends, &pkt);
	passes = form_judge(q, &pkt, true);
	if (passes < 0)
		passes = flow_judge(q, backstop_hint(q, &pkt));
	if (passes && pkt.fragment && pkt.form != PACKET_LATER)
		fragment_remember(q, &pkt, true);
	return passes;
}

static __always_inline bool backstop_pass(struct __sk_buff *skb)
{
	const struct policy_settings *set = settings();
	const struct policy_port *port;
	struct question q;
	__be16 type;
	__u32 key = skb->ifindex, l3;

	if (!set)
		return true;
	__builtin_memset(&q, 0, sizeof(q));
	q.current = read_once(&set->current);
	port = q.current ? half_lookup(policy_ports, q.current, &key) : NULL;
	if (!port)
		return true;
	q.set = port->set;
	q.hook = POLICY_HOOK_BACKSTOP;
	q.ends.netns = port->netns;
	q.ends.backstop = 1;
	type = ethertype_find(skb, &l3);
	if (port->strict && !frame_is_own(skb, l3, type, q.current, port)) {
		q.verdict = strict_verdict(&q);
		if (!refusal_settle(&q))
			return false;
	}
	if (q.set == POLICY_SET_NONE || egress_saw(skb, q.current))
		return true;
	if (type != bpf_htons(ETH_P_IP) && type != bpf_htons(ETH_P_IPV6))
		return true;
	return backstop_judge(skb, &q, l3, type == bpf_htons(ETH_P_IPV6));
}

#endif
