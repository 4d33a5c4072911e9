/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which service a packet is for: its address, protocol and port; then the address with any port. An
 * address has an entry of its own, with neither protocol nor port, if it is a vip at all. */
#ifndef XDP_SERVICE_BPF_H
#define XDP_SERVICE_BPF_H

#include "packet.bpf.h"
#include "table.bpf.h"

static __always_inline struct lb_entry *service_find(const struct lb_settings *set,
						     const struct packet *pkt, __be16 port,
						     __u8 protocol)
{
	struct lb_key key = { .addr = pkt->dst, .port = port, .protocol = protocol };

	return table_lookup(&lb_services, &lb_services_disp, read_once(&set->services), &key);
}

static __always_inline int service_lookup(const struct lb_settings *set, struct packet *pkt,
					  struct lb_entry **ret_service)
{
	struct lb_entry *entry;

	entry = service_find(set, pkt, pkt->dport, pkt->protocol);
	if (!entry && (read_once(&set->services) & LB_TABLE_FLAG))
		entry = service_find(set, pkt, 0, pkt->protocol);
	if (!entry)
		return LB_PASS_NOT_SERVICE;
	pkt->service = entry->id;
	*ret_service = entry;
	return LB_GO_ON;
}

#endif
