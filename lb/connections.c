/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live connections that a plan touches, as far as the sockets of this host's containers tell.
 * Called for a preview, while the state before it is still the actual one. */
#include <netinet/in.h>
#include <stdlib.h>

#include "config/mem.h"
#include "lb/kernel/settle.h"
#include "lb/manager.h"
#include "lb/watch/netlink.h"
#include "lb/watch/sockets.h"

#define COUNT_MS 300 /* for a whole plan: what is not counted by then is not known */

/* Where a row's connections end in the container: NAT has rewritten the packet to the backend's
 * address and its port or the service's, DSR has left it the vip. One end for each run of ports;
 * the caller frees them. */
static struct socket_end *ends_of(const struct service *service, const struct backend *row,
				  size_t *ret_count)
{
	struct socket_end *ends = mem_array(service->key_count, sizeof(*ends));
	bool nat = row->identity.forward == LB_FORWARD_NAT;
	size_t count = 0;

	for (size_t i = 0; i < service->key_count; i++) {
		const struct vip_key *key = &service->keys[i];
		uint16_t port = row->identity.port ? row->identity.port : key->port;
		const struct addr *address = nat ? &row->identity.address : &key->vip;
		struct socket_end *last = count ? &ends[count - 1] : NULL;

		if (!row->serves[addr_family(&key->vip)])
			continue;
		if (last && addr_equal(&last->address, address) && port == last->last + 1)
			last->last = port;
		else
			ends[count++] = (struct socket_end){ *address, port,
							     port ? port : UINT16_MAX };
	}
	*ret_count = count;
	return ends;
}

/* Flows of a backend that is gone are lost already. */
static bool row_count(struct manager *manager, const struct service *service,
		      const struct backend *row, uint64_t *ret_count)
{
	const struct net_link *link = net_view_link(&manager->view, row->hop.ifindex);
	struct socket_end *ends;
	size_t end_count;
	int err;

	*ret_count = 0;
	if (row->gone)
		return true;
	if (!row->has_hop || !row->hop.local || !link || link->kind != NET_VETH)
		return false;
	ends = ends_of(service, row, &end_count);
	err = sockets_count(manager->net, link, ends, end_count, ret_count);
	free(ends);
	return !err;
}

static void count_add(struct count *sum, bool known, uint64_t count)
{
	sum->known &= known;
	sum->count += count;
}

/* `kept`: what the service becomes; NULL: nothing. */
static struct connections service_count(struct manager *manager, const struct service *service,
					const struct service *kept, bool breaks,
					uint64_t deadline_ms)
{
	struct connections connections = { .live.known = service->protocol == IPPROTO_TCP,
					   .lost.known = service->protocol == IPPROTO_TCP };

	for (size_t i = 0; connections.lost.known && i < service->backend_count; i++) {
		const struct backend *row = &service->backends[i];
		uint64_t count = 0;
		bool known = boottime_ms() < deadline_ms &&
			     row_count(manager, service, row, &count);

		count_add(&connections.live, known, count);
		if (breaks || backend_is_lost(row, kept))
			count_add(&connections.lost, known, count);
	}
	return connections;
}

struct connections *connections_count(struct manager *manager, const struct preview *preview)
{
	const struct plan *plan = preview->plan;
	struct connections *all = mem_array(plan->service_count, sizeof(*all));
	uint64_t deadline_ms = boottime_ms() + COUNT_MS;

	for (size_t i = 0; i < plan->service_count; i++) {
		const struct plan_service *entry = &plan->services[i];
		const struct service *service = state_service(manager->actual, entry->name);

		if (service)
			all[i] = service_count(manager, service,
					       state_service(preview->wanted, entry->name),
					       entry->breaks, deadline_ms);
	}
	return all;
}
