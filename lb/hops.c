/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Next hops of a config's rows: what the network's view says, plus what has to be asked or made:
 * the kernel's route, a resolved neighbour, NAPI at the container's end, a device that XDP can
 * transmit to. The answers about a device are kept while the device lives. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/watch/veth.h"

#define RENEW_SEC 5

struct link_state {
	unsigned int ifindex;
	bool usable;
	char reason[NEXT_HOP_REASON_MAX];
};

static struct link_state *link_known(struct manager *manager, unsigned int ifindex)
{
	for (size_t i = 0; i < manager->link_count; i++)
		if (manager->links[i].ifindex == ifindex)
			return &manager->links[i];
	return NULL;
}

static void links_forget(struct manager *manager)
{
	size_t kept = 0;

	for (size_t i = 0; i < manager->link_count; i++)
		if (manager->links[i].usable &&
		    net_view_link(&manager->view, manager->links[i].ifindex))
			manager->links[kept++] = manager->links[i];
	manager->link_count = kept;
}

static bool all_generic(const struct config *config)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (config->interfaces[i].mode != CONFIG_MODE_GENERIC)
			return false;
	return true;
}

static void napi_tell(struct manager *manager, const char *name, const char *end)
{
	const char *cause = "without NAPI there the kernel drops what XDP sends";
	char object[IFNAMSIZ + 64];

	log_notice("%s: GRO off → on at the %s end: %s", name, end, cause);
	snprintf(object, sizeof(object), "GRO of interface %s at the %s end", name, end);
	events_add(manager->events, &(struct change){ .kind = EVENT_INTERFACE, .object = object,
						      .from = "off", .to = "on",
						      .cause = cause });
}

static void napi_enable(struct manager *manager, const struct net_link *link, const char *end,
			struct link_state *state)
{
	bool changed = false;
	int err = veth_end_enable_napi(manager->net, link, &changed);

	if (changed)
		napi_tell(manager, link->name, end);
	if (!err)
		return;
	state->usable = false;
	snprintf(state->reason, sizeof(state->reason),
		 "%s: cannot switch GRO on at the %s end: %s", link->name, end,
		 err == -ENOENT ? "its namespace cannot be found" : strerror(-err));
}

static void link_remember(struct manager *manager, const struct link_state *state)
{
	struct link_state *links =
		realloc(manager->links, (manager->link_count + 1) * sizeof(*links));

	if (!links)
		return;
	manager->links = links;
	manager->links[manager->link_count++] = *state;
}

/* What lb answers itself, and what it turns back, leaves by a front. Where that is a veth its other
 * end needs NAPI too, or a client there, who needed none while the stack answered, hears
 * nothing. */
static void fronts_napi_enable(struct manager *manager, const struct config *config)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		const struct net_link *link =
			net_view_link_by_name(&manager->view, interface->name);
		struct link_state state = { .usable = true };

		if (!link || link->kind != NET_VETH || interface->mode == CONFIG_MODE_GENERIC ||
		    link_known(manager, link->ifindex))
			continue;
		state.ifindex = link->ifindex;
		napi_enable(manager, link, "other", &state);
		if (!state.usable)
			log_warning("%s: what XDP answers does not get there", state.reason);
		state.usable = true; /* told once, and no reason to stay out */
		link_remember(manager, &state);
	}
}

/* Whether redirected frames get through this device. Known answers are kept only where they were
 * found with leave to touch. */
static bool link_usable(struct manager *manager, const struct config *config,
			const struct next_hop *hop, bool touch, char *reason)
{
	const struct net_link *link = net_view_link(&manager->view, hop->ifindex);
	struct link_state state = { .ifindex = hop->ifindex, .usable = true };
	struct link_state *known = link_known(manager, hop->ifindex);

	if (all_generic(config) || !link || (known && known->usable))
		return true;
	if (device_can_transmit(manager->net, link, state.reason, sizeof(state.reason)))
		state.usable = false;
	else if (touch && hop->local)
		napi_enable(manager, link, "container's", &state);
	if (!state.usable) {
		snprintf(reason, NEXT_HOP_REASON_MAX, "%s", state.reason);
		return false;
	}
	if (touch)
		link_remember(manager, &state);
	return true;
}

static size_t fronts_of(const struct manager *manager, const struct config *config,
			unsigned int *fronts, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < config->interface_count && count < most; i++) {
		const struct net_link *link =
			net_view_link_by_name(&manager->view, config->interfaces[i].name);

		if (link)
			fronts[count++] = link->ifindex;
	}
	return count;
}

/* ---- next hops that stay -------------------------------------------------------------------- */

static const struct net_neighbour *neighbour_find(const struct net_view *view, unsigned int via,
						  const struct addr *addr)
{
	size_t count;
	const struct net_neighbour *found = net_view_neighbours(view, via, addr, &count);

	return count ? found : NULL;
}

/* The rows of the actual state that packets are sent by, by their addresses. Made when the first
 * of them is asked for: mostly none is. */
struct rows_in_use {
	struct addr_index index;
	const struct backend **rows;
	size_t count;
	bool made;
};

static void rows_in_use_make(const struct manager *manager, struct rows_in_use *in_use)
{
	const struct state *actual = manager->actual;
	size_t most = 0;

	for (size_t s = 0; s < actual->service_count; s++)
		most += actual->services[s].backend_count;
	in_use->rows = mem_array(most + 1, sizeof(*in_use->rows));
	for (size_t s = 0; s < actual->service_count; s++)
		for (size_t b = 0; b < actual->services[s].backend_count; b++) {
			const struct backend *row = &actual->services[s].backends[b];

			if (!row->has_hop || row->gone)
				continue;
			addr_index_add(&in_use->index, 0, &row->identity.address, in_use->count);
			in_use->rows[in_use->count++] = row;
		}
	in_use->made = true;
}

static void rows_in_use_clear(struct rows_in_use *in_use)
{
	addr_index_clear(&in_use->index);
	free(in_use->rows);
}

static const struct backend *row_in_use(const struct manager *manager, struct rows_in_use *in_use,
					const struct addr *addr)
{
	size_t row;

	if (!in_use->made)
		rows_in_use_make(manager, in_use);
	return addr_index_find(&in_use->index, 0, addr, &row) ? in_use->rows[row] : NULL;
}

/* A neighbour can be forgotten without being lost: somebody flushed the table, we have it asked
 * anew, or a bridge took another MAC because a port left it, and with that all its neighbours are
 * flushed. Until the kernel has found out, who was there is taken to be there still, for without a
 * next hop his flows would be lost; once nobody has answered he is gone. A device that is gone or
 * down is nobody's next hop. */
static bool hop_stays(const struct manager *manager, const struct config_backend *backend,
		      struct rows_in_use *in_use, const struct addr *addr, struct next_hop *hop)
{
	const struct backend *before = row_in_use(manager, in_use, addr);
	const struct net_link *via = net_view_link(&manager->view, hop->via), *link;
	const struct net_neighbour *neighbour;
	const unsigned char *mac = backend->mac;

	if (!before || !via || !via->up)
		return false;
	link = net_view_link(&manager->view, before->hop.ifindex);
	if (!link || !link->up || strcmp(link->name, before->hop.device) ||
	    (link != via && link->master != via->ifindex && link->ifindex != via->parent))
		return false;
	neighbour = neighbour_find(&manager->view, via->ifindex, &hop->neighbour);
	if (neighbour && neighbour->failed)
		return false;
	if (!backend->has_mac)
		mac = neighbour && neighbour->usable ? neighbour->mac : before->hop.dst_mac;
	hop->ifindex = link->ifindex;
	memcpy(hop->device, link->name, sizeof(hop->device));
	memcpy(hop->dst_mac, mac, sizeof(hop->dst_mac));
	memcpy(hop->src_mac, via->mac, sizeof(hop->src_mac));
	hop->local = before->hop.local;
	hop->vlan = before->hop.vlan;
	return true;
}

/* ---- the rows of a config ------------------------------------------------------------------- */

/* What all rows of a visit share. */
struct visit {
	unsigned int *fronts;
	size_t front_count;
	struct rows_in_use in_use;
};

static int row_hop_find(struct manager *manager, const struct config_backend *backend, int family,
			struct visit *visit, struct row_hop *ret_hop)
{
	const struct addr *addr = &backend->address[family];
	struct net_route route = { 0 };
	int err;

	memset(ret_hop, 0, sizeof(*ret_hop));
	if (backend->trouble) {
		snprintf(ret_hop->reason, sizeof(ret_hop->reason), "%s", backend->trouble);
		return -EHOSTUNREACH;
	}
	err = net_route_find(manager->net, addr, &route);
	err = next_hop_find(&manager->view, addr, &route, err,
			    backend->has_mac ? backend->mac : NULL, backend->interface,
			    visit->fronts, visit->front_count, &ret_hop->hop, ret_hop->reason);
	ret_hop->known = !err ||
			 hop_stays(manager, backend, &visit->in_use, addr, &ret_hop->hop);
	return err;
}

typedef void row_function(struct manager *manager, const struct config *config,
			  const struct config_backend *backend, struct row_hop *hop, void *data);

static void service_rows_visit(struct manager *manager, const struct config *config,
			       const struct config_service *service, struct visit *visit,
			       row_function *function, void *data)
{
	struct row_hop hop;

	for (size_t b = 0; b < service->backend_count; b++)
		for (int family = 0; family < FAMILIES; family++) {
			const struct config_backend *backend = &service->backends[b];

			if (!backend->has_address[family])
				continue;
			row_hop_find(manager, backend, family, visit, &hop);
			function(manager, config, backend, &hop, data);
		}
}

/* Calls the function for each row, or those of one service, in the order of desired.h. */
static int rows_visit(struct manager *manager, const struct config *config,
		      const struct config_service *only, row_function *function, void *data)
{
	struct visit visit = { .fronts = calloc(config->interface_count + 1,
						sizeof(*visit.fronts)) };

	if (!visit.fronts)
		return -ENOMEM;
	visit.front_count = fronts_of(manager, config, visit.fronts, config->interface_count);
	for (size_t s = 0; s < config->service_count; s++)
		if (!only || only == &config->services[s])
			service_rows_visit(manager, config, &config->services[s], &visit,
					   function, data);
	rows_in_use_clear(&visit.in_use);
	free(visit.fronts);
	return 0;
}

struct found {
	struct row_hop *hops;
	size_t count;
	bool touch;
};

static void row_keep(struct manager *manager, const struct config *config,
		     const struct config_backend *backend, struct row_hop *hop, void *data)
{
	struct found *found = data;

	(void)backend;
	if (hop->known)
		hop->known =
			link_usable(manager, config, &hop->hop, found->touch, hop->reason);
	found->hops[found->count++] = *hop;
}

int hops_find(struct manager *manager, const struct config *config,
	      const struct config_service *only, bool touch, struct row_hop **ret_hops)
{
	struct found found = { .touch = touch };
	int err;

	found.hops = calloc(desired_row_count(config) + 1, sizeof(*found.hops));
	if (!found.hops)
		return -ENOMEM;
	links_forget(manager);
	if (touch)
		fronts_napi_enable(manager, config);
	for (size_t s = 0; only && &config->services[s] != only; s++)
		found.count += service_row_count(&config->services[s]);
	err = rows_visit(manager, config, only, row_keep, &found);
	if (err) {
		free(found.hops);
		return err;
	}
	*ret_hops = found.hops;
	return 0;
}

/* ---- neighbours ----------------------------------------------------------------------------- */

/* Those that we have asked the kernel to keep resolved. */
struct neighbour_state {
	unsigned int via;
	struct addr addr;
	time_t renewed;		/* CLOCK_MONOTONIC; 0: never */
};

static struct neighbour_state *neighbour_managed(const struct manager *manager, unsigned int via,
						 const struct addr *addr)
{
	size_t item;

	return addr_index_find(&manager->neighbour_index, via, addr, &item)
		       ? &manager->neighbours[item] : NULL;
}

static void neighbour_manage(struct manager *manager, unsigned int via, const struct addr *addr)
{
	struct neighbour_state *grown;

	if (net_neighbour_manage(manager->net, via, addr) ||
	    neighbour_managed(manager, via, addr))
		return;
	grown = realloc(manager->neighbours, (manager->neighbour_count + 1) * sizeof(*grown));
	if (!grown)
		return;
	manager->neighbours = grown;
	addr_index_add(&manager->neighbour_index, via, addr, manager->neighbour_count);
	manager->neighbours[manager->neighbour_count++] =
		(struct neighbour_state){ .via = via, .addr = *addr };
}

static bool bridge_lost(const struct net_view *view, unsigned int via, const unsigned char *mac)
{
	const struct net_link *link = net_view_link(view, via);
	size_t count;

	if (!link || !link->up || link->kind != NET_BRIDGE)
		return false;
	net_view_fdb(view, via, mac, &count);
	return !count;
}

/* A bridge forgets the MACs behind a port that goes away, and who comes back there (a container
 * that is restarted) may have another one, which the kernel would not notice for half a minute.
 * Not too often, unless there is a reason to: a bridge may be told not to learn. */
static void neighbour_renew(struct manager *manager, struct neighbour_state *state, bool at_once)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!at_once && state->renewed && now.tv_sec - state->renewed < RENEW_SEC)
		return;
	if (!net_neighbour_renew(manager->net, state->via, &state->addr))
		state->renewed = now.tv_sec;
}

void hops_release(struct manager *manager)
{
	for (size_t i = 0; i < manager->neighbour_count; i++)
		net_neighbour_release(manager->net, manager->neighbours[i].via,
				      &manager->neighbours[i].addr);
	addr_index_clear(&manager->neighbour_index);
	manager->neighbour_count = 0;
}

/* Who did not answer is asked again by the kernel only seconds later, and a bridge that has lost a
 * MAC by us. A config that is not in use yet is a reason to ask now: it may be about a container
 * that has just been started. */
static void row_resolve(struct manager *manager, const struct config *config,
			const struct config_backend *backend, struct row_hop *hop, void *data)
{
	const struct net_neighbour *neighbour;
	static const struct addr nobody;
	struct neighbour_state *managed;
	size_t *waiting = data;

	if (backend->has_mac || !hop->hop.via || addr_equal(&hop->hop.neighbour, &nobody))
		return;
	neighbour = neighbour_find(&manager->view, hop->hop.via, &hop->hop.neighbour);
	managed = neighbour_managed(manager, hop->hop.via, &hop->hop.neighbour);
	if (!neighbour || !managed)
		neighbour_manage(manager, hop->hop.via, &hop->hop.neighbour);
	else if (neighbour->failed
			 ? config != manager->config
			 : neighbour->usable &&
				   bridge_lost(&manager->view, hop->hop.via, neighbour->mac))
		neighbour_renew(manager, managed, config != manager->config);
	if (!hop->known && (!neighbour || !neighbour->failed))
		++*waiting;
}

/* What they say is read now, for `config`; the one in use has to follow it too. */
static void messages_take(struct manager *manager, const struct config *config)
{
	if (net_drain(manager->net) && config != manager->config)
		manager_wake(manager);
}

/* While the network changes faster than it can be read the old view stays: net_fd() says when to
 * come again. */
static int view_refresh(struct manager *manager, const struct config *config)
{
	struct net_view fresh;
	int err;

	messages_take(manager, config);
	err = net_read(manager->net, &fresh);
	if (err)
		return err == -EAGAIN ? 0 : err;
	net_view_clear(&manager->view);
	manager->view = fresh;
	return 0;
}

int hops_settle(struct manager *manager, const struct config *config, long wait_ms)
{
	struct timespec start, now;
	size_t waiting;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		struct pollfd event = { .fd = net_fd(manager->net), .events = POLLIN };
		long spent;

		err = view_refresh(manager, config);
		if (err)
			return err;
		waiting = 0;
		err = rows_visit(manager, config, NULL, row_resolve, &waiting);
		clock_gettime(CLOCK_MONOTONIC, &now);
		spent = (now.tv_sec - start.tv_sec) * 1000 +
			(now.tv_nsec - start.tv_nsec) / 1000000;
		if (err || !waiting || spent >= wait_ms)
			return err;
		poll(&event, 1, wait_ms - spent);
	}
}
