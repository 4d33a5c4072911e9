/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of the model: comparison, lookup, release. No decisions here. */
#include "lb/model/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/ring.h"

void state_free(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->service_count; i++) {
		if (state->services[i].borrowed)
			continue;
		free(state->services[i].keys);
		free(state->services[i].backends);
		for (int family = 0; family < FAMILIES; family++)
			free(state->services[i].ring[family].owners);
	}
	free(state->services);
	free(state->by_name);
	free(state->fronts);
	free(state->devices);
	free(state->reply_hooks);
	free(state->direct);
	free(state);
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return addr_equal(&a->address, &b->address) && addr_equal(&a->vip, &b->vip) &&
	       a->port == b->port && a->vip_port == b->vip_port && a->forward == b->forward;
}

bool identity_is_encapsulated(const struct identity *identity)
{
	return identity->forward == LB_FORWARD_IPIP || identity->forward == LB_FORWARD_GUE;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct service *const *)a)->name, (*(struct service *const *)b)->name);
}

int state_index(struct state *state)
{
	state->by_name = calloc(state->service_count + 1, sizeof(*state->by_name));
	if (!state->by_name)
		return -ENOMEM;
	for (size_t i = 0; i < state->service_count; i++)
		state->by_name[i] = &state->services[i];
	qsort(state->by_name, state->service_count, sizeof(*state->by_name), compare_names);
	return 0;
}

static int compare_name(const void *name, const void *service)
{
	return strcmp(name, (*(struct service *const *)service)->name);
}

struct service *state_service(const struct state *state, const char *name)
{
	struct service **found;

	if (state->by_name) {
		found = bsearch(name, state->by_name, state->service_count,
				sizeof(*state->by_name), compare_name);
		return found ? *found : NULL;
	}
	for (size_t i = 0; i < state->service_count; i++)
		if (!strcmp(state->services[i].name, name))
			return &state->services[i];
	return NULL;
}

void state_adopt(struct state *wanted, struct state *actual)
{
	for (size_t i = 0; i < wanted->service_count; i++)
		if (wanted->services[i].borrowed) {
			wanted->services[i].borrowed = false;
			actual->services[i].borrowed = true;
		}
}

const struct backend *service_backend_same(const struct service *service,
					   const struct backend *backend, size_t place)
{
	if (!service)
		return NULL;
	if (place < service->backend_count &&
	    identity_equal(&service->backends[place].identity, &backend->identity))
		return &service->backends[place];
	for (size_t i = 0; i < service->backend_count; i++)
		if (identity_equal(&service->backends[i].identity, &backend->identity))
			return &service->backends[i];
	return NULL;
}

struct backend *service_backend(const struct service *service, const char *name, int family)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].family == family &&
		    !strcmp(service->backends[i].name, name))
			return &service->backends[i];
	return NULL;
}

/* RFC 1071: the sum does not care about byte order, so wire order stays wire order. */
static uint32_t sum_words(const void *data, size_t bytes, uint16_t invert)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < bytes; i += 2) {
		memcpy(&word, (const char *)data + i, 2);
		sum += word ^ invert;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

uint16_t identity_csum_addr(const struct identity *identity)
{
	/* The leading words of IPv4 addresses are equal on both sides and cancel to ~0 = 0. */
	return fold(sum_words(&identity->vip, 16, 0xffff) + sum_words(&identity->address, 16, 0));
}

uint16_t identity_csum_l4(const struct identity *identity)
{
	uint32_t sum = identity_csum_addr(identity);

	if (identity->port)
		sum += (uint16_t)~htons(identity->vip_port) + htons(identity->port);
	return fold(sum);
}

uint32_t service_slot_owner(const struct service *service, int family, uint32_t slot)
{
	uint32_t owner = service->ring[family].owners[slot];

	return owner == RING_NOBODY ? LB_NOBODY : service->backends[owner].id;
}

uint32_t backend_ring_slots(const struct service *service, const struct backend *backend)
{
	uint32_t slots = 0;

	for (int family = 0; family < FAMILIES; family++)
		slots += backend->serves[family] ? service->ring[family].slots : 0;
	return slots;
}

enum config_forward forward_config(enum lb_forward forward)
{
	switch (forward) {
	case LB_FORWARD_DSR:
		return CONFIG_DSR;
	case LB_FORWARD_IPIP:
		return CONFIG_IPIP;
	case LB_FORWARD_GUE:
		return CONFIG_GUE;
	default:
		return CONFIG_NAT;
	}
}

const char *backend_state_name(enum backend_state state)
{
	switch (state) {
	case BACKEND_UP:
		return "up";
	case BACKEND_DOWN:
		return "down";
	case BACKEND_DRAIN:
		return "drain";
	case BACKEND_OFF:
		return "off";
	}
	return "unknown";
}

int addr_family(const struct addr *addr)
{
	return addr_is_ipv4(addr) ? IPV4 : IPV6;
}
