/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quick walk: TCP and UDP in plain packets, to a backend by nat, dsr, or a tunnel of the same
 * family; and what is for the stack beyond doubt. That is nearly every packet there is. Ten
 * registers are few: this walk keeps nothing of the packet, but reads it from the headers, which
 * stand in the first cache, wherever a step needs it. It knows no errors: where anything is not as
 * it mostly is, nothing of the packet has been written, and the common walk begins with it anew
 * (and asks the records once more, if its slot is moving). */
#ifndef XDP_QUICK_BPF_H
#define XDP_QUICK_BPF_H

#include "capture.bpf.h"
#include "encap.bpf.h"
#include "leave.bpf.h"
#include "parse.bpf.h"
#include "service.bpf.h"
#include "slot.bpf.h"
#include "transmit.bpf.h"

struct quick {			/* what was chosen for it */
	struct lb_backend *backend;
	__u32 service, hash, id;
};

/* The packet as its headers say, once more at every call. */
static __always_inline struct packet quick_read(void *data, __u32 bytes, bool ipv6)
{
	struct packet pkt = { .eth = data, .bytes = bytes };
	void *ip = data + ETH_HLEN;

	if (ipv6)
		packet_set_ipv6(&pkt, ip);
	else
		packet_set_ipv4(&pkt, ip);
	pkt.tcp = ip + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	pkt.is_tcp = pkt.protocol == IPPROTO_TCP;
	pkt.ports = *(__u32 *)pkt.tcp;
	pkt.tcp_flags = pkt.is_tcp ? tcp_flags(pkt.tcp) : 0;
	return pkt;
}

/* As parse_ipv4() and parse_ipv6(). UDP too short for a TCP header is left to them. */
static __always_inline bool quick_takes(void *data, void *end, bool ipv6)
{
	__u32 header = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip4 = data + ETH_HLEN;

	if (data + ETH_HLEN + header + sizeof(struct tcphdr) > end)
		return false;
	if (ipv6)
		return (*(__u8 *)ip6 & 0xf0) == 0x60 && protocol_is_balanced(ip6->nexthdr);
	return *(__u8 *)ip4 == IPV4_PLAIN && !(ip4->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET)) &&
	       protocol_is_balanced(ip4->protocol);
}

/* For the functions beside the walk: the packet, which the walk took before. */
static __always_inline bool quick_find(struct xdp_md *ctx, struct packet *ret_pkt)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + ETH_HLEN > end)
		return false;
	if (eth_protocol(data) == bpf_htons(ETH_P_IPV6)) {
		if (!quick_takes(data, end, true))
			return false;
		*ret_pkt = quick_read(data, end - data, true);
	} else {
		if (!quick_takes(data, end, false))
			return false;
		*ret_pkt = quick_read(data, end - data, false);
	}
	return true;
}

/* Where the slot is moving: a function of its own, so that what it keeps is not in the walk's
 * way. */
static __noinline __u32 quick_motion(struct xdp_md *ctx, const struct lb_entry *service,
				     __u32 slot)
{
	__u64 *word = bpf_map_lookup_elem(&lb_slots, &slot);
	struct lb_settings *set = settings();
	struct packet pkt;

	if (!set || !service || !word || !quick_find(ctx, &pkt))
		return LB_NOBODY;
	pkt.slot = slot;
	return motion_pick(set, &pkt, service, read_once(word));
}

static __noinline int quick_trace(__u32 slot, __u32 hash)
{
	__u64 *word = bpf_map_lookup_elem(&lb_slots, &slot);

	if (word)
		trace_pick(slot, hash, *word, *word >> 32);
	return 0;
}

static __always_inline bool quick_pick(struct xdp_md *ctx, const struct lb_settings *set,
				       const struct packet *pkt, const struct lb_entry *service,
				       struct quick *ret_quick)
{
	struct lb_owners *owners;
	__u32 slot, line;

	ret_quick->service = service->id;
	ret_quick->hash = flow_hash(set, pkt, false);
	slot = service->slot_base + (__u32)((__u64)ret_quick->hash * service->slot_count >> 32);
	line = slot / LB_OWNERS;
	owners = bpf_map_lookup_elem(&lb_owners, &line);
	if (!owners)
		return false;
	ret_quick->id = *(const volatile __u16 *)&owners->owner[slot % LB_OWNERS];
	if (__builtin_expect(ret_quick->id == LB_OWNER_MOVING, 0))
		ret_quick->id = quick_motion(ctx, service, slot);
	if (ret_quick->id == LB_NOBODY)
		return false;
	if (lb_private)
		quick_trace(slot, ret_quick->hash);
	ret_quick->backend = bpf_map_lookup_elem(&lb_backends, &ret_quick->id);
	return ret_quick->backend;
}

/* What a private copy tells: a function of its own, that finds everything again by itself, so that
 * nothing has to be kept for it. */
static __noinline int quick_tell(struct xdp_md *ctx, __u32 service, __u32 id, bool back)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&lb_backends, &id);
	struct packet pkt;

	if (!backend || !quick_find(ctx, &pkt))
		return 0;
	pkt.service = service;
	pkt.backend = id;
	trace_write(&pkt, verdict_sent(backend, back));
	return 0;
}

/* Marks the packet for its device and counts it. False: that device is not known, and it was not
 * counted. `bytes`: as sent. */
static __always_inline bool quick_is_counted(struct xdp_md *ctx, const struct packet *pkt,
					     __u32 bytes, const struct quick *quick,
					     const struct hop *hop)
{
	if (lb_private) {
		quick_tell(ctx, quick->service, quick->id, hop->back);
		return true;
	}
	if (!hop->back &&
	    bpf_redirect_map(&lb_devices, hop->ifindex, XDP_DROP) != XDP_REDIRECT)
		return false;
	backend_count(quick->id, bytes, packet_is_syn(pkt), hop->back);
	return true;
}

static __always_inline bool quick_hop(struct xdp_md *ctx, const struct packet *pkt,
				      const struct quick *quick, struct hop *ret_hop)
{
	*ret_hop = hop_read(ctx, quick->backend);
	return ret_hop->ifindex && !hop_is_tagged(ret_hop) &&
	       (ret_hop->local || ttl_check(pkt) == LB_GO_ON);
}

static __always_inline int quick_forward(struct xdp_md *ctx, const struct quick *quick, void *data,
					 __u32 bytes, bool ipv6)
{
	struct packet pkt = quick_read(data, bytes, ipv6);
	struct hop hop;

	if (!quick_hop(ctx, &pkt, quick, &hop) ||
	    !quick_is_counted(ctx, &pkt, bytes, quick, &hop))
		return LB_UNCOMMON;
	pkt = quick_read(data, bytes, ipv6);
	if (!hop.local)
		ttl_decrement(&pkt);
	if (quick->backend->forward == LB_FORWARD_NAT)
		destination_translate(&pkt, quick->backend);
	macs_write(&pkt, hop.first, hop.second);
	return hop.back ? XDP_TX : XDP_REDIRECT;
}

/* Within one family, and where it fits: nothing is cut, and nobody has to be told. */
static __always_inline int quick_encap(struct xdp_md *ctx, const struct quick *quick, void *data,
				       __u32 bytes, bool gue, bool ipv6)
{
	__u32 overhead = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u16 mtu = *(const volatile __u16 *)&quick->backend->mtu;
	struct packet pkt = quick_read(data, bytes, ipv6);
	struct encapsulation encap = { .l3 = ETH_HLEN, .bytes = packet_length(&pkt) };

	overhead += gue ? sizeof(struct udphdr) : 0;
	if (!(quick->backend->flags & LB_BACKEND_IPV6) != !ipv6 ||
	    encap.bytes + overhead > (mtu ? mtu : 0xffff) ||
	    !quick_hop(ctx, &pkt, quick, &encap.hop) ||
	    !quick_is_counted(ctx, &pkt, bytes + overhead, quick, &encap.hop))
		return LB_UNCOMMON;
	encap.action = encap.hop.back ? XDP_TX : XDP_REDIRECT;
	if (encap_write(ctx, &encap, quick->backend, quick->hash, gue, ipv6, ipv6))
		return XDP_ABORTED;
	return encap.action;
}

/* By gue, and by ipip where DF is not set: a function of its own, for the stack of this walk stands
 * under that of the uncommon one. */
static __noinline int quick_tunnel(struct xdp_md *ctx, __u32 service, __u32 id, __u32 hash)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quick quick = { .service = service, .hash = hash, .id = id };
	bool gue;

	quick.backend = bpf_map_lookup_elem(&lb_backends, &id);
	if (!quick.backend || data + ETH_HLEN > end)
		return LB_UNCOMMON;
	gue = quick.backend->forward == LB_FORWARD_GUE;
	if (eth_protocol(data) == bpf_htons(ETH_P_IPV6))
		return quick_takes(data, end, true)
			       ? quick_encap(ctx, &quick, data, end - data, gue, true)
			       : LB_UNCOMMON;
	return quick_takes(data, end, false)
		       ? quick_encap(ctx, &quick, data, end - data, gue, false)
		       : LB_UNCOMMON;
}

static __always_inline bool quick_has_df(void *data, bool ipv6)
{
	return ipv6 || ((struct iphdr *)(data + ETH_HLEN))->frag_off & bpf_htons(IPV4_DF);
}

/* For the stack, unless some service takes any port, or the packet may be a reply. */
static __always_inline int quick_pass(const struct lb_settings *set, void *data, __u32 bytes,
				      bool ipv6)
{
	struct packet pkt = quick_read(data, bytes, ipv6);

	if ((read_once(&set->services) | read_once(&set->replies)) & LB_TABLE_FLAG)
		return LB_UNCOMMON;
	return xdp_action(packet_leave(&pkt, LB_PASS_NOT_SERVICE));
}

static __always_inline int quick_balance(struct xdp_md *ctx, const struct lb_settings *set,
					 void *data, void *end, bool ipv6)
{
	__u32 bytes = end - data;
	struct lb_entry *service;
	struct packet pkt;
	struct quick quick;

	if (!quick_takes(data, end, ipv6))
		return LB_UNCOMMON;
	pkt = quick_read(data, bytes, ipv6);
	service = service_find(set, &pkt, pkt.dport, pkt.protocol);
	if (!service)
		return quick_pass(set, data, bytes, ipv6);
	if (__builtin_expect(service->used & (LB_ENTRY_TRACK | LB_ENTRY_SOURCE), 0))
		return LB_UNCOMMON;
	pkt = quick_read(data, bytes, ipv6);
	if (service->used & LB_ENTRY_MSS && packet_is_syn(&pkt))
		return LB_UNCOMMON;
	if (packet_check(&pkt) != LB_GO_ON || !quick_pick(ctx, set, &pkt, service, &quick))
		return LB_UNCOMMON;
	if (__builtin_expect(!backend_encapsulates(quick.backend), 1))
		return quick_forward(ctx, &quick, data, bytes, ipv6);
	if (quick.backend->forward == LB_FORWARD_IPIP && quick_has_df(data, ipv6))
		return quick_encap(ctx, &quick, data, bytes, false, ipv6);
	return quick_tunnel(ctx, quick.service, quick.id, quick.hash);
}

/* Returns the XDP action, LB_UNCOMMON, or LB_CAPTURE. */
static __always_inline int packet_quick(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct lb_settings *set = settings();
	struct packet pkt;

	if (__builtin_expect(capture_word(set) != 0, 0))
		return LB_CAPTURE;
	if (!set || data + ETH_HLEN > end)
		return LB_UNCOMMON;
	if (eth_protocol(data) == bpf_htons(ETH_P_IP))
		return quick_balance(ctx, set, data, end, false);
	if (eth_protocol(data) == bpf_htons(ETH_P_IPV6))
		return quick_balance(ctx, set, data, end, true);
	if (is_vlan_tag(eth_protocol(data)))
		return LB_UNCOMMON;
	packet_begin(&pkt, end - data);
	return xdp_action(packet_leave(&pkt, LB_PASS_NOT_IP));
}

#endif
