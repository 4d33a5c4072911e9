/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows of everything but TCP: what passes between a socket and one remote end, counted as it
 * passes. The socket's storage knows the record of the remote end that it spoke to last, and
 * flow_peers those of all, once there is more than one.
 *
 * A socket that found no record is "other" for some milliseconds, then it tries again: sockets of
 * servers live long. */
#ifndef POLICY_FLOWS_DATAGRAM_BPF_H
#define POLICY_FLOWS_DATAGRAM_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "policy/flows_record.bpf.h"

#define ICMPV6 58
#define UDP_HEADER 8

/* flow_socket.flags of datagrams: */
#define FLOW_SOCKET_RELEASED 0x80000000U /* it was closed; what still comes is "other" */
#define FLOW_SOCKET_TRIED 0x40000000U	/* it found no record; below that when, by tried_now() */

/* One skb; of offloaded ones several datagrams. */
struct datagrams {
	union lb_addr local, remote;
	__u32 bytes;		/* of all of them */
	__u32 count, size;	/* how many, and of how many bytes each but the last is */
	__u16 local_port, remote_port;
	__u8 protocol;
};

/* ---- what a packet says ---------------------------------------------------------------------- */

static __always_inline void ends_put(struct datagrams *datagrams, bool in,
				     const union lb_addr *source, const union lb_addr *target)
{
	datagrams->local = in ? *target : *source;
	datagrams->remote = in ? *source : *target;
}

static __always_inline void address_map(union lb_addr *address, __be32 ipv4)
{
	address->quad[0] = 0;
	address->word[2] = bpf_htonl(0xffff);
	address->word[3] = ipv4;
}

/* Where the header behind IPv6's extensions is; 0: they cannot be walked through. */
static __noinline __u32 extensions_skip(struct __sk_buff *skb, __u8 *protocol)
{
	__u32 at = sizeof(struct ipv6hdr);
	__u8 next = *protocol, head[2];

	for (int i = 0; i < 6; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 0;
		at += next == IPPROTO_FRAGMENT ? 8 : 8 + 8 * head[1];
		next = head[0];
	}
	*protocol = next;
	return at;
}

/* Reads the IP header; returns where the next one begins, or 0. */
static __always_inline __u32 ip_read(struct __sk_buff *skb, struct datagrams *datagrams, bool in)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	union lb_addr source, target;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data;

		if ((void *)(ip + 1) > end)
			return 0;
		address_map(&source, ip->saddr);
		address_map(&target, ip->daddr);
		ends_put(datagrams, in, &source, &target);
		datagrams->protocol = ip->protocol;
		return 4 * ip->ihl;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data;

		if ((void *)(ip + 1) > end)
			return 0;
		__builtin_memcpy(&source, &ip->saddr, sizeof(source));
		__builtin_memcpy(&target, &ip->daddr, sizeof(target));
		ends_put(datagrams, in, &source, &target);
		datagrams->protocol = ip->nexthdr;
		if (ip->nexthdr == IPPROTO_UDP || ip->nexthdr == ICMPV6)
			return sizeof(*ip);
		return extensions_skip(skb, &datagrams->protocol);
	}
	return 0;
}

static __always_inline bool ports_read(struct __sk_buff *skb, __u32 at, __be16 ports[2])
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__be16 *there = data + (at & 0xff);

	if (at <= 0xff && (void *)(there + 2) <= end) {
		ports[0] = there[0];
		ports[1] = there[1];
		return true;
	}
	return !bpf_skb_load_bytes(skb, at, ports, 2 * sizeof(*ports));
}

/* In one skb, when all of them but the last have this size; 0: it is one. */
static __always_inline __u32 datagrams_in(__u32 bytes, __u32 size)
{
	return size && bytes > size ? (bytes + size - 1) / size : 1;
}

/* Raw sockets can write TCP too: that is no flow of theirs. */
static __always_inline bool datagrams_read(struct __sk_buff *skb, struct datagrams *datagrams,
					   bool in)
{
	__u32 at = ip_read(skb, datagrams, in), header = 0;
	__be16 ports[2] = { 0 };

	if (!at || datagrams->protocol == IPPROTO_TCP)
		return false;
	if (datagrams->protocol == IPPROTO_UDP || datagrams->protocol == IPPROTO_UDPLITE) {
		header = UDP_HEADER;
		if (!ports_read(skb, at, ports))
			return false;
	}
	if (skb->len < at + header)
		return false;
	if (datagrams->protocol == ICMPV6)
		datagrams->protocol = IPPROTO_ICMP;
	datagrams->local_port = bpf_ntohs(in ? ports[1] : ports[0]);
	datagrams->remote_port = bpf_ntohs(in ? ports[0] : ports[1]);
	datagrams->bytes = skb->len - at - header;
	datagrams->size = skb->gso_size;
	datagrams->count = datagrams_in(datagrams->bytes, datagrams->size);
	return true;
}

/* ---- which record ---------------------------------------------------------------------------- */

static __always_inline bool record_fits(const struct flow_record *record, __u64 cookie,
					const struct datagrams *datagrams)
{
	const struct flow *flow = &record->flow;
	const union lb_addr *remote = (const union lb_addr *)flow->remote;

	return flow->cookie == cookie && addr_equal(remote, &datagrams->remote) &&
	       flow->remote_port == datagrams->remote_port &&
	       flow->protocol == datagrams->protocol;
}

static __always_inline __u64 peer_key(__u64 cookie, const struct datagrams *datagrams)
{
	return flow_peer_key(cookie, datagrams->remote.quad, datagrams->remote_port,
			     datagrams->protocol);
}

/* It tries again when that is over. As a flow it counts once. */
static __always_inline void other_become(struct flow_socket *own)
{
	__u32 flags = read_once(&own->flags), tried = FLOW_SOCKET_TRIED | tried_now();

	if (!(flags & FLOW_SOCKET_RELEASED) &&
	    __sync_val_compare_and_swap(&own->flags, flags, tried) == flags &&
	    !(flags & FLOW_SOCKET_TRIED))
		other_flow();
	__sync_val_compare_and_swap(&own->number, FLOW_NONE, FLOW_IS_OTHER);
}

/* The record that the storage knows stands in flow_peers too, from its second remote end on. The
 * one that is new may have the place of one that the storage knew long ago. */
static __always_inline void last_to_peers(const struct flow_socket *own, __u32 new)
{
	__u32 number = read_once(&own->number);
	struct flow_record *record = record_at(number);
	__u64 key;

	if (!record || number == new || record->flow.cookie != own->cookie ||
	    record->flow.in_peers)
		return;
	key = flow_peer_key(own->cookie, (const __u64 *)record->flow.remote,
			    record->flow.remote_port, record->flow.protocol);
	record->flow.in_peers = 1;
	bpf_map_update_elem(&flow_peers, &key, &number, BPF_NOEXIST);
}

static __always_inline void birth_of(struct flow_birth *birth, struct __sk_buff *skb,
				     struct bpf_sock *sk, const struct flow_socket *own,
				     const struct datagrams *datagrams, bool in)
{
	birth->cookie = own->cookie;
	birth->cgroup = bpf_sk_cgroup_id(sk);
	if (flow_cookie_of_packets)
		birth->netns = bpf_get_netns_cookie(skb);
	birth->local = datagrams->local;
	birth->remote = datagrams->remote;
	birth->local_port = datagrams->local_port;
	birth->remote_port = datagrams->remote_port;
	birth->protocol = datagrams->protocol;
	birth->direction = in ? FLOW_IN : FLOW_OUT;
	vip_find(birth, sk);
}

/* A second remote end, or the first one after a while: another CPU may be making it as well. */
static __always_inline struct flow_record *peer_keep(struct flow_socket *own, __u32 number,
						     const struct datagrams *datagrams)
{
	struct flow_record *record = record_at(number);
	__u64 key;
	__u32 *there;

	if (!record)
		return NULL;
	last_to_peers(own, number);
	record->flow.in_peers = 1; /* first: the daemon takes out what may be in */
	key = peer_key(own->cookie, datagrams);
	if (!bpf_map_update_elem(&flow_peers, &key, &number, BPF_NOEXIST)) {
		write_once(&own->number, number);
		return record_begin(number);
	}
	record_drop(number);
	there = bpf_map_lookup_elem(&flow_peers, &key);
	record = there ? record_at(*there) : NULL;
	return record && record_fits(record, own->cookie, datagrams) ? record : NULL;
}

static __noinline struct flow_record *record_new(struct __sk_buff *skb, struct bpf_sock *sk,
						 struct flow_socket *own,
						 const struct datagrams *datagrams, bool in)
{
	struct flow_birth birth = { 0 };
	struct flow_record *record = NULL;
	__u32 number, was = own->number;

	birth_of(&birth, skb, sk, own, datagrams, in);
	number = record_take(&birth);
	if (number != FLOW_NONE) {
		cgroup_tell(birth.cgroup);
		if (was == FLOW_NONE &&
		    __sync_val_compare_and_swap(&own->number, FLOW_NONE, number) == FLOW_NONE)
			return record_begin(number);
		record = peer_keep(own, number, datagrams);
	}
	if (!record)
		other_become(own);
	return record;
}

/* NULL: it is "other". */
static __noinline struct flow_record *record_find(struct __sk_buff *skb, struct bpf_sock *sk,
						  struct flow_socket *own,
						  const struct datagrams *datagrams,
						  bool in)
{
	struct flow_record *record;
	__u64 key;
	__u32 *there;

	if (own->flags & FLOW_SOCKET_RELEASED)
		return NULL;
	if (own->number != FLOW_NONE) {
		key = peer_key(own->cookie, datagrams);
		there = bpf_map_lookup_elem(&flow_peers, &key);
		record = there ? record_at(*there) : NULL;
		if (record && record_fits(record, own->cookie, datagrams)) {
			write_once(&own->number, *there);
			return record;
		}
	}
	if (own->flags == (FLOW_SOCKET_TRIED | tried_now()))
		return NULL;
	return record_new(skb, sk, own, datagrams, in);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* The kernel's coarse clock goes on with its ticks, and to look at those costs no call. */
static __always_inline void seen_now(struct flow *flow)
{
	__u32 tick = bpf_jiffies64();

	if (read_once(&flow->seen_tick) == tick)
		return;
	write_once(&flow->seen_tick, tick);
	write_once(&flow->seen_ns, bpf_ktime_get_coarse_ns());
}

/* `size`: of each but the last, where there are several. */
static __always_inline void datagrams_count(struct flow_record *record, __u32 bytes, __u32 count,
					    __u32 size, bool in)
{
	struct flow *flow = &record->flow;
	__u32 last = bytes;

	/* Before the first atomic operation, which waits for all that was read so far. */
	size_prefetch(record, in);
	seen_now(flow);
	__sync_fetch_and_add(in ? &flow->packets_in : &flow->packets_out, count);
	__sync_fetch_and_add(in ? &flow->bytes_in : &flow->bytes_out, bytes);
	if (count > 1) {
		last -= (count - 1) * size;
		size_count(record, in, size, count - 1);
	}
	size_count(record, in, last, 1);
}

static __always_inline struct flow_socket *datagram_socket(struct __sk_buff *skb,
							   struct bpf_sock *sk)
{
	struct flow_socket fresh = { .number = FLOW_NONE };
	struct flow_socket *own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);

	if (own)
		return own;
	fresh.cookie = bpf_get_socket_cookie(skb); /* another CPU finds it as it is */
	return bpf_sk_storage_get(&flow_sockets, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
}

static __always_inline void datagrams_pass(struct __sk_buff *skb, struct bpf_sock *sk, bool in)
{
	struct datagrams datagrams;
	struct flow_record *record;
	struct flow_socket *own;

	if (!datagrams_read(skb, &datagrams, in))
		return;
	own = datagram_socket(skb, sk);
	record = own ? record_at(own->number) : NULL;
	if (own && !(record && record_fits(record, own->cookie, &datagrams)))
		record = record_find(skb, sk, own, &datagrams, in);
	if (record)
		datagrams_count(record, datagrams.bytes, datagrams.count, datagrams.size, in);
	else
		other_count(in, datagrams.count, datagrams.bytes);
}

/* ---- the usual packet ------------------------------------------------------------------------ */

static __always_inline bool port_fits(const struct flow *flow, const __be16 ports[2], bool in)
{
	return flow->remote_port == bpf_ntohs(ports[in ? 0 : 1]);
}

/* Where the payload of a packet of UDP begins if nothing stands between its header and that of IP,
 * and it is of this flow; else 0. Straight from the packet, for nearly all are. */
static __always_inline __u32 usual_payload(struct __sk_buff *skb, const struct flow *flow, bool in)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const union lb_addr *remote = (const union lb_addr *)flow->remote;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = data;
		const __be16 *ports = (const void *)(ip + 1);

		if (data + sizeof(*ip) + UDP_HEADER > end || *(const __u8 *)data != 0x45 ||
		    ip->protocol != IPPROTO_UDP || remote->quad[0] ||
		    remote->word[2] != bpf_htonl(0xffff) ||
		    remote->word[3] != (in ? ip->saddr : ip->daddr) ||
		    !port_fits(flow, ports, in))
			return 0;
		return sizeof(*ip) + UDP_HEADER;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = data;
		const __be16 *ports = (const void *)(ip + 1);
		const union lb_addr *far = (const void *)(in ? &ip->saddr : &ip->daddr);

		if (data + sizeof(*ip) + UDP_HEADER > end || ip->nexthdr != IPPROTO_UDP ||
		    !addr_equal(remote, far) || !port_fits(flow, ports, in))
			return 0;
		return sizeof(*ip) + UDP_HEADER;
	}
	return 0;
}

/* Whether it was that, and is counted. */
static __always_inline bool datagrams_pass_usual(struct __sk_buff *skb, struct flow_record *record,
						 bool in)
{
	__u32 at = usual_payload(skb, &record->flow, in), bytes, size;

	if (!at)
		return false;
	bytes = skb->len - at;
	size = skb->gso_size;
	datagrams_count(record, bytes, datagrams_in(bytes, size), size, in);
	return true;
}

#endif
