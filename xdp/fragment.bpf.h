/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first fragment decides, the rest follow it, by addresses, id and protocol. One that comes
 * before its first is dropped and counted: where it belongs cannot be known, and whoever sent it
 * has to send it again; guessing would give a backend what is not its own. */
#ifndef XDP_FRAGMENT_BPF_H
#define XDP_FRAGMENT_BPF_H

#include "headers.bpf.h"
#include "slot.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_MAX_FRAGMENTS);
	__type(key, struct lb_fragment_key);
	__type(value, struct lb_fragment);
} lb_fragments SEC(".maps");

/* One that is refused decides nothing. */
static __always_inline void fragment_remember(const struct lb_settings *set,
					      const struct packet *pkt, struct headers *h)
{
	h->first = (struct lb_fragment){ .backend = pkt->backend, .service = pkt->service,
					 .at = motion_clock(set), .ports = pkt->ports };
	if (!lb_readonly && headers_check(pkt, h) == LB_GO_ON)
		bpf_map_update_elem(&lb_fragments, &h->datagram, &h->first, BPF_ANY);
}

/* What is known of the first of this later fragment; NULL: nothing, or it is too long ago. */
static __always_inline struct lb_fragment *fragment_first(const struct lb_settings *set,
							  const struct headers *h)
{
	struct lb_fragment *first = bpf_map_lookup_elem(&lb_fragments, &h->datagram);

	return first && motion_clock(set) - first->at <= LB_FRAGMENT_TICKS ? first : NULL;
}

/* Whose datagram this later fragment is a part of: fills service, backend and ports. */
static __always_inline bool fragment_follow(const struct lb_settings *set, struct packet *pkt,
					    const struct headers *h,
					    struct lb_backend **ret_backend)
{
	struct lb_fragment *first = fragment_first(set, h);
	struct lb_backend *backend;
	struct lb_trace *told;
	__u32 id;

	if (!first)
		return false;
	id = first->backend;
	if (!backend_is_usable(id, first->service))
		return false;
	backend = bpf_map_lookup_elem(&lb_backends, &id);
	if (!backend)
		return false;
	pkt->backend = id;
	pkt->service = first->service;
	pkt->ports = first->ports;
	told = lb_private ? trace() : NULL;
	if (told)
		told->pick = LB_PICK_FRAGMENT;
	*ret_backend = backend;
	return true;
}

/* The first of this later fragment was seen, and was not ours. */
static __always_inline bool fragment_is_nobodys(const struct lb_settings *set,
						const struct headers *h)
{
	struct lb_fragment *first = fragment_first(set, h);

	return first && first->backend == LB_NOBODY;
}

/* A later fragment of a backend's reply, not of a client's datagram. */
static __always_inline bool fragment_is_reply(const struct packet *pkt,
					      const struct lb_backend *backend)
{
	return backend->forward == LB_FORWARD_NAT &&
	       addr_same(&pkt->src, &backend->address);
}

#endif
