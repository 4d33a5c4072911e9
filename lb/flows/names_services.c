/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lb.conf says of addresses: vips, nat backends and networks. A place is an address, port and
 * protocol; what takes any port stands at port 0, and an exact port comes before it, as in the data
 * plane. */
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "config/mem.h"
#include "config/service.h"
#include "lb/flows/names_private.h"

struct named_service {
	char *name;
	struct config_ports *ports;
	size_t port_count;
};

struct place_key {
	struct addr addr;
	uint16_t port;
	uint8_t protocol, pad;
};
_Static_assert(sizeof(struct place_key) == 20, "it is hashed whole");

struct place {
	struct place_key key;
	const struct named_service *service;
};

/* What was asked for: a backend that keeps a packet's port serves those of its service alone. */
struct question {
	struct place_key key;
	uint16_t port;
};

const char *named_service_name(const struct named_service *service)
{
	return service->name;
}

static bool service_has_port(const struct named_service *service, uint16_t port)
{
	for (size_t i = 0; i < service->port_count; i++) {
		const struct config_ports *ports = &service->ports[i];

		if (!ports->first || (port >= ports->first && port <= ports->last))
			return true;
	}
	return !service->port_count;
}

uint16_t named_service_port(const struct named_service *service, uint16_t port)
{
	const struct config_ports *ports = service->ports;

	if (service_has_port(service, port) || service->port_count != 1 ||
	    ports->first != ports->last)
		return port;
	return ports->first;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool place_answers(const void *item, const void *key)
{
	const struct place *place = item;
	const struct question *question = key;

	return !memcmp(&place->key, &question->key, sizeof(place->key)) &&
	       (!place->service || place->key.port ||
		service_has_port(place->service, question->port));
}

static const struct place *place_find(const struct flow_names *names, const struct hash *places,
				      const struct question *question)
{
	return hash_find(places, names_hash(names, &question->key, sizeof(question->key)),
			 place_answers, question);
}

static void place_add(const struct flow_names *names, struct hash *places,
		      const struct place_key *key, const struct named_service *service)
{
	struct place *place = mem_array(1, sizeof(*place));

	*place = (struct place){ *key, service };
	hash_add(places, names_hash(names, key, sizeof(*key)), place);
}

static const struct named_service *service_at(const struct flow_names *names,
					      const struct hash *places, const struct addr *addr,
					      uint16_t port, uint8_t protocol)
{
	struct question question = { .key = { *addr, port, protocol, 0 }, .port = port };
	const struct place *place = place_find(names, places, &question);

	if (!place) {
		question.key.port = 0;
		place = place_find(names, places, &question);
	}
	return place ? place->service : NULL;
}

const struct named_service *names_vip_service(const struct flow_names *names,
					      const struct addr *addr, uint16_t port,
					      uint8_t protocol)
{
	return service_at(names, &names->vips, addr, port, protocol);
}

const struct named_service *names_backend_service(const struct flow_names *names,
						  const struct addr *addr, uint16_t port,
						  uint8_t protocol)
{
	return service_at(names, &names->backends, addr, port, protocol);
}

bool names_is_vip(const struct flow_names *names, const struct addr *addr)
{
	const struct question question = { .key = { .addr = *addr } };

	return place_find(names, &names->vip_addresses, &question) != NULL;
}

/* ---- groups ---------------------------------------------------------------------------------- */

struct named_network {
	struct prefix prefix;
	char *name;
};
_Static_assert(sizeof(struct prefix) == 20, "it is hashed whole");

static bool network_is(const void *item, const void *key)
{
	return !memcmp(&((const struct named_network *)item)->prefix, key, sizeof(struct prefix));
}

static struct named_network *network_find(const struct flow_names *names,
					  const struct prefix *prefix)
{
	return hash_find(&names->group_names, names_hash(names, prefix, sizeof(*prefix)),
			 network_is, prefix);
}

const char *names_group_name(const struct flow_names *names, const struct prefix *prefix)
{
	const struct named_network *network = network_find(names, prefix);

	return network ? network->name : NULL;
}

/* Of two groups that have the same one, the first. */
static void network_name(struct flow_names *names, const struct prefix *prefix, const char *name)
{
	struct named_network *network = network_find(names, prefix);

	if (network)
		return;
	network = mem_array(1, sizeof(*network));
	*network = (struct named_network){ *prefix, mem_text(name) };
	hash_add(&names->group_names, names_hash(names, prefix, sizeof(*prefix)), network);
}

static void groups_clear(struct flow_names *names)
{
	struct named_network *network;

	for (size_t at = 0; (network = hash_next(&names->group_names, &at));) {
		free(network->name);
		free(network);
	}
	hash_clear(&names->group_names);
	networks_clear(&names->groups);
}

/* ---- from lb.conf ---------------------------------------------------------------------------- */

static uint8_t protocol_of(const struct config_service *service)
{
	return service->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

/* The first one stays: exact ports are put in before ranges, and these before any. */
static void vip_add(struct flow_names *names, const struct named_service *service,
		    const struct addr *vip, uint16_t port, uint8_t protocol)
{
	const struct question question = { .key = { *vip, port, protocol, 0 }, .port = port };

	if (!place_find(names, &names->vips, &question))
		place_add(names, &names->vips, &question.key, service);
}

static void vips_add(struct flow_names *names, const struct named_service *service,
		     const struct config_service *wanted, enum ports_level level)
{
	for (size_t v = 0; v < wanted->vip_count; v++)
		for (size_t p = 0; p < wanted->port_count; p++) {
			const struct config_ports *ports = &wanted->ports[p];

			if (ports_level(ports) != level)
				continue;
			for (unsigned int port = ports->first; port <= ports->last; port++)
				vip_add(names, service, &wanted->vips[v], (uint16_t)port,
					protocol_of(wanted));
		}
}

static void backends_add(struct flow_names *names, const struct named_service *service,
			 const struct config_service *wanted)
{
	for (size_t b = 0; b < wanted->backend_count; b++) {
		const struct config_backend *backend = &wanted->backends[b];

		for (int family = 0; family < 2; family++) {
			const struct place_key key = { backend->address[family], backend->port,
						       protocol_of(wanted), 0 };

			if (backend->forward == CONFIG_NAT && backend->has_address[family])
				place_add(names, &names->backends, &key, service);
		}
	}
}

static void vip_addresses_add(struct flow_names *names, const struct config_service *wanted)
{
	for (size_t v = 0; v < wanted->vip_count; v++) {
		const struct place_key key = { .addr = wanted->vips[v] };

		if (!names_is_vip(names, &key.addr))
			place_add(names, &names->vip_addresses, &key, NULL);
	}
}

static void service_copy(struct named_service *service, const struct config_service *wanted)
{
	service->name = mem_text(wanted->name);
	service->port_count = wanted->port_count;
	service->ports = mem_array(wanted->port_count, sizeof(*service->ports));
	for (size_t i = 0; i < wanted->port_count; i++)
		service->ports[i] = wanted->ports[i];
}

static void groups_set(struct flow_names *names, const struct config_policy *policy)
{
	struct prefix *all;
	size_t count = 0;

	groups_clear(names);
	if (!policy)
		return;
	for (size_t g = 0; g < policy->group_count; g++)
		count += policy->groups[g].cidr_count;
	all = mem_array(count, sizeof(*all));
	count = 0;
	for (size_t g = 0; g < policy->group_count; g++) {
		const struct config_group *group = &policy->groups[g];

		for (size_t c = 0; c < group->cidr_count; c++) {
			network_name(names, &group->cidr[c], group->name);
			all[count++] = group->cidr[c];
		}
	}
	networks_set(&names->groups, all, count);
	free(all);
}

void flow_names_services(struct flow_names *names, const struct config *config,
			 const struct prefix *direct, size_t direct_count)
{
	static const enum ports_level levels[] = { PORTS_EXACT, PORTS_RANGE, PORTS_ANY };

	names_services_clear(names);
	names->service_count = config->service_count;
	names->services = mem_array(config->service_count, sizeof(*names->services));
	for (size_t s = 0; s < config->service_count; s++) {
		service_copy(&names->services[s], &config->services[s]);
		backends_add(names, &names->services[s], &config->services[s]);
		vip_addresses_add(names, &config->services[s]);
	}
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		for (size_t s = 0; s < config->service_count; s++)
			vips_add(names, &names->services[s], &config->services[s], levels[i]);
	networks_set(&names->direct, direct, direct_count);
	groups_set(names, config->policy);
}

static void places_clear(struct hash *places)
{
	struct place *place;

	for (size_t at = 0; (place = hash_next(places, &at));)
		free(place);
	hash_clear(places);
}

void names_services_clear(struct flow_names *names)
{
	for (size_t s = 0; s < names->service_count; s++) {
		free(names->services[s].name);
		free(names->services[s].ports);
	}
	free(names->services);
	names->services = NULL;
	names->service_count = 0;
	places_clear(&names->vips);
	places_clear(&names->backends);
	places_clear(&names->vip_addresses);
	networks_clear(&names->direct);
	groups_clear(names);
}
