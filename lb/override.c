/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator sets over the config at run time: kept first, then applied, and taken back where
 * that fails. */
#include <errno.h>
#include <string.h>

#include "lb/manager.h"

static const struct config_service *service_find(const struct config *config, const char *name)
{
	for (size_t s = 0; s < config->service_count; s++)
		if (!strcmp(config->services[s].name, name))
			return &config->services[s];
	return NULL;
}

static bool service_has_backend(const struct config_service *service, const char *name)
{
	for (size_t b = 0; service && b < service->backend_count; b++)
		if (!strcmp(service->backends[b].name, name))
			return true;
	return false;
}

/* Keeps the new list if it could be saved and applied, else the old one. `service`: the only one
 * for which it says something else now; NULL: anything may have changed. */
static int overrides_take(struct manager *manager, struct overrides *wanted,
			  const struct config_service *service, struct diag *diag)
{
	struct overrides before = manager->overrides;
	int err = overrides_save(manager->options.state, wanted, diag);

	if (err) {
		overrides_clear(wanted);
		return err;
	}
	manager->overrides = *wanted;
	err = service ? manager_reconcile_service(manager, service, diag)
		      : manager_reconcile(manager, diag);
	if (!err) {
		checks_set(manager, manager->config);
		overrides_clear(&before);
		return 0;
	}
	overrides_clear(wanted);
	manager->overrides = before;
	overrides_save(manager->options.state, &before, diag);
	return err;
}

static struct overrides overrides_copy(const struct overrides *from)
{
	struct overrides copy = { 0 };

	for (size_t i = 0; i < from->count; i++)
		*override_make(&copy, from->entries[i].service, from->entries[i].backend) =
			from->entries[i];
	return copy;
}

int manager_override(struct manager *manager, const char *service, const char *backend, int state,
		     int weight, struct diag *diag)
{
	const struct config_service *of = service_find(manager->config, service);
	struct overrides wanted;
	struct override *entry;

	if (!service_has_backend(of, backend)) {
		diag_add(diag, NULL, 0, "there is no backend \"%s/%s\"", service, backend);
		return -ENOENT;
	}
	wanted = overrides_copy(&manager->overrides);
	entry = override_make(&wanted, service, backend);
	if (state >= 0) {
		entry->has_state = true;
		entry->state = (enum config_state)state;
	}
	if (weight >= 0) {
		entry->has_weight = true;
		entry->weight = weight;
	}
	return overrides_take(manager, &wanted, of, diag);
}

int manager_override_reset(struct manager *manager, const char *service, const char *backend,
			   struct diag *diag)
{
	struct overrides wanted = { 0 };

	if (service) {
		wanted = overrides_copy(&manager->overrides);
		if (!override_remove(&wanted, service, backend)) {
			overrides_clear(&wanted);
			diag_add(diag, NULL, 0, "no override stands on \"%s/%s\"", service,
				 backend);
			return -ENOENT;
		}
	}
	return overrides_take(manager, &wanted,
			      service ? service_find(manager->config, service) : NULL, diag);
}
