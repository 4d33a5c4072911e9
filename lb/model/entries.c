/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a state to the entries of its service and reply tables. Pure. */
#include "lb/model/entries.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry_list {
	struct lb_entry *entries;
	size_t count, room;
};

static int list_add(struct entry_list *list, const struct addr *addr, uint16_t port,
		    uint8_t protocol, uint32_t id)
{
	struct lb_entry *entry;

	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		entry = realloc(list->entries, list->room * sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		list->entries = entry;
	}
	entry = &list->entries[list->count++];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->addr.byte, addr->byte, 16);
	entry->port = htons(port);
	entry->protocol = protocol;
	entry->id = id;
	return 0;
}

int entry_compare_keys(const void *a_entry, const void *b_entry)
{
	const struct lb_entry *a = a_entry, *b = b_entry;
	int order = memcmp(a->addr.byte, b->addr.byte, 16);

	if (!order)
		order = memcmp(&a->port, &b->port, sizeof(a->port));
	return order ? order : a->protocol - b->protocol;
}

#define SERVICE_FLAGS                                                                             \
	(LB_ENTRY_TRACK | LB_ENTRY_REJECT | LB_ENTRY_MSS | LB_ENTRY_SOURCE | LB_ENTRY_UP)
#define RANK_RANGE    0x80 /* in `used`, while the list is made: it goes behind an exact port */

/* Of equals the lower id, so that the order of services does not matter. */
static int compare_entries(const void *a, const void *b)
{
	const struct lb_entry *x = a, *y = b;
	int order = entry_compare_keys(x, y);

	if (!order)
		order = (x->used & RANK_RANGE) - (y->used & RANK_RANGE);
	return order ? order : (x->id > y->id) - (x->id < y->id);
}

static void list_finish(struct entry_list *list, struct lb_entry **ret_entries, size_t *ret_count)
{
	size_t kept = 0;

	if (list->count) /* without a service there is no list */
		qsort(list->entries, list->count, sizeof(*list->entries), compare_entries);
	for (size_t i = 0; i < list->count; i++)
		if (!kept || entry_compare_keys(&list->entries[kept - 1], &list->entries[i]))
			list->entries[kept++] = list->entries[i];
		else if (!list->entries[i].protocol) /* a vip's own: any of its services is up */
			list->entries[kept - 1].used |= list->entries[i].used;
	for (size_t i = 0; i < kept; i++)
		list->entries[i].used = LB_ENTRY_USED | (list->entries[i].used & SERVICE_FLAGS);
	*ret_entries = list->entries;
	*ret_count = kept;
}

static uint8_t service_flags(const struct service *service)
{
	return (service->track ? LB_ENTRY_TRACK : 0) | (service->reject ? LB_ENTRY_REJECT : 0) |
	       (service->mss ? LB_ENTRY_MSS : 0) | (service->by_source ? LB_ENTRY_SOURCE : 0);
}

static int service_entries(const struct service *service, struct entry_list *list)
{
	for (size_t i = 0; i < service->key_count; i++) {
		const struct vip_key *key = &service->keys[i];
		int family = addr_family(&key->vip);
		const struct ring *ring = &service->ring[family];
		struct lb_entry *entry;

		if (list_add(list, &key->vip, key->port, service->protocol, service->id))
			return -ENOMEM;
		entry = &list->entries[list->count - 1];
		entry->slot_base = ring->base;
		entry->slot_count = ring->slots;
		entry->used = (key->range ? RANK_RANGE : 0) | service_flags(service);
		if (list_add(list, &key->vip, 0, 0, 0))
			return -ENOMEM;
		if (service->up_in[family])
			list->entries[list->count - 1].used = LB_ENTRY_UP;
	}
	return 0;
}

int entries_of_services(const struct state *state, struct lb_entry **ret_entries,
			size_t *ret_count)
{
	struct entry_list list = { 0 };

	for (size_t s = 0; s < state->service_count; s++)
		if (service_entries(&state->services[s], &list)) {
			free(list.entries);
			return -ENOMEM;
		}
	list_finish(&list, ret_entries, ret_count);
	return 0;
}

static int backend_entries(const struct service *service, const struct backend *backend,
			   struct entry_list *list)
{
	const struct identity *identity = &backend->identity;

	if (list_add(list, &identity->address, 0, service->protocol, backend->id))
		return -ENOMEM;
	if (identity->port)
		return list_add(list, &identity->address, identity->port, service->protocol,
				backend->id);
	for (size_t i = 0; i < service->key_count; i++)
		if (addr_family(&service->keys[i].vip) == backend->family &&
		    list_add(list, &identity->address, service->keys[i].port, service->protocol,
			     backend->id))
			return -ENOMEM;
	return 0;
}

int entries_of_replies(const struct state *state, struct lb_entry **ret_entries, size_t *ret_count)
{
	struct entry_list list = { 0 };

	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++) {
			const struct backend *backend = &state->services[s].backends[b];

			if (backend->identity.forward == LB_FORWARD_NAT &&
			    backend_entries(&state->services[s], backend, &list)) {
				free(list.entries);
				return -ENOMEM;
			}
		}
	list_finish(&list, ret_entries, ret_count);
	return 0;
}

bool state_has_any_port(const struct state *state)
{
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t i = 0; i < state->services[s].key_count; i++)
			if (!state->services[s].keys[i].port)
				return true;
	return false;
}

bool state_has_remote_nat(const struct state *state)
{
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++) {
			const struct backend *backend = &state->services[s].backends[b];

			if (backend->identity.forward == LB_FORWARD_NAT && backend->has_hop &&
			    !backend->hop.local)
				return true;
		}
	return false;
}

/* ---- the same tables ------------------------------------------------------------------------- */

static bool keys_equal(const struct service *a, const struct service *b)
{
	if (a->protocol != b->protocol || a->key_count != b->key_count)
		return false;
	for (size_t i = 0; i < a->key_count; i++)
		if (a->keys[i].port != b->keys[i].port || a->keys[i].range != b->keys[i].range ||
		    !addr_equal(&a->keys[i].vip, &b->keys[i].vip))
			return false;
	return true;
}

static bool service_is_same(const struct service *a, const struct service *b)
{
	for (int family = 0; family < FAMILIES; family++)
		if (a->up_in[family] != b->up_in[family] ||
		    a->ring[family].base != b->ring[family].base ||
		    a->ring[family].slots != b->ring[family].slots)
			return false;
	return a->id == b->id && service_flags(a) == service_flags(b) && keys_equal(a, b);
}

static bool backends_are_same(const struct service *a, const struct service *b)
{
	if (a->backend_count != b->backend_count)
		return false;
	for (size_t i = 0; i < a->backend_count; i++)
		if (a->backends[i].id != b->backends[i].id ||
		    a->backends[i].family != b->backends[i].family ||
		    !identity_equal(&a->backends[i].identity, &b->backends[i].identity))
			return false;
	return keys_equal(a, b);
}

bool entries_are_same(const struct state *a, const struct state *b, bool replies)
{
	if (a->service_count != b->service_count)
		return false;
	for (size_t s = 0; s < a->service_count; s++) {
		const struct service *x = &a->services[s], *y = &b->services[s];

		if (!y->borrowed &&
		    !(replies ? backends_are_same(x, y) : service_is_same(x, y)))
			return false;
	}
	return true;
}
