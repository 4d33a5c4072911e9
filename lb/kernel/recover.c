/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actual state, read back from the tables: for a daemon that starts over pins, and for
 * lbctl without one. Ids keep their names beside them, so nothing else has to be remembered. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "lb/kernel/attach.h"
#include "lb/kernel/sink.h"
#include "lb/model/motion.h"

static void *grown(void *array, size_t count, size_t size)
{
	/* Room doubles whenever the count reaches a power of two. */
	if (count & (count - 1))
		return array;
	array = realloc(array, (count ? 2 * count : 1) * size);
	if (!array)
		abort();
	return array;
}

static struct addr addr_of(const union lb_addr *from)
{
	struct addr addr;

	memcpy(addr.byte, from->byte, sizeof(addr.byte));
	return addr;
}

static void service_recover(struct state *state, const struct lb_service_info *info, uint32_t id)
{
	struct service *service;

	state->services = grown(state->services, state->service_count, sizeof(*state->services));
	service = &state->services[state->service_count++];
	memset(service, 0, sizeof(*service));
	memcpy(service->name, info->name, sizeof(service->name));
	service->id = id;
	service->protocol = info->protocol;
	service->mss = info->mss;
	service->up_in[IPV4] = info->up & LB_UP_IPV4;
	service->up_in[IPV6] = info->up & LB_UP_IPV6;
	service->idle_timeout_ms = idle_timeout_of(info->record_life);
	service->moving_since_ms = info->moving_since_ms;
	for (int family = 0; family < FAMILIES; family++) {
		service->ring[family].base = info->slot_base[family];
		service->ring[family].slots = info->slot_count[family];
	}
}

static struct service *service_by_id(struct state *state, uint32_t id)
{
	for (size_t i = 0; i < state->service_count; i++)
		if (state->services[i].id == id)
			return &state->services[i];
	return NULL;
}

static struct identity identity_recover(const struct lb_backend *from)
{
	struct identity identity = { .address = addr_of(&from->address),
				     .forward = from->forward };

	if (from->forward != LB_FORWARD_NAT)
		return identity;
	identity.vip = addr_of(&from->vip);
	identity.port = ntohs(from->port);
	identity.vip_port = ntohs(from->vip_port);
	return identity;
}

static void backend_recover(struct state *state, const struct lb_backend *from,
			    const struct lb_backend_info *info, uint32_t id)
{
	struct service *service = service_by_id(state, from->service);
	struct backend *backend;

	if (!service)
		return;
	service->backends =
		grown(service->backends, service->backend_count, sizeof(*service->backends));
	backend = &service->backends[service->backend_count++];
	memset(backend, 0, sizeof(*backend));
	memcpy(backend->name, info->name, sizeof(backend->name));
	backend->id = id;
	backend->family = from->flags & LB_BACKEND_IPV6 ? IPV6 : IPV4;
	backend->identity = identity_recover(from);
	service->forward = forward_config(from->forward);
	backend->has_hop = from->ifindex != 0;
	backend->gone = from->flags & LB_BACKEND_GONE;
	backend->state = (enum backend_state)info->state;
	backend->drain_since_ms = info->drain_since_ms;
	backend->up_since_ms = info->up_since_ms;
	backend->hop.ifindex = from->ifindex;
	backend->hop.local = from->hop.flags & LB_HOP_LOCAL;
	if_indextoname(from->ifindex, backend->hop.device);
	memcpy(backend->hop.dst_mac, from->hop.dst_mac, 6);
	memcpy(backend->hop.src_mac, from->hop.src_mac, 6);
	backend->hop.vlan = from->hop.vlan;
	if (!identity_is_encapsulated(&backend->identity))
		return;
	backend->hop.mtu = from->mtu;
	backend->encap_source =
		(struct prefix){ addr_of(&from->encap_source), 128 - from->encap_spread };
}

/* As desired() decides it: an encapsulated backend with one address serves both families. */
static void serves_recover(struct service *service)
{
	for (size_t b = 0; b < service->backend_count; b++) {
		struct backend *row = &service->backends[b];
		int other = !row->family;

		row->serves[row->family] = service->ring[row->family].slots;
		row->serves[other] = service->ring[other].slots &&
				     identity_is_encapsulated(&row->identity) &&
				     !service_backend(service, row->name, other);
	}
}

static void keys_recover(struct dataplane *dataplane, struct state *state)
{
	uint64_t word = dataplane->settings->services;
	const struct lb_entry *entry =
		dataplane->services + LB_TABLE_HALF(word) * LB_TABLE_ENTRIES;

	for (uint32_t left = LB_TABLE_MASK(word) + 1; left; left--, entry++) {
		struct service *service = entry->used && entry->protocol
						  ? service_by_id(state, entry->id)
						  : NULL;

		if (!service)
			continue;
		service->keys = grown(service->keys, service->key_count, sizeof(*service->keys));
		service->keys[service->key_count++] =
			(struct vip_key){ addr_of(&entry->addr), ntohs(entry->port), false };
		service->track |= entry->used & LB_ENTRY_TRACK;
		service->by_source |= entry->used & LB_ENTRY_SOURCE;
		service->reject |= entry->used & LB_ENTRY_REJECT;
	}
}

static void directs_recover(struct dataplane *dataplane, struct state *state)
{
	for (uint32_t i = 0; i < dataplane->layout->direct_count; i++) {
		const struct lb_direct_key *key = &dataplane->direct_list[i].key;
		struct prefix *prefix;

		state->direct = grown(state->direct, state->direct_count, sizeof(*state->direct));
		prefix = &state->direct[state->direct_count++];
		memcpy(prefix->addr.byte, key->addr, sizeof(prefix->addr.byte));
		prefix->len = key->prefix_len;
	}
}

static void number_add(unsigned int **numbers, size_t *count, unsigned int number)
{
	*numbers = grown(*numbers, *count, sizeof(**numbers));
	(*numbers)[(*count)++] = number;
}

static void devices_recover(struct dataplane *dataplane, struct state *state)
{
	__u32 key, *previous = NULL;

	while (!bpf_map_get_next_key(dataplane->devices, previous, &key)) {
		number_add(&state->devices, &state->device_count, key);
		previous = &key;
	}
}

/* Interfaces on which a program of ours stands. */
static void attached_recover(struct dataplane *dataplane, struct state *state)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at && at->if_index; at++) {
		struct front *front;
		bool generic;

		if (reply_is_ours(dataplane, at->if_index))
			number_add(&state->reply_hooks, &state->reply_hook_count, at->if_index);
		if (!front_is_ours(dataplane, at->if_index, &generic))
			continue;
		state->fronts = grown(state->fronts, state->front_count, sizeof(*state->fronts));
		front = &state->fronts[state->front_count++];
		snprintf(front->name, sizeof(front->name), "%s", at->if_name);
		front->ifindex = at->if_index;
		front->generic = generic;
	}
	if_freenameindex(all);
}

void owners_recover(struct dataplane *dataplane)
{
	for (uint32_t slot = 0; slot < dataplane->max_slots; slot++)
		if (dataplane->slots[slot] || slot_owner(dataplane, slot))
			slot_write(dataplane, slot, dataplane->slots[slot]);
}

int state_recover(struct dataplane *dataplane, struct state **ret_state)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	owners_recover(dataplane);
	memcpy(state->hash_key, dataplane->settings->hash_key, sizeof(state->hash_key));
	for (uint32_t id = 1; id < LB_MAX_SERVICES; id++)
		if (dataplane->service_info[id].name[0])
			service_recover(state, &dataplane->service_info[id], id);
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		if (dataplane->backend_info[id].name[0])
			backend_recover(state, &dataplane->backends[id],
					&dataplane->backend_info[id], id);
	for (size_t s = 0; s < state->service_count; s++)
		serves_recover(&state->services[s]);
	keys_recover(dataplane, state);
	directs_recover(dataplane, state);
	devices_recover(dataplane, state);
	attached_recover(dataplane, state);
	if (state_index(state)) {
		state_free(state);
		return -ENOMEM;
	}
	*ret_state = state;
	return 0;
}
