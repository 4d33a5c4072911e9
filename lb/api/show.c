/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State, counters and plans as JSON. Null says "not known" or "does not apply". */
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"
#include "lb/api/api.h"
#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/replay.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/stats.h"
#include "lb/model/resolve.h"
#include "lb/watch/netlink.h"
#include "lb/watch/runtime.h"

#define ADD(object, key, value) json_object_object_add(object, key, value)

static struct json_object *string_or_null(const char *text)
{
	return text && text[0] ? json_object_new_string(text) : NULL;
}

static struct json_object *mac_json(const unsigned char mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_object_new_string(text);
}

/* What encapsulated packets come from and may be as large as; null for the others. */
static void encap_json(struct json_object *object, const struct backend *backend)
{
	bool has = backend->has_hop && identity_is_encapsulated(&backend->identity);
	const struct prefix *source = &backend->encap_source;
	char addr[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 4];

	snprintf(text, sizeof(text), "%s/%u", addr_format(&source->addr, addr),
		 addr_is_ipv4(&source->addr) ? source->len - 96 : source->len);
	ADD(object, "encap_source", has ? json_object_new_string(text) : NULL);
	ADD(object, "encap_mtu", has ? json_object_new_int(backend->hop.mtu) : NULL);
}

static struct json_object *backend_json(const struct manager *manager,
					const struct service *service,
					const struct backend *backend)
{
	struct json_object *object = json_object_new_object();
	struct holdings slots_held = holdings_of(manager->dataplane, service, backend);
	struct lb_counters counters = { 0 };
	uint32_t slots = backend_ring_slots(service, backend);
	char addr[ADDR_TEXT_MAX] = "";

	stats_backend(manager->dataplane, backend->id, &counters);
	ADD(object, "name", json_object_new_string(backend->name));
	if (!addr_is_nobody(&backend->identity.address))
		addr_format(&backend->identity.address, addr);
	ADD(object, "address", string_or_null(addr));
	ADD(object, "port",
	    backend->identity.port ? json_object_new_int(backend->identity.port) : NULL);
	ADD(object, "forward",
	    json_object_new_string(config_forward_name(forward_config(backend->identity.forward))));
	ADD(object, "state", json_object_new_string(backend_state_name(backend->state)));
	ADD(object, "reason", string_or_null(backend->reason));
	ADD(object, "weight", json_object_new_int(backend->weight));
	ADD(object, "effective_weight", json_object_new_int(backend->effective_weight));
	ADD(object, "override", json_object_new_boolean(backend->override));
	ADD(object, "share", json_object_new_double(slots ? (double)slots_held.owned / slots : 0));
	ADD(object, "packets", json_object_new_int64(counters.packets));
	ADD(object, "bytes", json_object_new_int64(counters.bytes));
	ADD(object, "new_flows",
	    service->protocol == IPPROTO_TCP ? json_object_new_int64(counters.new_flows) : NULL);
	ADD(object, "local_connections",
	    json_object_new_int64(stats_local(manager->dataplane, backend->id)));
	ADD(object, "slots_in_use", json_object_new_int64(slots_held.owned + slots_held.previous));
	ADD(object, "interface",
	    backend->has_hop ? json_object_new_string(backend->hop.device) : NULL);
	encap_json(object, backend);
	ADD(object, "mac", backend->has_hop ? mac_json(backend->hop.dst_mac) : NULL);
	return object;
}

static struct json_object *vips_json(const struct config_service *config)
{
	struct json_object *list = json_object_new_array();
	char addr[ADDR_TEXT_MAX];

	for (size_t i = 0; i < config->vip_count; i++)
		json_object_array_add(
			list, json_object_new_string(addr_format(&config->vips[i], addr)));
	return list;
}

static struct json_object *ports_json(const struct config_service *config)
{
	struct json_object *list = json_object_new_array();
	char range[16];

	for (size_t i = 0; i < config->port_count; i++) {
		const struct config_ports *ports = &config->ports[i];

		if (!ports->first)
			continue; /* any port: an empty list, as in lb.conf */
		snprintf(range, sizeof(range), "%u-%u", ports->first, ports->last);
		json_object_array_add(list, ports->first == ports->last
						    ? json_object_new_int(ports->first)
						    : json_object_new_string(range));
	}
	return list;
}

static int64_t moving_seconds(const struct service *service)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec - (int64_t)(service->moving_since_ms / 1000);
}

static struct json_object *service_json(const struct manager *manager,
					const struct service *service)
{
	struct json_object *object = json_object_new_object();
	struct json_object *backends = json_object_new_array();
	uint64_t slots = 0;

	ADD(object, "name", json_object_new_string(service->name));
	ADD(object, "vips", vips_json(service->config));
	ADD(object, "protocol",
	    json_object_new_string(config_protocol_name(service->config->protocol)));
	ADD(object, "ports", ports_json(service->config));
	ADD(object, "forward", json_object_new_string(config_forward_name(service->forward)));
	ADD(object, "state", json_object_new_string(service->up ? "up" : "down"));
	ADD(object, "reason", string_or_null(service->reason));
	ADD(object, "slots_moving",
	    json_object_new_int64(slots_moving(manager->dataplane, service)));
	ADD(object, "moving_since_s",
	    service->moving_since_ms ? json_object_new_int64(moving_seconds(service)) : NULL);
	for (int family = 0; family < FAMILIES; family++)
		slots += service->ring[family].slots;
	ADD(object, "ring_slots", json_object_new_int64(slots));
	for (size_t i = 0; i < service->backend_count; i++)
		json_object_array_add(backends,
				      backend_json(manager, service, &service->backends[i]));
	ADD(object, "backends", backends);
	return object;
}

static struct json_object *interface_json(const struct manager *manager,
					  const struct config_interface *interface)
{
	struct json_object *object = json_object_new_object();
	const struct net_link *link = net_view_link_by_name(&manager->view, interface->name);
	bool generic = false;
	bool attached = link && front_is_ours(manager->dataplane, link->ifindex, &generic);

	ADD(object, "name", json_object_new_string(interface->name));
	ADD(object, "ifindex", link ? json_object_new_int(link->ifindex) : NULL);
	ADD(object, "mode", attached ? json_object_new_string(generic ? "generic" : "native")
				     : NULL);
	ADD(object, "configured_mode", json_object_new_string(config_mode_name(interface->mode)));
	ADD(object, "state", json_object_new_string(!link	 ? "absent"
						    : !attached	 ? "detached"
						    : link->up	 ? "up"
								 : "down"));
	return object;
}

/* Front interfaces, then the other devices that are redirected to; losses for all of them. */
static struct json_object *interfaces_json(const struct manager *manager)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < manager->config->interface_count; i++) {
		struct json_object *object =
			interface_json(manager, &manager->config->interfaces[i]);
		const struct net_link *link = net_view_link_by_name(
			&manager->view, manager->config->interfaces[i].name);

		ADD(object, "front", json_object_new_boolean(true));
		ADD(object, "redirect_drops",
		    link ? json_object_new_int64(losses_read(manager->dataplane, link->ifindex))
			 : NULL);
		json_object_array_add(list, object);
	}
	for (size_t i = 0; i < manager->actual->device_count; i++) {
		unsigned int ifindex = manager->actual->devices[i];
		const struct net_link *link = net_view_link(&manager->view, ifindex);
		struct json_object *object;
		bool front = false;

		for (size_t f = 0; f < manager->actual->front_count; f++)
			front |= manager->actual->fronts[f].ifindex == ifindex;
		if (front || !link)
			continue;
		object = json_object_new_object();
		ADD(object, "name", json_object_new_string(link->name));
		ADD(object, "ifindex", json_object_new_int(ifindex));
		ADD(object, "mode", NULL);
		ADD(object, "configured_mode", NULL);
		ADD(object, "state", json_object_new_string(link->up ? "up" : "down"));
		ADD(object, "front", json_object_new_boolean(false));
		ADD(object, "redirect_drops",
		    json_object_new_int64(losses_read(manager->dataplane, ifindex)));
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *verdicts_json(const struct manager *manager)
{
	struct json_object *object = json_object_new_object();
	uint64_t counts[LB_VERDICT_COUNT];

	stats_verdicts(manager->dataplane, counts);
	for (int verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		ADD(object, verdict_name((enum lb_verdict)verdict),
		    json_object_new_int64(counts[verdict]));
	return object;
}

static struct json_object *override_json(const struct override *override)
{
	struct json_object *object = json_object_new_object();

	ADD(object, "service", json_object_new_string(override->service));
	ADD(object, "backend", json_object_new_string(override->backend));
	ADD(object, "state",
	    override->has_state ? json_object_new_string(config_state_name(override->state))
				: NULL);
	ADD(object, "weight", override->has_weight ? json_object_new_int(override->weight) : NULL);
	return object;
}

static struct json_object *orphans_json(const struct manager *manager)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < manager->overrides.count; i++) {
		const struct override *override = &manager->overrides.entries[i];
		const struct service *service = state_service(manager->actual, override->service);

		if (service && (service_backend(service, override->backend, IPV4) ||
				service_backend(service, override->backend, IPV6)))
			continue;
		json_object_array_add(list, override_json(override));
	}
	return list;
}

static struct json_object *config_json(const struct manager *manager)
{
	struct json_object *object = json_object_new_object();
	struct tm utc;
	char when[40];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&manager->loaded.tv_sec, &utc));
	ADD(object, "file", json_object_new_string(manager->config->file));
	ADD(object, "source", json_object_new_string(manager->source));
	ADD(object, "loaded", json_object_new_string(when));
	ADD(object, "overrides", json_object_new_int64(manager->overrides.count));
	return object;
}

/* Null where no backend and no rule asks for any. */
static struct json_object *containers_json(const struct manager *manager)
{
	struct runtime *runtime = containers_runtime(manager);
	struct json_object *object;
	size_t count;

	if (!runtime)
		return NULL;
	object = json_object_new_object();
	runtime_containers(runtime, &count);
	ADD(object, "socket", json_object_new_string(manager->written->runtime_socket));
	ADD(object, "connected", json_object_new_boolean(!runtime_reason(runtime)[0]));
	ADD(object, "reason", string_or_null(runtime_reason(runtime)));
	ADD(object, "count",
	    runtime_known(runtime) ? json_object_new_int64((int64_t)count) : NULL);
	return object;
}

static struct json_object *local_clients_json(const struct manager *manager)
{
	struct json_object *object = json_object_new_object();
	struct locals_told told = locals_tell(manager);

	ADD(object, "state",
	    json_object_new_string(told.attached ? "attached" : told.trouble ? "failed" : "off"));
	ADD(object, "reason", told.trouble ? json_object_new_string(told.trouble) : NULL);
	ADD(object, "namespaces", json_object_new_int64((int64_t)told.namespaces));
	return object;
}

/* By which two answers make a rate, however late they arrive. */
static struct json_object *monotonic_json(void)
{
	return json_object_new_int64((int64_t)clock_ns());
}

struct json_object *show_json(struct manager *manager)
{
	struct json_object *object = json_object_new_object();
	struct json_object *services = json_object_new_array();

	ADD(object, "monotonic_ns", monotonic_json());
	for (size_t i = 0; i < manager->actual->service_count; i++)
		json_object_array_add(services,
				      service_json(manager, &manager->actual->services[i]));
	ADD(object, "config", config_json(manager));
	ADD(object, "services", services);
	ADD(object, "interfaces", interfaces_json(manager));
	ADD(object, "containers", containers_json(manager));
	ADD(object, "verdicts", verdicts_json(manager));
	ADD(object, "local_clients", local_clients_json(manager));
	ADD(object, "orphan_overrides", orphans_json(manager));
	ADD(object, "policy", isolation_json(manager->isolation));
	ADD(object, "flows", flows_show_json(manager->flows));
	return object;
}

/* ---- plans and errors ----------------------------------------------------------------------- */

static struct json_object *count_json(const struct count *count)
{
	return count->known ? json_object_new_int64((int64_t)count->count) : NULL;
}

static struct json_object *plan_service_json(const struct plan_service *service,
					     const struct connections *connections)
{
	struct json_object *object = json_object_new_object();

	ADD(object, "name", json_object_new_string(service->name));
	ADD(object, "share_moved", json_object_new_double(service->share_moved));
	ADD(object, "slots_moved", json_object_new_int64(service->slots_moved));
	ADD(object, "slots", json_object_new_int64(service->slots));
	ADD(object, "slots_moving", json_object_new_int64(service->slots_moving));
	ADD(object, "breaks", json_object_new_boolean(service->breaks));
	ADD(object, "why", string_or_null(service->why));
	ADD(object, "live_connections", count_json(&connections->live));
	ADD(object, "connections_lost", count_json(&connections->lost));
	return object;
}

struct json_object *plan_json(struct manager *manager, const struct preview *preview)
{
	struct connections *connections = connections_count(manager, preview);
	struct json_object *object = json_object_new_object();
	struct json_object *operations = json_object_new_array();
	struct json_object *services = json_object_new_array();

	for (size_t i = 0; i < preview->plan->op_count; i++) {
		char *text = op_text(&preview->plan->ops[i]);

		json_object_array_add(operations, string_or_null(text));
		free(text);
	}
	if (preview->policy)
		json_object_array_add(operations, json_object_new_string(preview->policy));
	if (preview->flows)
		json_object_array_add(operations, json_object_new_string(preview->flows));
	for (size_t i = 0; i < preview->plan->service_count; i++)
		json_object_array_add(services, plan_service_json(&preview->plan->services[i],
								  &connections[i]));
	free(connections);
	ADD(object, "operations", operations);
	ADD(object, "services", services);
	ADD(object, "overrides", json_object_new_int64(manager->overrides.count));
	return object;
}

struct json_object *errors_json(const struct diag *diag)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < diag->count; i++) {
		struct json_object *error = json_object_new_object();

		ADD(error, "file", string_or_null(diag->entries[i].file));
		ADD(error, "line", json_object_new_int(diag->entries[i].line));
		ADD(error, "text", json_object_new_string(diag->entries[i].text));
		json_object_array_add(list, error);
	}
	ADD(object, "errors", list);
	return object;
}
