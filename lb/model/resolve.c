/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers to addresses. What contradicts what among the results is resolve_clash.c. */
#include "lb/model/resolve.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "config/service.h"
#include "lb/model/resolve_private.h"

#define ID_SHOWN 12 /* digits of an id that stand for it, as the runtimes' own commands have it */

static bool is_container(const struct config_backend *backend)
{
	return backend->container || backend->label;
}

bool config_needs_containers(const struct config *config)
{
	for (size_t s = 0; s < config->service_count; s++)
		for (size_t b = 0; b < config->services[s].backend_count; b++)
			if (is_container(&config->services[s].backends[b]))
				return true;
	return false;
}

/* ---- nobody's addresses --------------------------------------------------------------------- */

static struct addr addr_nobody(int family, uint32_t number)
{
	unsigned char last[4] = { 0, (unsigned char)(number >> 16), (unsigned char)(number >> 8),
				  (unsigned char)number };
	struct addr addr = { .byte[8] = 0x0e };

	if (!family)
		return addr_from_ipv4(last);
	memcpy(&addr.byte[12], last, sizeof(last));
	return addr;
}

bool addr_is_nobody(const struct addr *addr)
{
	static const unsigned char block[9] = { [8] = 0x0e };

	return addr_is_ipv4(addr) ? !addr->byte[12] : !memcmp(addr->byte, block, sizeof(block));
}

void backend_trouble(struct config_backend *backend, const struct config_service *service,
		     uint32_t number, const char *format, ...)
{
	int family = service->vip_count ? family_of(&service->vips[0]) : 0;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	free(backend->trouble);
	backend->trouble = mem_text(text);
	memset(backend->has_address, 0, sizeof(backend->has_address));
	backend->has_address[family] = true;
	backend->address[family] = addr_nobody(family, number);
}

/* ---- the address of a container ------------------------------------------------------------- */

struct resolving {
	const struct containers *containers;
	const char *unknown;
	struct config_service *service;	/* that is being made */
	size_t room;			/* backends that may still be added */
	uint32_t troubles;		/* so far: each has an address that is nobody's else */
};

static void trouble(struct resolving *resolving, struct config_backend *backend,
		    const char *format, const char *name, const char *network)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	backend_trouble(backend, resolving->service, ++resolving->troubles, format, name, network);
#pragma GCC diagnostic pop
}

/* Whose network namespace it is in. */
static const struct container *network_owner(const struct resolving *resolving,
					     const struct container *container)
{
	const struct container *owner;

	if (!container->network_of)
		return container;
	owner = containers_by_id(resolving->containers, container->network_of);
	return owner ? owner : containers_by_name(resolving->containers, container->network_of);
}

static bool has_any(const struct container_network *network)
{
	return network->has_address[0] || network->has_address[1];
}

/* The one that is named, or the only one with an address; NULL: none. */
static const struct container_network *network_find(const struct container *container,
						    const char *name, bool *ret_several)
{
	const struct container_network *found = NULL;

	*ret_several = false;
	for (size_t i = 0; i < container->network_count; i++) {
		const struct container_network *network = &container->networks[i];

		if (name ? strcmp(network->name, name) : !has_any(network))
			continue;
		*ret_several |= found != NULL;
		found = network;
	}
	return found;
}

/* Of the families that a packet to the service can have on its way to it. */
static bool addresses_take(const struct config_service *service,
			   const struct container_network *network,
			   struct config_backend *backend)
{
	size_t last;

	for (int family = 0; family < 2; family++) {
		backend->address[family] = network->address[family];
		backend->has_address[family] = network->has_address[family] &&
					       (forward_encapsulates(backend->forward) ||
						service_vips(service, family, &last));
	}
	return backend->has_address[0] || backend->has_address[1];
}

static void container_resolve(struct resolving *resolving, const struct container *container,
			      struct config_backend *backend)
{
	const struct container *owner = network_owner(resolving, container);
	const struct container_network *network;
	const char *name = container->name;
	bool several;

	if (!container->running || !owner || !owner->running) {
		trouble(resolving, backend, "container %s is not running", name, NULL);
		return;
	}
	network = network_find(owner, backend->network, &several);
	if (several)
		trouble(resolving, backend,
			"container %s is on several networks: \"network\" must say which", name,
			NULL);
	else if (!network && backend->network)
		trouble(resolving, backend, "container %s is not on network %s", name,
			backend->network);
	else if (!network && owner->host_network)
		trouble(resolving, backend,
			"container %s has the host's network and no address of its own", name,
			NULL);
	else if (!network)
		trouble(resolving, backend, "container %s has no address", name, NULL);
	else if (!addresses_take(resolving->service, network, backend))
		trouble(resolving, backend,
			"container %s has no address on network %s that the vips could reach",
			name, network->name);
}

/* ---- backends ------------------------------------------------------------------------------- */

static struct config_backend *backend_add(struct resolving *resolving,
					  const struct config_backend *written, char *name)
{
	struct config_service *service = resolving->service;
	struct config_backend *backend = &service->backends[service->backend_count++];

	*backend = *written;
	backend->name = name;
	backend->trouble = NULL;
	return backend;
}

static void by_name_resolve(struct resolving *resolving, const struct config_backend *written)
{
	struct config_backend *backend =
		backend_add(resolving, written, mem_text(written->name));
	const struct container *container =
		containers_by_name(resolving->containers, written->container);

	if (resolving->unknown)
		trouble(resolving, backend, "%s", resolving->unknown, NULL);
	else if (!container)
		trouble(resolving, backend, "container %s does not exist", written->container,
			NULL);
	else
		container_resolve(resolving, container, backend);
}

static bool name_is_taken(const struct config_service *written, const char *name)
{
	for (size_t b = 0; b < written->backend_count; b++)
		if (!strcmp(written->backends[b].name, name))
			return true;
	return false;
}

/* BACKEND.CONTAINER; where that cannot be the name of a backend, BACKEND.ID. */
static char *label_name(const struct config_service *written, const struct config_backend *backend,
			const struct container *container)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	char name[2 * CONFIG_NAME_MAX];
	int length = snprintf(name, sizeof(name), "%s.%s", backend->name, container->name);

	if (length >= CONFIG_NAME_MAX || name[strspn(name, allowed)] ||
	    name_is_taken(written, name))
		snprintf(name, CONFIG_NAME_MAX, "%.*s.%.*s", CONFIG_NAME_MAX - ID_SHOWN - 2,
			 backend->name, ID_SHOWN, container->id);
	return mem_text(name);
}

static void by_label_resolve(struct resolving *resolving, const struct config_service *written,
			     const struct config_backend *backend)
{
	const struct containers *all = resolving->containers;
	const char *reason = resolving->unknown;
	size_t count = 0;

	for (size_t i = 0; !reason && i < all->count; i++) {
		if (!container_has_label(&all->list[i], backend->label))
			continue;
		if (!resolving->room) {
			reason = "there is no room for more containers with the label";
			break;
		}
		resolving->room--;
		count++;
		container_resolve(resolving, &all->list[i],
				  backend_add(resolving, backend,
					      label_name(written, backend, &all->list[i])));
	}
	if (reason)
		trouble(resolving, backend_add(resolving, backend, mem_text(backend->name)), "%s",
			reason, NULL);
	else if (!count)
		trouble(resolving, backend_add(resolving, backend, mem_text(backend->name)),
			"no container has the label %s", backend->label, NULL);
}

static size_t backends_most(const struct config_service *written,
			    const struct containers *containers)
{
	size_t most = 0;

	for (size_t b = 0; b < written->backend_count; b++)
		most += 1 + (written->backends[b].label ? containers->count : 0);
	return most;
}

static void service_resolve(struct resolving *resolving, const struct config_service *written)
{
	struct config_service *service = resolving->service;

	*service = *written;
	service->backend_count = 0;
	service->backends = mem_array(backends_most(written, resolving->containers),
				      sizeof(*service->backends));
	for (size_t b = 0; b < written->backend_count; b++) {
		const struct config_backend *backend = &written->backends[b];

		if (backend->container)
			by_name_resolve(resolving, backend);
		else if (backend->label)
			by_label_resolve(resolving, written, backend);
		else
			backend_add(resolving, backend, mem_text(backend->name));
	}
}

/* A row a family, and the written ones as if each had both. */
static size_t room_of(const struct config *written)
{
	size_t rows = 0;

	for (size_t s = 0; s < written->service_count; s++)
		rows += 2 * written->services[s].backend_count;
	return rows < CONFIG_BACKENDS_MAX ? (CONFIG_BACKENDS_MAX - rows) / 2 : 0;
}

struct config *config_resolve(const struct config *written, const struct containers *containers,
			      const char *unknown)
{
	struct resolving resolving = { .containers = containers, .unknown = unknown,
				       .room = room_of(written) };
	struct config *config = mem_array(1, sizeof(*config));

	*config = *written;
	config->services = mem_array(written->service_count, sizeof(*config->services));
	for (size_t s = 0; s < written->service_count; s++) {
		resolving.service = &config->services[s];
		service_resolve(&resolving, &written->services[s]);
	}
	clashes_resolve(config, &resolving.troubles);
	return config;
}

void config_resolved_free(struct config *config)
{
	if (!config)
		return;
	for (size_t s = 0; s < config->service_count; s++) {
		for (size_t b = 0; b < config->services[s].backend_count; b++) {
			free(config->services[s].backends[b].name);
			free(config->services[s].backends[b].trouble);
		}
		free(config->services[s].backends);
	}
	free(config->services);
	free(config);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool backend_equal(const struct config_backend *a, const struct config_backend *b)
{
	if (strcmp(a->name, b->name) || !a->trouble != !b->trouble ||
	    (a->trouble && strcmp(a->trouble, b->trouble)))
		return false;
	return addr_pair_equal(a->address, a->has_address, b->address, b->has_address);
}

bool config_resolved_equal(const struct config *a, const struct config *b)
{
	for (size_t s = 0; s < a->service_count; s++) {
		if (a->services[s].backend_count != b->services[s].backend_count)
			return false;
		for (size_t i = 0; i < a->services[s].backend_count; i++)
			if (!backend_equal(&a->services[s].backends[i],
					   &b->services[s].backends[i]))
				return false;
	}
	return true;
}
