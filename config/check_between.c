/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contradictions between services of lb.conf, other than over ports (claims.c): names, vips that
 * are backends too, and what all of them together need. Called by load.c after check.c. */
#include <inttypes.h>
#include <string.h>

#include "config/duplicates.h"
#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"
#include "config/service.h"

static int compare_services(size_t a, size_t b, const void *context)
{
	const struct load *load = context;

	return strcmp(load->config->services[a].name, load->config->services[b].name);
}

static void report_service(size_t first, size_t again, const void *context)
{
	const struct load *load = context;
	const config_setting_t *place = load_service_key(load, again, "name");
	char where[LOAD_WHERE_MAX];

	if (!strcmp(load->config->services[again].name, CONFIG_NO_NAME))
		return;
	load_report(load, place, "duplicate service \"%s\": %s has it already",
		    load->config->services[again].name,
		    load_where(load, load_service_key(load, first, "name"), place, where));
}

struct vip {
	struct addr addr;
	size_t service, index;
};

static int compare_vips(const void *a_vip, const void *b_vip)
{
	const struct vip *a = a_vip, *b = b_vip;

	return addr_compare(&a->addr, &b->addr);
}

/* All vips, sorted by address. */
static struct vip *vips_collect(const struct load *load, size_t *ret_count)
{
	const struct config *config = load->config;
	struct vip *vips;
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].vip_count;
	vips = mem_array(count, sizeof(*vips));
	*ret_count = 0;
	for (size_t i = 0; i < config->service_count; i++) {
		if (load->flaws[i] & FLAW_VIPS)
			continue; /* indices may be off there */
		for (size_t j = 0; j < config->services[i].vip_count; j++)
			vips[(*ret_count)++] = (struct vip){ config->services[i].vips[j], i, j };
	}
	qsort(vips, *ret_count, sizeof(*vips), compare_vips);
	return vips;
}

/* A packet that was rewritten to such an address would be balanced once more. */
static void check_vips_are_no_backends(const struct load *load)
{
	const struct config *config = load->config;
	size_t count;
	struct vip *vips = vips_collect(load, &count);

	for (size_t i = 0; i < config->service_count; i++)
		for (size_t j = 0; j < 2 * config->services[i].backend_count; j++) {
			const struct config_backend *backend = &config->services[i].backends[j / 2];
			const config_setting_t *place = load_backend(load, i, j / 2);
			struct vip wanted = { .addr = backend->address[j % 2] };
			char text[ADDR_TEXT_MAX], where[LOAD_WHERE_MAX];
			const struct vip *vip;

			if (!backend->has_address[j % 2])
				continue;
			vip = bsearch(&wanted, vips, count, sizeof(*vips), compare_vips);
			if (!vip)
				continue;
			load_report(load, place, "address %s of backend \"%s\" in service \"%s\" "
				    "is a vip of service \"%s\" (%s)",
				    addr_format(&wanted.addr, text), backend->name,
				    config->services[i].name, config->services[vip->service].name,
				    load_where(load, load_vip(load, vip->service, vip->index),
					       place, where));
		}
	free(vips);
}

/* A service has a ring for each family that it has vips of. */
static uint64_t slots_needed(const struct load *load)
{
	uint64_t slots = 0;

	for (size_t i = 0; i < load->config->service_count; i++) {
		const struct config_service *service = &load->config->services[i];
		size_t last;

		for (int family = 0; family < 2; family++)
			if (!(load->flaws[i] & FLAW_RING) && service_vips(service, family, &last))
				slots += config_ring_slots(service->ring_size,
							   service_rows(service, family));
	}
	return slots;
}

static void check_slots(const struct load *load)
{
	const struct schema_key *key = schema_find(IN_TUNING, "max_slots");
	const config_setting_t *place = config_lookup(&load->tree, "tuning.max_slots");
	uint64_t needed = slots_needed(load);

	if (needed <= load->config->max_slots)
		return;
	if (!place)
		place = load->services;
	if (needed <= (uint64_t)key->max)
		load_report(load, place, "the rings of all services need %" PRIu64 " slots and "
			    "tuning.max_slots is %u: set it to %" PRIu64 " or more", needed,
			    load->config->max_slots, needed);
	else
		load_report(load, place, "the rings of all services need %" PRIu64 " slots, and "
			    "tuning.max_slots can be %" PRId64 " at most", needed, key->max);
}

static bool check_limit(const struct load *load, const char *what, uint64_t count, uint64_t max)
{
	if (count <= max)
		return true;
	load_report(load, load->services, "%" PRIu64 " %s are too many: %" PRIu64 " at most",
		    count, what, max);
	return false;
}

/* False where so many are claimed that comparing them makes no sense. */
static bool check_limits(const struct load *load)
{
	const struct config *config = load->config;
	uint64_t rows = 0, pairs = 0;
	bool good;

	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			rows += backend_may_have(&service->backends[j], 0) +
				backend_may_have(&service->backends[j], 1);
		for (size_t j = 0; j < service->port_count; j++)
			pairs += service->vip_count *
				 (1u + service->ports[j].last - service->ports[j].first);
	}
	good = check_limit(load, "services", config->service_count, CONFIG_SERVICES_MAX);
	good &= check_limit(load, "backends, one a family,", rows, CONFIG_BACKENDS_MAX);
	good &= check_limit(load, "pairs of vip and port, ranges counted out,", pairs,
			    CONFIG_VIP_PORTS_MAX);
	return good;
}

void load_check_between(const struct load *load)
{
	if (!load->services || !config_setting_length(load->services))
		return;
	duplicates_find(&(struct duplicates){ load->config->service_count, compare_services,
					      report_service, load });
	check_vips_are_no_backends(load);
	check_slots(load);
	if (check_limits(load))
		load_check_claims(load);
}
