/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_reply: tc ingress on the host's side of a container's veth (and on the front interfaces, for
 * what XDP hands on). A NAT backend's reply gets its vip back and is sent on at once: before the
 * bridge, conntrack and masquerading see it. Not XDP: here a packet is still a whole GSO skb,
 * with a checksum that may be partial, and the container's TSO stays on. */
#include <linux/pkt_cls.h>

#include "leave.bpf.h"
#include "parse.bpf.h"
#include "reply.bpf.h"

#define HEADERS_MAX (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
#define IPV4_CSUM_OFFSET (ETH_HLEN + offsetof(struct iphdr, check))

/* Checksums first, by the kernel's helper: it knows a partial one (which holds the pseudo-header
 * only, so the port must not go into it) from a complete one. */
static __always_inline int source_translate_skb(struct __sk_buff *skb, const struct packet *pkt,
						const struct lb_backend *backend)
{
	bool ipv6 = pkt->ipv6, tcp = pkt->is_tcp;
	__u32 l4 = ETH_HLEN + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__u32 csum = l4 + (tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	__u64 flags = tcp ? 0 : BPF_F_MARK_MANGLED_0;
	__u16 diff = ~backend->csum_addr;
	__be16 sport = pkt->sport;
	long err;

	err = bpf_l4_csum_replace(skb, csum, 0, diff, flags | BPF_F_PSEUDO_HDR);
	if (backend->port) {
		err |= bpf_l4_csum_replace(skb, csum, sport, backend->vip_port, flags | 2);
		err |= bpf_skb_store_bytes(skb, l4, &backend->vip_port, 2, 0);
	}
	if (ipv6)
		return err | bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr),
						 &backend->vip, 16, 0);
	err |= bpf_l3_csum_replace(skb, IPV4_CSUM_OFFSET, 0, diff, 0);
	return err | bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr),
					 &backend->vip.word[3], 4, 0);
}

/* Only a packet from another host has come over a hop. */
static __always_inline int ttl_decrement_skb(struct __sk_buff *skb, const struct packet *pkt)
{
	__u8 left = (pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl) - 1;

	if (pkt->ipv6)
		return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit),
					   &left, 1, 0);
	return bpf_l3_csum_replace(skb, IPV4_CSUM_OFFSET, 0, bpf_htons(0xfeff), 0) |
	       bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &left, 1, 0);
}

static __always_inline int route_verdict(long found, const struct packet *pkt)
{
	switch (found) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH: /* bpf_redirect_neigh() has it resolved */
		return LB_GO_ON;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return LB_DROP_REPLY_FORWARDING;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return LB_PASS_REPLY_TOO_BIG;
	default:
		return LB_DROP_REPLY_NO_ROUTE;
	}
}

/* Where it leaves: out by fib->ifindex, to the gateway in ret_next or to whom it is for. */
static __always_inline void next_hop_of(const struct bpf_fib_lookup *fib,
					struct bpf_redir_neigh *ret_next)
{
	ret_next->nh_family = fib->family;
	if (fib->family == 10) /* AF_INET6, for an IPv4 route by an IPv6 gateway too */
		__builtin_memcpy(ret_next->ipv6_nh, fib->ipv6_dst, 16);
	else
		ret_next->ipv4_nh = fib->ipv4_dst;
}

static __always_inline int reply_translate(struct __sk_buff *skb, struct packet *pkt,
					   long *ret_action)
{
	struct lb_settings *set = settings();
	struct bpf_redir_neigh next = {};
	struct bpf_fib_lookup fib = {};
	struct lb_backend *backend;
	bool remote;

	if (!set || (pkt->problem != LB_GO_ON && pkt->problem != LB_DROP_FRAGMENT))
		return LB_PASS_NOT_REPLY;
	LB_TRY(reply_lookup(set, pkt, LB_PASS_NOT_REPLY, &backend));
	if (pkt->problem == LB_DROP_FRAGMENT)
		return LB_DROP_REPLY_FRAGMENT;
	remote = !(backend->hop.flags & LB_HOP_LOCAL);
	if (remote && (pkt->ipv6 ? pkt->ip6->hop_limit : pkt->ip4->ttl) <= 1)
		return LB_DROP_TTL;
	if (!lb_private) {
		reply_route_question(pkt, skb->ingress_ifindex, backend, &fib);
		LB_TRY(route_verdict(bpf_fib_lookup(skb, &fib, sizeof(fib), 0), pkt));
	}
	if (remote && ttl_decrement_skb(skb, pkt))
		return LB_DROP_TRUNCATED;
	if (source_translate_skb(skb, pkt, backend))
		return LB_DROP_TRUNCATED;
	next_hop_of(&fib, &next);
	*ret_action = bpf_redirect_neigh(fib.ifindex, &next, sizeof(next), 0);
	return LB_REDIRECT_REPLY;
}

static __always_inline int reply_parse(struct __sk_buff *skb, struct packet *pkt)
{
	if (skb->vlan_present)
		return LB_PASS_NOT_IP;
	if (skb->data_end - skb->data < HEADERS_MAX && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
	return packet_parse(pkt, (void *)(long)skb->data, (void *)(long)skb->data_end);
}

SEC("tc")
int lb_reply(struct __sk_buff *skb)
{
	struct packet pkt;
	long action = TC_ACT_SHOT;
	int verdict = reply_parse(skb, &pkt);

	if (verdict == LB_GO_ON)
		verdict = reply_translate(skb, &pkt, &action);
	switch (packet_leave(&pkt, verdict)) {
	case LB_PASS:
		return TC_ACT_UNSPEC; /* the next filter's turn */
	case LB_REDIRECT:
		return action;
	default:
		return TC_ACT_SHOT;
	}
}

char _license[] SEC("license") = "GPL";
