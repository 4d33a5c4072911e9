/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backends are checked, and what the checks say of every row of a config. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/manager.h"
#include "lb/watch/health.h"

/* Where a check connects; 0: nowhere, since a service of any port has none to ask. */
static uint16_t check_port(const struct config_service *service,
			   const struct config_backend *backend)
{
	return backend->port || !service->port_count ? backend->port : service->ports[0].first;
}

/* Nobody asks a backend that is switched off, or has no address. */
static bool is_checked(const struct manager *manager, const struct config_service *service,
		       const struct config_backend *backend)
{
	const struct override *override =
		override_find(&manager->overrides, service->name, backend->name);
	enum config_state state = override && override->has_state ? override->state
								  : backend->state;

	return backend->check.type != CONFIG_CHECK_NONE && state != CONFIG_OFF &&
	       !backend->trouble && check_port(service, backend);
}

static struct health_target target_of(const struct config_service *service,
				      const struct config_backend *backend, int family)
{
	struct health_target target = { .address = backend->address[family],
					.check = backend->check };

	snprintf(target.service, sizeof(target.service), "%s", service->name);
	snprintf(target.backend, sizeof(target.backend), "%s", backend->name);
	target.port = check_port(service, backend);
	return target;
}

int checks_set(struct manager *manager, const struct config *config)
{
	struct health_target *targets = calloc(desired_row_count(config) + 1, sizeof(*targets));
	size_t count = 0;
	int err;

	if (!targets)
		return -ENOMEM;
	for (size_t s = 0; s < config->service_count; s++)
		for (size_t b = 0; b < config->services[s].backend_count; b++) {
			const struct config_service *service = &config->services[s];
			const struct config_backend *backend = &service->backends[b];

			if (!is_checked(manager, service, backend))
				continue;
			for (int family = 0; family < FAMILIES; family++)
				if (backend->has_address[family])
					targets[count++] = target_of(service, backend, family);
		}
	err = health_set(manager->health, targets, count);
	free(targets);
	return err;
}

void checks_assume(struct manager *manager)
{
	for (size_t s = 0; s < manager->actual->service_count; s++)
		for (size_t b = 0; b < manager->actual->services[s].backend_count; b++) {
			const struct service *service = &manager->actual->services[s];
			const struct backend *backend = &service->backends[b];

			/* Gone says nothing about the application. */
			if (!backend->gone)
				health_assume(manager->health, service->name, backend->name,
					      &backend->identity.address,
					      backend->state != BACKEND_DOWN);
		}
}

static struct row_health row_health_of(struct manager *manager,
				       const struct config_service *service,
				       const struct config_backend *backend, int family,
				       bool hopeful)
{
	struct row_health row = { .up = true };
	struct health_result result;

	if (!is_checked(manager, service, backend))
		return row;
	health_get(manager->health, service->name, backend->name, &backend->address[family],
		   &result);
	row.unknown = !result.known;
	row.up = result.known ? result.up : hopeful;
	snprintf(row.reason, sizeof(row.reason), "%s",
		 result.known ? result.reason : "its first check is under way");
	return row;
}

struct row_health *checks_read(struct manager *manager, const struct config *config,
			       const struct config_service *only, bool hopeful)
{
	struct row_health *rows = calloc(desired_row_count(config) + 1, sizeof(*rows));
	struct row_health *row = rows;

	for (size_t s = 0; rows && s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];

		if (only && only != service) {
			row += service_row_count(service);
			continue;
		}
		for (size_t b = 0; b < service->backend_count; b++)
			for (int family = 0; family < FAMILIES; family++)
				if (service->backends[b].has_address[family])
					*row++ = row_health_of(manager, service,
							       &service->backends[b], family,
							       hopeful);
	}
	return rows;
}
