/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources in, wanted state out; no I/O, no memory of the last time. One row is one backend in one
 * family; a service has one ring for each family of its vips. */
#include "lb/model/desired.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/judge.h"
#include "lb/model/ring.h"
#include "lb/model/siphash.h"

size_t service_row_count(const struct config_service *service)
{
	size_t rows = 0;

	for (size_t b = 0; b < service->backend_count; b++)
		rows += service->backends[b].has_address[IPV4] +
			service->backends[b].has_address[IPV6];
	return rows;
}

size_t desired_row_count(const struct config *config)
{
	size_t rows = 0;

	for (size_t s = 0; s < config->service_count; s++)
		rows += service_row_count(&config->services[s]);
	return rows;
}

void hash_keys_of(const char *seed, uint64_t ret_keys[LB_HASH_KEYS])
{
	for (uint64_t i = 0; i < LB_HASH_KEYS; i++) {
		const uint64_t key[2] = { 0x656467656c62ULL, i };

		ret_keys[i] = siphash(key, seed, strlen(seed));
	}
}

static const struct addr *service_vip(const struct config_service *service, int family)
{
	for (size_t i = 0; i < service->vip_count; i++)
		if (addr_family(&service->vips[i]) == family)
			return &service->vips[i];
	return NULL;
}

static enum lb_forward forward_of(enum config_forward forward)
{
	static const enum lb_forward forwards[] = {
		[CONFIG_NAT] = LB_FORWARD_NAT, [CONFIG_DSR] = LB_FORWARD_DSR,
		[CONFIG_IPIP] = LB_FORWARD_IPIP, [CONFIG_GUE] = LB_FORWARD_GUE,
	};

	return forwards[forward];
}

static struct identity identity_of(const struct config_service *service,
				   const struct config_backend *backend, int family)
{
	const struct addr *vip = service_vip(service, family);
	struct identity identity = { .address = backend->address[family],
				     .forward = forward_of(backend->forward) };

	if (backend->forward != CONFIG_NAT)
		return identity;
	identity.port = backend->port;
	if (vip)
		identity.vip = *vip;
	if (backend->port)
		identity.vip_port = service->ports[0].first;
	return identity;
}

/* Time alone changes the state again at `at` (0: never): the daemon makes a new one then. */
static void wake_at(struct state *state, uint64_t at)
{
	if (at && (!state->next_ms || at < state->next_ms))
		state->next_ms = at;
}

/* Where outer packets come from: what the config says, else this host's address. Without either
 * there is no way to the backend. */
static void encap_source_find(struct backend *row, const struct config_service *service,
			      struct row_hop *hop)
{
	char text[ADDR_TEXT_MAX];

	if (service->has_encap_source[row->family]) {
		row->encap_source = service->encap_source[row->family];
	} else if (hop->known && hop->hop.has_source) {
		row->encap_source = (struct prefix){ hop->hop.source, 128 };
	} else if (hop->known) {
		hop->known = false;
		snprintf(hop->reason, sizeof(hop->reason), "no source address for packets to %s",
			 addr_format(&row->identity.address, text));
	}
}

/* An outer packet of either family carries both: a lone address serves the vips of the other family
 * too. */
static void row_serves(struct backend *row, const struct config_service *service,
		       const struct config_backend *backend)
{
	bool alone = !backend->has_address[!row->family];

	row->serves[row->family] = service_vip(service, row->family) != NULL;
	row->serves[!row->family] = alone && identity_is_encapsulated(&row->identity) &&
				    service_vip(service, !row->family);
}

static void row_fill(struct state *state, const struct backend *rows, struct backend *row,
		     const struct config_service *service, const struct config_backend *backend,
		     int family, const struct sources *sources, const struct service *before,
		     size_t number)
{
	const struct override *override =
		override_find(sources->overrides, service->name, backend->name);
	enum config_state admin = backend->state;
	struct row_hop hop = sources->hops[number];
	struct row_facts facts;

	memset(row, 0, sizeof(*row));
	snprintf(row->name, sizeof(row->name), "%s", backend->name);
	row->identity = identity_of(service, backend, family);
	row->family = family;
	row_serves(row, service, backend);
	if (identity_is_encapsulated(&row->identity))
		encap_source_find(row, service, &hop);
	row->weight = backend->weight;
	row->backup = backend->backup;
	if (override) {
		row->override = true;
		if (override->has_state)
			admin = override->state;
		if (override->has_weight)
			row->weight = override->weight;
	}
	facts = (struct row_facts){
		.service = service, .backend = backend, .admin = admin,
		.hop = &hop,
		.health = sources->health ? &sources->health[number] : NULL,
		.before = service_backend_same(before, row, (size_t)(row - rows)),
		.now_ms = sources->now_ms,
	};
	wake_at(state, backend_judge(row, &facts));
}

/* ---- a service as a whole -------------------------------------------------------------------- */

static bool ports_are_range(const struct config_ports *ports)
{
	return ports->first != ports->last;
}

static int keys_fill(struct service *service, const struct config_service *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->port_count; i++)
		count += config->ports[i].last - config->ports[i].first + 1;
	service->keys = calloc(config->vip_count * count + 1, sizeof(*service->keys));
	if (!service->keys)
		return -ENOMEM;
	for (size_t v = 0; v < config->vip_count; v++)
		for (size_t i = 0; i < config->port_count; i++)
			for (unsigned int port = config->ports[i].first;
			     port <= config->ports[i].last; port++)
				service->keys[service->key_count++] =
					(struct vip_key){ config->vips[v], port,
							  ports_are_range(&config->ports[i]) };
	return 0;
}

/* A ring follows from names and weights alone: where they are what they were, so is it. */
static bool ring_stays(const struct service *service, const struct service *before, int family,
		       uint32_t slots)
{
	if (!before || !before->ring[family].owners || before->ring[family].slots != slots ||
	    before->backend_count != service->backend_count)
		return false;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *now = &service->backends[i], *then = &before->backends[i];

		if (now->ring_weight[family] != then->ring_weight[family] ||
		    strcmp(now->name, then->name))
			return false;
	}
	return true;
}

static int ring_fill(struct service *service, const struct service *before, int family,
		     uint32_t slots)
{
	struct ring_member *members = calloc(service->backend_count + 1, sizeof(*members));
	struct ring *ring = &service->ring[family];
	int err = -ENOMEM;

	ring->owners = malloc(slots * sizeof(*ring->owners));
	if (ring->owners && ring_stays(service, before, family, slots)) {
		ring->slots = slots;
		memcpy(ring->owners, before->ring[family].owners, slots * sizeof(*ring->owners));
		err = 0;
	} else if (members && ring->owners) {
		ring->slots = slots;
		for (size_t i = 0; i < service->backend_count; i++) {
			const struct backend *row = &service->backends[i];

			members[i].name = row->name;
			members[i].weight = row->ring_weight[family];
		}
		err = ring_build(members, service->backend_count, slots, ring->owners);
	}
	free(members);
	return err;
}

/* An automatic ring keeps its size while its service lives and there is room for every backend:
 * another size would move the flows that it has. */
static uint32_t ring_slots_of(const struct service *service, const struct config_service *config,
			      int family, const struct service *now)
{
	size_t rows = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		rows += service->backends[i].serves[family];
	if (!config->ring_size && now && now->ring[family].slots >= rows &&
	    now->ring[family].slots >= CONFIG_RING_MIN)
		return now->ring[family].slots;
	return config_ring_slots(config->ring_size, rows);
}

static int rings_fill(struct service *service, const struct config_service *config,
		      const struct service *before)
{
	int err = 0;

	for (int family = 0; !err && family < FAMILIES; family++)
		if (service_vip(config, family))
			err = ring_fill(service, before, family,
					ring_slots_of(service, config, family, before));
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *row = &service->backends[i];

		row->effective_weight = row->ring_weight[IPV4] > row->ring_weight[IPV6]
						? row->ring_weight[IPV4]
						: row->ring_weight[IPV6];
	}
	return err;
}

static int service_fill(struct state *state, struct service *service,
			const struct config_service *config, const struct sources *sources,
			const struct service *before, size_t *row)
{
	snprintf(service->name, sizeof(service->name), "%s", config->name);
	service->config = config;
	service->forward = config->forward;
	service->track = config->track == CONFIG_TRACK_ALWAYS;
	service->by_source = config->hash == CONFIG_HASH_SOURCE;
	service->mss = config->protocol == CONFIG_TCP ? config->mss : 0;
	service->reject = config->when_down == CONFIG_DOWN_REJECT;
	service->up = true;
	service->idle_timeout_ms = config->idle_timeout_ms;
	service->protocol = config->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	service->backends = calloc(2 * config->backend_count + 1, sizeof(*service->backends));
	if (!service->backends || keys_fill(service, config))
		return -ENOMEM;
	for (size_t b = 0; b < config->backend_count; b++)
		for (int family = 0; family < FAMILIES; family++)
			if (config->backends[b].has_address[family]) {
				row_fill(state, service->backends,
					 &service->backends[service->backend_count++], config,
					 &config->backends[b], family, sources, before, (*row)++);
			}
	for (int family = 0; family < FAMILIES; family++)
		if (service_vip(config, family))
			service_judge(service, config, family);
	return rings_fill(service, config, before);
}

static int compare_numbers(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

/* Rows of one device mostly stand side by side. */
static void number_note(unsigned int *numbers, size_t *count, unsigned int number)
{
	if (!*count || numbers[*count - 1] != number)
		numbers[(*count)++] = number;
}

static size_t numbers_unique(unsigned int *numbers, size_t count)
{
	size_t kept = 0;

	qsort(numbers, count, sizeof(*numbers), compare_numbers);
	for (size_t i = 0; i < count; i++)
		if (!kept || numbers[kept - 1] != numbers[i])
			numbers[kept++] = numbers[i];
	return kept;
}

static int fronts_fill(struct state *state, const struct sources *sources)
{
	const struct config *config = sources->config;

	state->fronts = calloc(config->interface_count + 1, sizeof(*state->fronts));
	if (!state->fronts)
		return -ENOMEM;
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct net_link *link =
			net_view_link_by_name(sources->view, config->interfaces[i].name);
		struct front *front = &state->fronts[state->front_count];

		if (!link)
			continue;
		snprintf(front->name, sizeof(front->name), "%s", link->name);
		front->ifindex = link->ifindex;
		front->mode = config->interfaces[i].mode;
		state->front_count++;
	}
	return 0;
}

/* Devices: the fronts and every backend's port. Hooks of lb_reply: the ports of local NAT
 * backends; the fronts too where a NAT backend is on another host. */
static int devices_fill(struct state *state, size_t rows)
{
	size_t most = rows + state->front_count;
	bool remote = false;

	state->devices = calloc(most + 1, sizeof(*state->devices));
	state->reply_hooks = calloc(most + 1, sizeof(*state->reply_hooks));
	if (!state->devices || !state->reply_hooks)
		return -ENOMEM;
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++) {
			const struct backend *row = &state->services[s].backends[b];

			if (!row->has_hop)
				continue;
			number_note(state->devices, &state->device_count, row->hop.ifindex);
			if (row->identity.forward != LB_FORWARD_NAT)
				continue;
			if (row->hop.local)
				number_note(state->reply_hooks, &state->reply_hook_count,
					    row->hop.ifindex);
			else
				remote = true;
		}
	for (size_t i = 0; i < state->front_count; i++) {
		state->devices[state->device_count++] = state->fronts[i].ifindex;
		if (remote)
			state->reply_hooks[state->reply_hook_count++] = state->fronts[i].ifindex;
	}
	state->device_count = numbers_unique(state->devices, state->device_count);
	state->reply_hook_count = numbers_unique(state->reply_hooks, state->reply_hook_count);
	return 0;
}

static int compare_clients(const void *a, const void *b)
{
	const struct local_client *x = a, *y = b;

	return compare_numbers(&x->ifindex, &y->ifindex);
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (int)x->len - (int)y->len;
}

/* Whether only containers of this host stand behind it, and local clients of a vip among them:
 * their veth, or a bridge with no other ports than veths. A front, or a bridge that a front is a
 * port of, is the way of remote clients. */
static bool clients_behind(const struct state *state, const struct sources *sources,
			   const struct net_link *link)
{
	const struct net_view *view = sources->view;
	bool found = false;

	for (size_t i = 0; i < view->link_count; i++) {
		const struct net_link *port = &view->links[i];

		if (port != link && (link->kind != NET_BRIDGE || port->master != link->ifindex))
			continue;
		for (size_t f = 0; f < state->front_count; f++)
			if (state->fronts[f].ifindex == port->ifindex)
				return false;
		if (port->kind != NET_VETH && port != link)
			return false;
		found |= bsearch(&(struct local_client){ .ifindex = port->ifindex },
				 sources->clients, sources->client_count,
				 sizeof(*sources->clients), compare_clients) != NULL;
	}
	return found;
}

/* The interfaces whose networks replies reach untranslated, ascending; the caller frees them: those
 * that backends stand behind, and those of local clients, who speak to the backend's own address.
 * Could a client who comes by a front have an address there? Only one that this host would never
 * answer: its own route to that address leads to the containers. (A card or a bridge with one is
 * another matter: a neighbour there may well reach the vip by a router and the front.) */
static int direct_networks(const struct state *state, const struct sources *sources, size_t rows,
			   unsigned int **ret_networks, size_t *ret_count)
{
	const struct net_view *view = sources->view;
	unsigned int *networks = calloc(rows + view->link_count + 1, sizeof(*networks));
	size_t count = 0;

	if (!networks)
		return -ENOMEM;
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++)
			number_note(networks, &count, state->services[s].backends[b].hop.via);
	for (size_t i = 0; sources->client_count && i < view->link_count; i++) {
		const struct net_link *link = &view->links[i];

		if ((link->kind == NET_VETH || link->kind == NET_BRIDGE) &&
		    clients_behind(state, sources, link))
			number_note(networks, &count, link->ifindex);
	}
	*ret_count = numbers_unique(networks, count);
	*ret_networks = networks;
	return 0;
}

static void direct_append(struct state *state, struct addr addr, unsigned int len)
{
	state->direct[state->direct_count++] = (struct prefix){ addr, len };
}

/* Who is routed here by his address alone (/32, /128) is a network of his own. `last` is the prefix
 * that the last one was in: mostly it is this one's too. */
static void direct_append_lone(struct state *state, const struct addr *addr, size_t *last)
{
	if (*last < state->direct_count && prefix_contains(&state->direct[*last], addr))
		return;
	for (size_t i = 0; i < state->direct_count; i++)
		if (prefix_contains(&state->direct[i], addr)) {
			*last = i;
			return;
		}
	direct_append(state, *addr, 128);
}

static void direct_append_lones(struct state *state, const struct sources *sources)
{
	size_t last = 0;

	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++) {
			const struct backend *row = &state->services[s].backends[b];

			if (row->hop.via &&
			    addr_equal(&row->hop.neighbour, &row->identity.address))
				direct_append_lone(state, &row->identity.address, &last);
		}
	for (size_t i = 0; i < sources->client_count; i++)
		for (size_t j = 0; j < sources->clients[i].source_count; j++)
			direct_append_lone(state, &sources->clients[i].sources[j], &last);
}

static void direct_sort(struct state *state)
{
	size_t kept = 0;

	qsort(state->direct, state->direct_count, sizeof(*state->direct), compare_prefixes);
	for (size_t i = 0; i < state->direct_count; i++)
		if (!kept || compare_prefixes(&state->direct[kept - 1], &state->direct[i]))
			state->direct[kept++] = state->direct[i];
	state->direct_count = kept;
}

/* What replies reach untranslated: this host's addresses, and the networks where backends and local
 * clients stand. */
static int direct_fill(struct state *state, const struct sources *sources, size_t rows)
{
	const struct net_view *view = sources->view;
	unsigned int *networks;
	size_t network_count;

	state->direct = calloc(2 * view->address_count + rows +
				       FAMILIES * sources->client_count + 1,
			       sizeof(*state->direct));
	if (!state->direct || direct_networks(state, sources, rows, &networks, &network_count))
		return -ENOMEM;
	for (size_t i = 0; i < view->address_count; i++) {
		const struct net_address *address = &view->addresses[i];

		direct_append(state, address->addr, 128);
		if (bsearch(&address->ifindex, networks, network_count, sizeof(*networks),
			    compare_numbers))
			direct_append(state, address->network.addr, address->network.len);
	}
	direct_append_lones(state, sources);
	free(networks);
	direct_sort(state);
	return 0;
}

static int services_fill(struct state *state, const struct sources *sources,
			 const struct state *actual, size_t *row)
{
	const struct config *config = sources->config;
	int err = 0;

	if (sources->only)
		state->next_ms = actual->next_ms;
	for (size_t s = 0; !err && s < config->service_count; s++) {
		const struct config_service *wanted = &config->services[s];
		struct service *service = &state->services[state->service_count++];

		if (!sources->only || sources->only == wanted) {
			err = service_fill(state, service, wanted, sources,
					   actual ? state_service(actual, wanted->name) : NULL,
					   row);
			continue;
		}
		*service = actual->services[s];
		service->borrowed = true;
		*row += service_row_count(wanted);
	}
	return err;
}

int desired(const struct sources *sources, const struct state *actual, struct state **ret_state)
{
	const struct config *config = sources->config;
	struct state *state = calloc(1, sizeof(*state));
	size_t row = 0;
	int err = -ENOMEM;

	if (!state)
		return -ENOMEM;
	state->config = sources->config;
	memcpy(state->hash_key, sources->hash_key, sizeof(state->hash_key));
	state->services = calloc(config->service_count + 1, sizeof(*state->services));
	if (!state->services)
		goto fail;
	err = services_fill(state, sources, actual, &row);
	if (!err)
		err = fronts_fill(state, sources);
	if (!err)
		err = devices_fill(state, row);
	if (!err)
		err = direct_fill(state, sources, row);
	if (!err)
		err = state_index(state);
	if (err)
		goto fail;
	*ret_state = state;
	return 0;
fail:
	state_free(state);
	return err;
}
