/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For backends on other hosts, whose kernel may know neither ipip nor GUE. decap: XDP on the
 * interface where the balancer's packets come in; takes out what is inside (IPv4 in 4, IPv6 in
 * 41, either in GUE variant 1) and gives it to the stack, which has the vip. decap_mss: tc egress,
 * where the answers leave. lbctl decap attaches both; decap_abi.h is the contract.
 *
 * The inner packet is the stack's to check, but for its length. A UDP checksum, which the balancer
 * does not make, is not looked at: the inner packet has its own. */
#include <linux/pkt_cls.h>

#include "csum.bpf.h"
#include "decap_abi.h"
#include "mss.bpf.h"
#include "parse.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decap_settings);
} decap_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DECAP_MAX_ADDRESSES);
	__type(key, union lb_addr);
	__type(value, __u32);
} decap_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DECAP_MAX_SOURCES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_direct_key);
	__type(value, __u32);
} decap_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_EXITS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} decap_exits SEC(".maps");

enum { ECN_NOT_ECT, ECN_ECT_1, ECN_ECT_0, ECN_CE };

#define TAKE_OUT (-1)	/* a step's answer: no exit yet */
#define TAKE_TRY(step)                                                                            \
	({                                                                                        \
		int _exit = (step);                                                               \
		if (_exit != TAKE_OUT)                                                            \
			return _exit;                                                             \
	})

struct outer {
	union lb_addr src, dst;
	__u32 l3;		/* where it begins in the frame, */
	__u32 inner;		/* and where what it carries does, */
	__u32 bytes;		/* which has so many */
	__u8 protocol, ecn;
	__u8 gue;
	__u8 version;		/* of the inner packet */
	bool fragment;
};

static __always_inline struct decap_settings *decap_set(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&decap_settings, &zero);
}

/* ---- the outer headers ---------------------------------------------------------------------- */

static __always_inline bool carries(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_UDP;
}

static __always_inline int outer_ipv4_read(struct cursor *cursor, struct outer *outer)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip || !carries(ip->protocol) || *(__u8 *)ip != IPV4_PLAIN)
		return DECAP_PASS_OTHER;
	addr_set_ipv4(&outer->src, ip->saddr);
	addr_set_ipv4(&outer->dst, ip->daddr);
	outer->protocol = ip->protocol;
	outer->ecn = ip->tos & 3;
	outer->fragment = ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET);
	outer->bytes = bpf_ntohs(ip->tot_len);
	outer->bytes -= outer->bytes < sizeof(*ip) ? outer->bytes : sizeof(*ip);
	outer->inner = outer->l3 + sizeof(*ip);
	return TAKE_OUT;
}

static __always_inline int outer_ipv6_read(struct cursor *cursor, struct outer *outer)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));
	__u8 *fragment;

	if (!ip)
		return DECAP_PASS_OTHER;
	outer->protocol = ip->nexthdr;
	if (ip->nexthdr == IPPROTO_FRAGMENT) {
		fragment = cursor_take(cursor, 8);
		outer->fragment = true;
		outer->protocol = fragment ? *fragment : 0;
	}
	if (!carries(outer->protocol))
		return DECAP_PASS_OTHER;
	addr_set_ipv6(&outer->src, &ip->saddr);
	addr_set_ipv6(&outer->dst, &ip->daddr);
	outer->ecn = bpf_ntohs(*(__be16 *)ip) >> 4 & 3;
	outer->bytes = bpf_ntohs(ip->payload_len);
	outer->inner = outer->l3 + sizeof(*ip);
	return TAKE_OUT;
}

static __always_inline int outer_read(struct cursor *cursor, struct outer *outer)
{
	struct ethhdr *eth = cursor_take(cursor, sizeof(*eth));
	__be16 protocol, *tag;

	if (!eth)
		return DECAP_PASS_OTHER;
	protocol = eth_protocol(eth);
	outer->l3 = sizeof(*eth);
	for (int i = 0; i < 2 && is_vlan_tag(protocol); i++) {
		tag = cursor_take(cursor, 4);
		if (!tag)
			return DECAP_PASS_OTHER;
		protocol = tag[1];
		outer->l3 += 4;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return outer_ipv4_read(cursor, outer);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return outer_ipv6_read(cursor, outer);
	return DECAP_PASS_OTHER;
}

/* Whether it is for this host at all, and whose: only the rest can be refused. */
static __always_inline int outer_admit(const struct outer *outer)
{
	struct decap_settings *set = decap_set();

	if (!set || !bpf_map_lookup_elem(&decap_addresses, &outer->dst))
		return DECAP_PASS_OTHER;
	if (outer->fragment)
		return outer->protocol == IPPROTO_UDP ? DECAP_PASS_OTHER : DECAP_PASS_FRAGMENT;
	return TAKE_OUT;
}

static __always_inline int source_admit(const struct outer *outer)
{
	struct lb_direct_key source = { .prefix_len = 128 };
	struct decap_settings *set = decap_set();

	if (!set || !(set->flags & DECAP_CHECK_SOURCE))
		return TAKE_OUT;
	__builtin_memcpy(source.addr, &outer->src, sizeof(source.addr));
	return bpf_map_lookup_elem(&decap_sources, &source) ? TAKE_OUT : DECAP_DROP_SOURCE;
}

/* GUE is known by its port; other variants and other users of UDP are the stack's. */
static __always_inline int udp_read(struct cursor *cursor, struct outer *outer)
{
	struct udphdr *udp = cursor_take(cursor, sizeof(*udp));
	__u32 bytes;
	__u8 *first;

	if (!udp || udp->dest != bpf_htons(LB_GUE_PORT))
		return DECAP_PASS_OTHER;
	TAKE_TRY(source_admit(outer));
	bytes = bpf_ntohs(udp->len);
	if (bytes < sizeof(*udp) || bytes > outer->bytes)
		return DECAP_DROP_MALFORMED;
	first = cursor->pos;
	if ((void *)(first + 1) > cursor->end)
		return DECAP_DROP_TRUNCATED;
	if (*first >> 6 != 1)
		return DECAP_PASS_GUE_OTHER;
	outer->gue = 1;
	outer->version = *first >> 4;
	outer->inner += sizeof(*udp);
	outer->bytes = bytes - sizeof(*udp);
	return TAKE_OUT;
}

/* ---- the inner packet ----------------------------------------------------------------------- */

/* RFC 6040, section 4.2, figure 4: what a receiver must make of both. */
static __always_inline __u8 ecn_of(__u8 outer, __u8 inner)
{
	if (outer == ECN_CE && inner != ECN_NOT_ECT)
		return ECN_CE;
	return outer == ECN_ECT_1 && inner == ECN_ECT_0 ? ECN_ECT_1 : inner;
}

static __always_inline int inner_ipv4_take(struct cursor *cursor, const struct outer *outer)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	__u16 was, now;
	__u8 ecn;

	if (!ip)
		return DECAP_DROP_TRUNCATED;
	if (ip->version != 4 || ip->ihl < 5 || bpf_ntohs(ip->tot_len) < ip->ihl * 4 ||
	    bpf_ntohs(ip->tot_len) > outer->bytes)
		return DECAP_DROP_MALFORMED;
	ecn = ecn_of(outer->ecn, ip->tos & 3);
	if (outer->ecn == ECN_CE && ecn != ECN_CE)
		return DECAP_DROP_ECN;
	was = *(__u16 *)ip;
	ip->tos = (ip->tos & ~3) | ecn;
	now = *(__u16 *)ip;
	if (now != was)
		ip->check = csum_update(ip->check, csum_fold((__u16)~was + now));
	return TAKE_OUT;
}

static __always_inline int inner_ipv6_take(struct cursor *cursor, const struct outer *outer)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));
	__u16 word;
	__u8 ecn;

	if (!ip)
		return DECAP_DROP_TRUNCATED;
	if (ip->version != 6 || sizeof(*ip) + bpf_ntohs(ip->payload_len) > outer->bytes)
		return DECAP_DROP_MALFORMED;
	word = bpf_ntohs(*(__be16 *)ip);
	ecn = ecn_of(outer->ecn, word >> 4 & 3);
	if (outer->ecn == ECN_CE && ecn != ECN_CE)
		return DECAP_DROP_ECN;
	*(__be16 *)ip = bpf_htons((word & ~0x30) | ecn << 4);
	return TAKE_OUT;
}

/* Takes the outer headers away from between the link header, tags and all, and the inner packet. */
static __always_inline int outer_remove(struct xdp_md *ctx, const struct outer *outer, __be16 type)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 link[3], tags[2] = { 0 };
	__u16 protocol;

	if (data + outer->l3 + sizeof(struct iphdr) > end || data + 22 > end)
		return DECAP_DROP_TRUNCATED;
	__builtin_memcpy(link, data, sizeof(link));
	protocol = *(__u16 *)(data + 12);
	tags[0] = *(__u32 *)(data + 14);
	tags[1] = *(__u32 *)(data + 18);
	if (bpf_xdp_adjust_head(ctx, outer->inner - outer->l3))
		return DECAP_DROP_TRUNCATED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 22 > end)
		return DECAP_DROP_TRUNCATED;
	__builtin_memcpy(data, link, sizeof(link));
	*(__u16 *)(data + 12) = outer->l3 == ETH_HLEN ? type : protocol;
	if (outer->l3 >= ETH_HLEN + 4)
		*(__u32 *)(data + 14) = tags[0];
	if (outer->l3 >= ETH_HLEN + 8)
		*(__u32 *)(data + 18) = tags[1];
	if (outer->l3 == ETH_HLEN + 4)
		*(__be16 *)(data + 16) = type;
	if (outer->l3 == ETH_HLEN + 8)
		*(__be16 *)(data + 20) = type;
	return TAKE_OUT;
}

/* Nothing is changed before all of it is known to be right. */
static __always_inline int inner_take(struct xdp_md *ctx)
{
	struct cursor cursor = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };
	struct outer outer = { 0 };
	__be16 type;

	TAKE_TRY(outer_read(&cursor, &outer));
	TAKE_TRY(outer_admit(&outer));
	if (outer.inner + outer.bytes > bpf_xdp_get_buff_len(ctx))
		return DECAP_DROP_TRUNCATED;
	outer.version = outer.protocol == IPPROTO_IPIP ? 4 : 6;
	if (outer.protocol == IPPROTO_UDP)
		TAKE_TRY(udp_read(&cursor, &outer));
	else
		TAKE_TRY(source_admit(&outer));
	if (outer.version == 4) {
		type = bpf_htons(ETH_P_IP);
		TAKE_TRY(inner_ipv4_take(&cursor, &outer));
	} else {
		type = bpf_htons(ETH_P_IPV6);
		TAKE_TRY(inner_ipv6_take(&cursor, &outer));
	}
	TAKE_TRY(outer_remove(ctx, &outer, type));
	return outer.gue ? DECAP_PASS_GUE : DECAP_PASS_IPIP;
}

#define DECAP_DROPS(name, action, text) | (action == DECAP_DROP ? 1U << DECAP_##name : 0)
static const __u32 drops = 0 DECAP_EXITS(DECAP_DROPS);
#undef DECAP_DROPS

SEC("xdp.frags")
int decap(struct xdp_md *ctx)
{
	__u32 exit = inner_take(ctx);
	__u64 *count = bpf_map_lookup_elem(&decap_exits, &exit);

	if (count)
		++*count;
	return drops >> (exit & 31) & 1 ? XDP_DROP : XDP_PASS;
}

/* ---- the segment size of SYN-ACKs that leave ------------------------------------------------- */

static __always_inline long frame_load(void *ctx, __u32 at, void *to, __u32 bytes)
{
	return bpf_skb_load_bytes(ctx, at, to, bytes);
}

static __always_inline long frame_store(void *ctx, __u32 at, const void *from, __u32 bytes)
{
	return bpf_skb_store_bytes(ctx, at, from, bytes, 0);
}

/* Leaves a checksum alone that the device is still to make. */
static __always_inline long frame_csum_replace(void *ctx, __u32 at, __u16 from, __u16 to)
{
	return bpf_l4_csum_replace(ctx, at, from, to, sizeof(to));
}

/* Where TCP stands in the frame, or 0. The tag of a VLAN device is not in the frame yet. */
static __always_inline __u32 tcp_place(struct __sk_buff *skb)
{
	struct ipv6hdr ip6;
	struct iphdr ip4;
	__be16 type;

	if (bpf_skb_load_bytes(skb, 12, &type, sizeof(type)))
		return 0;
	if (type == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip4, sizeof(ip4)) ||
		    ip4.protocol != IPPROTO_TCP || ip4.frag_off & bpf_htons(0x1fff))
			return 0;
		return ETH_HLEN + ip4.ihl * 4;
	}
	if (type != bpf_htons(ETH_P_IPV6) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)) || ip6.nexthdr != IPPROTO_TCP)
		return 0;
	return ETH_HLEN + sizeof(ip6);
}

SEC("tc")
int decap_mss(struct __sk_buff *skb)
{
	struct decap_settings *set = decap_set();
	__u32 l4;
	__u8 flags;

	if (!set || !set->mss)
		return TC_ACT_UNSPEC;
	l4 = tcp_place(skb);
	if (l4 && !bpf_skb_load_bytes(skb, l4 + 13, &flags, sizeof(flags)) &&
	    (flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		mss_lower(skb, l4, set->mss);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
