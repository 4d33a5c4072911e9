/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contradictions inside one service of lb.conf, and among interfaces: values that are good each
 * for itself and cannot stand together. Called by load.c after build.c. What was refused before
 * (load->flaws) is never a premise here, so that no finding follows from another. */
#include <string.h>

#include "config/addr.h"
#include "config/chain.h"
#include "config/duplicates.h"
#include "config/load.h"
#include "config/schema.h"
#include "config/service.h"

/* A service under scrutiny, as context for comparisons too. */
struct subject {
	const struct load *load;
	const struct config_service *service;
	size_t index;
	size_t vips[2], rows[2];	/* by family: vips, and backends to balance them over */
	size_t last_vip[2];		/* by family: index of the last vip there is */
	int family;			/* where only one is looked at */
};

static bool flawed(const struct subject *subject, unsigned int bits)
{
	return subject->load->flaws[subject->index] & bits;
}

static const config_setting_t *backend_key(const struct subject *subject, size_t backend,
					   const char *key)
{
	const config_setting_t *setting = load_backend(subject->load, subject->index, backend);
	const config_setting_t *member = config_setting_get_member(setting, key);

	return member ? member : setting;
}

/* Why an address, or one of a prefix, can be nobody's; NULL: it can be somebody's. */
static const char *prefix_fault(const struct prefix *own)
{
	static const struct {
		const char *prefix, *fault;
	} faults[] = {
		{ "0.0.0.0/8", "the unspecified address" }, { "::", "the unspecified address" },
		{ "127.0.0.0/8", "a loopback address" }, { "::1", "a loopback address" },
		{ "224.0.0.0/4", "a multicast address" }, { "ff00::/8", "a multicast address" },
		{ "255.255.255.255", "the broadcast address" },
	};
	struct prefix prefix;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (!prefix_parse(faults[i].prefix, &prefix) &&
		    (prefix_contains(&prefix, &own->addr) || prefix_contains(own, &prefix.addr)))
			return faults[i].fault;
	return NULL;
}

static const char *address_fault(const struct addr *addr)
{
	return prefix_fault(&(struct prefix){ *addr, 128 });
}

static void check_vips(const struct subject *subject)
{
	const struct config_service *service = subject->service;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < service->vip_count && !flawed(subject, FLAW_VIPS); i++) {
		const char *fault = address_fault(&service->vips[i]);

		if (fault)
			load_report(subject->load, load_vip(subject->load, subject->index, i),
				    "vip %s in service \"%s\" is %s",
				    addr_format(&service->vips[i], text), service->name, fault);
	}
}

static void check_backend_addresses(const struct subject *subject, size_t index)
{
	const struct config_backend *backend = &subject->service->backends[index];
	const config_setting_t *place = backend_key(subject, index, "address");
	char text[ADDR_TEXT_MAX];

	if (!backend_may_have(backend, 0) && !backend_may_have(backend, 1) &&
	    !flawed(subject, FLAW_BACKENDS))
		load_report(subject->load, place, "backend \"%s\" in service \"%s\" has no "
			    "address, container or label", backend->name, subject->service->name);
	for (int family = 0; family < 2; family++) {
		const char *fault = backend->has_address[family] ?
				    address_fault(&backend->address[family]) : NULL;

		if (fault)
			load_report(subject->load, place,
				    "address %s of backend \"%s\" in service \"%s\" is %s",
				    addr_format(&backend->address[family], text), backend->name,
				    subject->service->name, fault);
	}
}

/* The group that says where a backend is says it in one way. */
static void check_backend_source(const struct subject *subject, size_t index)
{
	const struct load *load = subject->load;
	const struct config_backend *backend = &subject->service->backends[index];
	const config_setting_t *own = load_backend(load, subject->index, index);
	const config_setting_t *network = config_setting_get_member(own, "network");
	struct chain chain = { .in = IN_BACKEND };
	const config_setting_t *source;
	const char *first = NULL;

	chain_push(&chain, own);
	chain_push(&chain, load_service(load, subject->index));
	chain_push(&chain, config_lookup(&load->tree, "defaults"));
	source = chain_source(&chain);
	for (size_t i = 0; source && i < CHAIN_SOURCES; i++) {
		const config_setting_t *member = config_setting_get_member(source,
									   chain_sources[i]);

		if (member && first)
			load_report(load, member, "backend \"%s\" in service \"%s\" has %s and %s: "
				    "only one of address, container and label can say where it is",
				    backend->name, subject->service->name, first,
				    chain_sources[i]);
		else if (member)
			first = chain_sources[i];
	}
	if (network && !backend_is_found(backend) && !flawed(subject, FLAW_BACKENDS))
		load_report(load, network, "network of backend \"%s\" in service \"%s\" needs a "
			    "container or label that has it", backend->name,
			    subject->service->name);
}

static int compare_vips(size_t a, size_t b, const void *context)
{
	const struct subject *subject = context;

	return addr_compare(&subject->service->vips[a], &subject->service->vips[b]);
}

static void report_vip(size_t first, size_t again, const void *context)
{
	const struct subject *subject = context;
	const struct load *load = subject->load;
	const config_setting_t *place = load_vip(load, subject->index, again);
	char text[ADDR_TEXT_MAX], where[LOAD_WHERE_MAX];

	load_report(load, place, "duplicate vip %s in service \"%s\": %s has it already",
		    addr_format(&subject->service->vips[again], text), subject->service->name,
		    load_where(load, load_vip(load, subject->index, first), place, where));
}

static int compare_names(size_t a, size_t b, const void *context)
{
	const struct subject *subject = context;

	return strcmp(subject->service->backends[a].name, subject->service->backends[b].name);
}

static void report_name(size_t first, size_t again, const void *context)
{
	const struct subject *subject = context;
	const struct load *load = subject->load;
	const config_setting_t *place = backend_key(subject, again, "name");
	char where[LOAD_WHERE_MAX];

	load_report(load, place, "duplicate backend \"%s\" in service \"%s\": %s has it already",
		    subject->service->backends[again].name, subject->service->name,
		    load_where(load, backend_key(subject, first, "name"), place, where));
}

/* What a backend is to a flow: its address, port and forward. One without an address of the
 * family equals nobody. */
static int compare_identities(size_t a_index, size_t b_index, const void *context)
{
	const struct subject *subject = context;
	const struct config_backend *a = &subject->service->backends[a_index];
	const struct config_backend *b = &subject->service->backends[b_index];
	int order;

	if (a->has_address[subject->family] != b->has_address[subject->family])
		return a->has_address[subject->family] ? 1 : -1;
	if (!a->has_address[subject->family])
		return (a_index > b_index) - (a_index < b_index);
	order = addr_compare(&a->address[subject->family], &b->address[subject->family]);
	if (!order)
		order = a->port - b->port;
	if (!order)
		order = (int)a->forward - (int)b->forward;
	return order;
}

static void report_identity(size_t first, size_t again, const void *context)
{
	const struct subject *subject = context;
	const struct config_backend *backends = subject->service->backends;
	const config_setting_t *place = backend_key(subject, again, "address");
	char text[ADDR_TEXT_MAX], where[LOAD_WHERE_MAX];

	load_report(subject->load, place, "backend \"%s\" in service \"%s\" is the same as backend "
		    "\"%s\" (%s): address %s, port and forward are equal",
		    backends[again].name, subject->service->name, backends[first].name,
		    load_where(subject->load, backend_key(subject, first, "address"), place, where),
		    addr_format(&backends[again].address[subject->family], text));
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* The same for those whose addresses are not known yet: one container in one network has one
 * address. Who has an address of its own equals nobody. */
static int compare_found(size_t a_index, size_t b_index, const void *context)
{
	const struct subject *subject = context;
	const struct config_backend *a = &subject->service->backends[a_index];
	const struct config_backend *b = &subject->service->backends[b_index];
	int order = backend_is_found(a) - backend_is_found(b);

	if (order || !backend_is_found(a))
		return order ? order : (a_index > b_index) - (a_index < b_index);
	order = compare_texts(a->container, b->container);
	if (!order)
		order = compare_texts(a->label, b->label);
	if (!order)
		order = compare_texts(a->network, b->network);
	if (!order)
		order = a->port - b->port;
	if (!order)
		order = (int)a->forward - (int)b->forward;
	return order;
}

static void report_found(size_t first, size_t again, const void *context)
{
	const struct subject *subject = context;
	const struct config_backend *backends = subject->service->backends;
	const char *key = backends[again].container ? "container" : "label";
	const config_setting_t *place = backend_key(subject, again, key);
	char where[LOAD_WHERE_MAX];

	load_report(subject->load, place, "backend \"%s\" in service \"%s\" is the same as backend "
		    "\"%s\" (%s): %s \"%s\", port and forward are equal",
		    backends[again].name, subject->service->name, backends[first].name,
		    load_where(subject->load, backend_key(subject, first, key), place, where), key,
		    backends[again].container ? backends[again].container : backends[again].label);
}

static void check_duplicates(const struct subject *subject)
{
	struct subject one = *subject;
	const struct config_service *service = subject->service;

	if (!flawed(subject, FLAW_VIPS))
		duplicates_find(&(struct duplicates){ service->vip_count, compare_vips,
						      report_vip, subject });
	if (!flawed(subject, FLAW_NAME))
		duplicates_find(&(struct duplicates){ service->backend_count, compare_names,
						      report_name, subject });
	if (flawed(subject, FLAW_BACKENDS | FLAW_FORWARD | FLAW_PORT))
		return;
	for (one.family = 0; one.family < 2; one.family++)
		duplicates_find(&(struct duplicates){ service->backend_count, compare_identities,
						      report_identity, &one });
	duplicates_find(&(struct duplicates){ service->backend_count, compare_found, report_found,
					      subject });
}

static void check_backend_families(const struct subject *subject, size_t index)
{
	const struct config_backend *backend = &subject->service->backends[index];
	const struct load *load = subject->load;
	char text[ADDR_TEXT_MAX];

	for (int family = 0; family < 2; family++)
		if (backend->has_address[family] && !backend_serves_both(backend) &&
		    !subject->vips[family])
			load_report(load, backend_key(subject, index, "address"),
				    "address %s of backend \"%s\" in service \"%s\" is of the "
				    "wrong family: no vip there is %s",
				    addr_format(&backend->address[family], text), backend->name,
				    subject->service->name, family_name(family));
}

static void check_families(const struct subject *subject)
{
	const struct config_service *service = subject->service;
	const struct load *load = subject->load;
	char text[ADDR_TEXT_MAX];

	if (flawed(subject, FLAW_VIPS | FLAW_BACKENDS | FLAW_FORWARD) || !service->backend_count)
		return; /* without backends it balances nothing, and may: they can come later */
	for (size_t i = 0; i < service->vip_count; i++) {
		int family = family_of(&service->vips[i]);

		if (!subject->rows[family])
			load_report(load, load_vip(load, subject->index, i),
				    "vip %s in service \"%s\" has nobody to serve it: no backend "
				    "has an %s address", addr_format(&service->vips[i], text),
				    service->name, family_name(family));
	}
	for (size_t i = 0; i < service->backend_count; i++)
		check_backend_families(subject, i);
}

/* nat alone writes ports, and only one port can become one other. */
static void check_ports(const struct subject *subject)
{
	const struct config_service *service = subject->service;
	bool one_port;

	if (flawed(subject, FLAW_PORTS | FLAW_PORT | FLAW_FORWARD))
		return;
	one_port = service->port_count == 1 && ports_level(&service->ports[0]) == PORTS_EXACT;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct config_backend *backend = &service->backends[i];
		const char *fault = NULL;

		if (backend->port && !one_port)
			fault = "so \"ports\" must be exactly one port";
		else if (backend->port && backend->forward != CONFIG_NAT &&
			 backend->port != service->ports[0].first)
			fault = "which needs forward = \"nat\"";
		if (fault)
			load_report(subject->load, backend_key(subject, i, "port"),
				    "backend \"%s\" in service \"%s\" has a port of its own, %s",
				    backend->name, service->name, fault);
	}
}

/* The replies of a NAT backend carry only its own address and port: each must name one vip and
 * port. check_between.c asks the same of all services together. */
static void check_nat(const struct subject *subject)
{
	const struct config_service *service = subject->service;
	const struct load *load = subject->load;
	char text[ADDR_TEXT_MAX];
	bool nat[2] = { false, false };

	if (flawed(subject, FLAW_VIPS | FLAW_PORTS | FLAW_BACKENDS | FLAW_FORWARD))
		return;
	for (size_t i = 0; i < service->backend_count; i++)
		for (int family = 0; family < 2; family++)
			nat[family] |= service->backends[i].forward == CONFIG_NAT &&
				       backend_may_have(&service->backends[i], family);
	if ((nat[0] || nat[1]) && ports_level(&service->ports[0]) == PORTS_ANY)
		load_report(load, load_ports(load, subject->index, 0),
			    "service \"%s\" has any port, which nat cannot have: "
			    "a reply could not tell the port that was asked", service->name);
	for (int family = 0; family < 2; family++) {
		size_t more = subject->last_vip[family];

		if (nat[family] && subject->vips[family] > 1)
			load_report(load, load_vip(load, subject->index, more),
				    "vip %s in service \"%s\" is one %s vip too many for nat: "
				    "a reply could not tell the vip that was asked",
				    addr_format(&service->vips[more], text), service->name,
				    family_name(family));
	}
}

/* Only what the service says itself: defaults may be meant for others. */
static const config_setting_t *own_key(const struct subject *subject, const char *key)
{
	return config_setting_get_member(load_service(subject->load, subject->index), key);
}

static bool has_outer_family(const struct config_service *service, int family)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (forward_encapsulates(service->backends[i].forward) &&
		    backend_may_have(&service->backends[i], family))
			return true;
	return false;
}

static void check_encap_source(const struct subject *subject)
{
	const struct config_service *service = subject->service;
	const config_setting_t *own = own_key(subject, "encap_source");

	for (int family = 0; family < 2 && !flawed(subject, FLAW_ENCAP); family++) {
		const struct prefix *prefix = &service->encap_source[family];
		const char *fault;

		if (!service->has_encap_source[family])
			continue;
		fault = prefix_fault(prefix);
		if (fault)
			load_report(subject->load,
				    load_service_key(subject->load, subject->index, "encap_source"),
				    "encap_source in service \"%s\" has %s in its %s prefix",
				    service->name, fault, family_name(family));
		if (own && !has_outer_family(service, family) &&
		    !flawed(subject, FLAW_BACKENDS | FLAW_FORWARD) && service->backend_count)
			load_report(subject->load, own,
				    "encap_source in service \"%s\" has an %s prefix, and no "
				    "backend with an %s address is encapsulated", service->name,
				    family_name(family), family_name(family));
	}
}

static void check_mss(const struct subject *subject)
{
	const config_setting_t *own = own_key(subject, "mss");

	if (own && !flawed(subject, FLAW_PROTOCOL) && subject->service->protocol != CONFIG_TCP)
		load_report(subject->load, own,
			    "mss in service \"%s\" needs protocol = \"tcp\": nothing else has "
			    "segments", subject->service->name);
}

static void check_ring(const struct subject *subject)
{
	const struct config_service *service = subject->service;

	if (!service->ring_size || flawed(subject, FLAW_RING | FLAW_BACKENDS | FLAW_FORWARD))
		return;
	for (int family = 0; family < 2; family++)
		if (subject->rows[family] > service->ring_size)
			load_report(subject->load,
				    load_service_key(subject->load, subject->index, "ring_size"),
				    "ring_size %u of service \"%s\" is smaller than the number of "
				    "its %s backends, %zu", service->ring_size, service->name,
				    family_name(family), subject->rows[family]);
}

static int compare_interfaces(size_t a, size_t b, const void *context)
{
	const struct load *load = context;

	return strcmp(load->config->interfaces[a].name, load->config->interfaces[b].name);
}

static const config_setting_t *interface_setting(const struct load *load, size_t index)
{
	return load_element(config_setting_get_member(config_root_setting(&load->tree),
						      "interfaces"), index);
}

static void report_interface(size_t first, size_t again, const void *context)
{
	const struct load *load = context;
	const config_setting_t *place = interface_setting(load, again);
	char where[LOAD_WHERE_MAX];

	if (!strcmp(load->config->interfaces[again].name, CONFIG_NO_NAME))
		return;
	load_report(load, place, "duplicate interface \"%s\": %s has it already",
		    load->config->interfaces[again].name,
		    load_where(load, interface_setting(load, first), place, where));
}

static void check_service(const struct load *load, size_t index)
{
	const struct config_service *service = &load->config->services[index];
	struct subject subject = { .load = load, .service = service, .index = index };

	for (int family = 0; family < 2; family++) {
		subject.vips[family] = service_vips(service, family, &subject.last_vip[family]);
		subject.rows[family] = service_rows(service, family);
	}
	check_vips(&subject);
	for (size_t i = 0; i < service->backend_count; i++) {
		check_backend_addresses(&subject, i);
		check_backend_source(&subject, i);
	}
	check_duplicates(&subject);
	check_families(&subject);
	check_ports(&subject);
	check_nat(&subject);
	check_encap_source(&subject);
	check_mss(&subject);
	check_ring(&subject);
}

void load_check(const struct load *load)
{
	duplicates_find(&(struct duplicates){ load->config->interface_count, compare_interfaces,
					      report_interface, load });
	for (size_t i = 0; i < load->config->service_count; i++)
		check_service(load, i);
}
