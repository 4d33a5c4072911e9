/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes the values of a vetted file into struct config: for each key the backend's own, else the
 * service's, else that of defaults, else the built-in one, and inside of check likewise key by
 * key. Called by load.c, also for a file with refused values, so that check.c can go on: what was
 * refused is replaced by the built-in value or left out. policy is build_policy.c's. */
#include <string.h>

#include "config/chain.h"
#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"
#include "config/service.h"
#include "config/value.h"

static void build_check(const struct chain *chain, enum config_protocol protocol,
			struct config_check *check)
{
	struct chain inner = chain_into(chain, "check", IN_CHECK);
	struct value expect = chain_value(&inner, "expect");

	check->type = (enum config_check_type)chain_number(&inner, "type");
	if (protocol != CONFIG_TCP && !chain_find(&inner, "type"))
		check->type = CONFIG_CHECK_NONE;
	check->every_ms = (unsigned int)chain_number(&inner, "every");
	check->timeout_ms = (unsigned int)chain_number(&inner, "timeout");
	check->fall = (unsigned int)chain_number(&inner, "fall");
	check->rise = (unsigned int)chain_number(&inner, "rise");
	check->path = chain_text(&inner, "path");
	check->host = chain_text(&inner, "host");
	check->expect_min = (unsigned int)expect.number;
	check->expect_max = (unsigned int)expect.last;
}

static void build_address(const struct schema_key *key, const config_setting_t *setting,
			  struct config_backend *backend)
{
	struct value value;
	bool ipv6;

	if (!setting || !value_read(key, setting, &value))
		return;
	ipv6 = !addr_is_ipv4(&value.addr);
	backend->address[ipv6] = value.addr;
	backend->has_address[ipv6] = true;
}

static void build_addresses(const struct chain *chain, struct config_backend *backend)
{
	const struct schema_key *key = schema_find(chain->in, "address");
	const config_setting_t *setting = chain_find(chain, "address");

	if (!setting || !config_setting_is_array(setting)) {
		build_address(key, setting, backend);
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++)
		build_address(key, load_element(setting, (size_t)i), backend);
}

/* A backend's own container is not joined by the address that defaults have for others. */
static void build_source(const struct chain *chain, struct config_backend *backend)
{
	struct chain source = { .in = chain->in };

	chain_push(&source, chain_source(chain));
	build_addresses(&source, backend);
	backend->container = chain_text(&source, "container");
	backend->label = chain_text(&source, "label");
	if (backend_is_found(backend))
		backend->network = chain_text(chain, "network");
}

static void build_backend(const struct load *load, const struct chain *of_service,
			  const struct config_service *service, const config_setting_t *setting,
			  struct config_backend *backend)
{
	struct chain own = { .in = IN_BACKEND };
	struct chain chain = { .in = IN_BACKEND };
	struct value mac;

	chain_push(&own, setting);
	chain_push(&chain, setting);
	for (size_t i = 0; i < of_service->count; i++)
		chain_push(&chain, of_service->group[i]);

	backend->name = chain_name(&own);
	build_source(&chain, backend);
	backend->port = (uint16_t)chain_number(&chain, "port");
	backend->forward = (enum config_forward)chain_number(&chain, "forward");
	backend->weight = (uint32_t)chain_number(&chain, "weight");
	backend->state = (enum config_state)chain_number(&chain, "state");
	backend->backup = chain_number(&chain, "backup");
	backend->drain_ms = (uint64_t)chain_number(&chain, "drain");
	backend->slow_start_ms = (uint64_t)chain_number(&chain, "slow_start");
	build_check(&chain, service->protocol, &backend->check);
	mac = chain_value(&chain, "mac");
	backend->has_mac = mac.text != NULL;
	memcpy(backend->mac, mac.mac, sizeof(backend->mac));
	backend->interface = chain_text(&chain, "interface");
	backend->line = load_line(load, setting);
}

static void build_vips(const config_setting_t *setting, struct config_service *service)
{
	struct value *values = value_read_array(schema_find(IN_SERVICE, "vips"), setting,
					  &service->vip_count);

	service->vips = mem_array(service->vip_count, sizeof(*service->vips));
	for (size_t i = 0; i < service->vip_count; i++)
		service->vips[i] = values[i].addr;
	free(values);
}

static void build_ports(const struct load *load, const config_setting_t *setting,
			struct config_service *service)
{
	struct value *values = value_read_array(schema_find(IN_SERVICE, "ports"), setting,
					  &service->port_count);
	size_t count = service->port_count;

	service->ports = mem_array(count, sizeof(*service->ports));
	for (size_t i = 0; i < count; i++)
		service->ports[i] = (struct config_ports){
			.first = (uint16_t)values[i].number,
			.last = (uint16_t)values[i].last,
			.line = load_line(load, load_element(setting, i)),
		};
	if (!count && setting) {
		service->ports[0].line = load_line(load, setting);
		service->port_count = 1; /* {0, 0}: any port */
	}
	free(values);
}

static void build_encap_source(const struct schema_key *key, const config_setting_t *setting,
			       struct config_service *service)
{
	struct value value;
	bool ipv6;

	if (!setting || !value_read(key, setting, &value))
		return;
	ipv6 = !addr_is_ipv4(&value.addr);
	service->encap_source[ipv6] = (struct prefix){ value.addr, value.prefix_len };
	service->has_encap_source[ipv6] = true;
}

static void build_encap_sources(const struct chain *chain, struct config_service *service)
{
	const struct schema_key *key = schema_find(chain->in, "encap_source");
	const config_setting_t *setting = chain_find(chain, "encap_source");

	if (!setting || !config_setting_is_array(setting)) {
		build_encap_source(key, setting, service);
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++)
		build_encap_source(key, load_element(setting, (size_t)i), service);
}

static void build_service(const struct load *load, const config_setting_t *defaults,
			  const config_setting_t *setting, struct config_service *service)
{
	const config_setting_t *backends = config_setting_get_member(setting, "backends");
	struct chain chain = { .in = IN_SERVICE };
	struct chain own = { .in = IN_SERVICE };

	chain_push(&own, setting);
	chain_push(&chain, setting);
	chain_push(&chain, defaults);

	service->name = chain_name(&own);
	build_vips(config_setting_get_member(setting, "vips"), service);
	build_ports(load, config_setting_get_member(setting, "ports"), service);
	service->protocol = (enum config_protocol)chain_number(&chain, "protocol");
	service->forward = (enum config_forward)chain_number(&chain, "forward");
	service->hash = (enum config_hash)chain_number(&chain, "hash");
	service->mss = (uint16_t)chain_number(&chain, "mss");
	build_encap_sources(&chain, service);
	service->track = (enum config_track)chain_number(&chain, "track");
	service->ring_size = (uint32_t)chain_number(&chain, "ring_size");
	service->min_up = (unsigned int)chain_number(&chain, "min_up");
	service->when_down = (enum config_when_down)chain_number(&chain, "when_down");
	service->on_down = (enum config_on_down)chain_number(&chain, "on_down");
	service->idle_timeout_ms = (uint64_t)chain_number(&chain, "idle_timeout");
	service->line = load_line(load, setting);

	if (!backends || !config_setting_is_list(backends))
		return;
	service->backend_count = (size_t)config_setting_length(backends);
	service->backends = mem_array(service->backend_count, sizeof(*service->backends));
	for (size_t i = 0; i < service->backend_count; i++)
		build_backend(load, &chain, service, load_element(backends, i),
			      &service->backends[i]);
}

static void build_interface(const struct load *load, const config_setting_t *setting,
			    struct config_interface *interface)
{
	struct chain chain = { .in = IN_INTERFACE };

	chain_push(&chain, setting);
	interface->name = chain_name(&chain);
	interface->mode = (enum config_mode)chain_number(&chain, "mode");
	interface->optional = chain_number(&chain, "optional");
	interface->line = load_line(load, setting);
}

static void build_daemon(const config_setting_t *root, struct config *config)
{
	struct chain api = { .in = IN_API };
	struct chain tuning = { .in = IN_TUNING };
	struct chain containers = { .in = IN_CONTAINERS };

	chain_push(&containers, config_setting_get_member(root, "containers"));
	config->runtime_socket = chain_text(&containers, "socket");

	chain_push(&api, config_setting_get_member(root, "api"));
	config->api_socket = chain_text(&api, "socket");
	config->api_http = chain_text(&api, "http");

	chain_push(&tuning, config_setting_get_member(root, "tuning"));
	config->tuning_pin = chain_text(&tuning, "pin");
	config->exclusive = chain_number(&tuning, "exclusive");
	config->hash_seed = chain_text(&tuning, "hash_seed");
	config->max_slots = (uint32_t)chain_number(&tuning, "max_slots");
}

void load_build(struct load *load)
{
	const config_setting_t *root = config_root_setting(&load->tree);
	const config_setting_t *interfaces = config_setting_get_member(root, "interfaces");
	const config_setting_t *defaults = config_setting_get_member(root, "defaults");
	struct config *config = load->config;

	build_daemon(root, config);
	if (interfaces && config_setting_is_list(interfaces)) {
		config->interface_count = (size_t)config_setting_length(interfaces);
		config->interfaces = mem_array(config->interface_count,
					       sizeof(*config->interfaces));
	}
	for (size_t i = 0; i < config->interface_count; i++)
		build_interface(load, load_element(interfaces, i), &config->interfaces[i]);

	if (load->services)
		config->service_count = (size_t)config_setting_length(load->services);
	config->services = mem_array(config->service_count, sizeof(*config->services));
	for (size_t i = 0; i < config->service_count; i++)
		build_service(load, defaults, load_element(load->services, i),
			      &config->services[i]);
}
