/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator sets over the config at run time: kept first, then applied, and taken back where
 * that fails. */
#include <errno.h>
#include <stdio.h>
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

/* "drain, weight 5"; what no override says is the config's. */
static const char *override_text(const struct override *override, char text[64])
{
	if (!override || (!override->has_state && !override->has_weight))
		return "as the config says";
	if (!override->has_weight)
		return config_state_name(override->state);
	snprintf(text, 64, "%s%sweight %u",
		 override->has_state ? config_state_name(override->state) : "",
		 override->has_state ? ", " : "", override->weight);
	return text;
}

static bool override_is_equal(const struct override *a, const struct override *b)
{
	return a && b && a->has_state == b->has_state && a->has_weight == b->has_weight &&
	       (!a->has_state || a->state == b->state) &&
	       (!a->has_weight || a->weight == b->weight);
}

/* One of them is NULL where there was, or is, none. */
static void override_add_event(struct manager *manager, const struct override *before,
			       const struct override *now)
{
	const struct override *named = now ? now : before;
	char object[2 * CONFIG_NAME_MAX + 16], from[64], to[64];

	if (override_is_equal(before, now))
		return;
	snprintf(object, sizeof(object), "backend %s/%s", named->service, named->backend);
	events_add(manager->events, &(struct change){ .kind = EVENT_PLAN, .object = object,
						      .from = override_text(before, from),
						      .to = override_text(now, to),
						      .cause = "override" });
}

static void overrides_add_events(struct manager *manager, const struct overrides *before,
				 const struct overrides *now)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct override *entry = &now->entries[i];

		override_add_event(manager, override_find(before, entry->service, entry->backend),
				   entry);
	}
	for (size_t i = 0; i < before->count; i++) {
		const struct override *entry = &before->entries[i];

		if (!override_find(now, entry->service, entry->backend))
			override_add_event(manager, entry, NULL);
	}
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
		overrides_add_events(manager, &before, wanted);
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
