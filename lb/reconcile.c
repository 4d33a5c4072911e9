/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty → wanted → diff → plan → apply. The only caller of desired(), diff() and plan_apply() in
 * the daemon; what they changed is told by changes.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "config/slurp.h"
#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/sink.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/model/resolve.h"
#include "lb/watch/netlink.h"

#define SETTLE_MS 1000 /* for neighbours that nobody has asked for yet */

static int wanted_make(struct manager *manager, struct config *config,
		       const struct config_service *only, bool touch, struct state **ret_wanted)
{
	struct sources sources = { .config = config, .only = only,
				   .overrides = &manager->overrides,
				   .view = &manager->view };
	struct row_health *health;
	struct row_hop *hops;
	int err = hops_find(manager, config, only, touch, &hops);

	if (err)
		return err;
	health = checks_read(manager, config, only, !touch);
	if (!health) {
		free(hops);
		return -ENOMEM;
	}
	if (touch && !only)
		locals_find(manager, config);
	sources.clients = locals_list(manager, &sources.client_count);
	sources.hops = hops;
	sources.health = health;
	sources.now_ms = boottime_ms();
	if (config->hash_seed)
		hash_keys_of(config->hash_seed, sources.hash_key);
	else
		memcpy(sources.hash_key, manager->hash_key, sizeof(sources.hash_key));
	err = desired(&sources, manager->actual, ret_wanted);
	free(hops);
	free(health);
	return err;
}

static int plan_of(struct manager *manager, struct state *wanted, struct plan **ret_plan,
		   struct diag *diag)
{
	struct kernel_view kernel = kernel_view_of(manager->dataplane);

	return diff(manager->actual, wanted, &kernel, ret_plan, diag);
}

static int plan_make(struct manager *manager, struct config *config, bool touch,
		     struct state **ret_wanted, struct plan **ret_plan, struct diag *diag)
{
	struct state *wanted;
	int err = wanted_make(manager, config, NULL, touch, &wanted);

	if (err) {
		diag_add(diag, NULL, 0, "cannot make the wanted state: %s", strerror(-err));
		return err;
	}
	err = plan_of(manager, wanted, ret_plan, diag);
	if (err)
		state_free(wanted);
	else
		*ret_wanted = wanted;
	return err;
}

/* ---- applying ------------------------------------------------------------------------------- */

/* What was seen of motion belongs to the service, whatever its config says. */
static void motion_take(const struct manager *manager, struct state *wanted)
{
	for (size_t s = 0; s < wanted->service_count; s++) {
		struct service *service = &wanted->services[s];
		const struct service *old;

		if (service->borrowed)
			continue;
		old = state_service(manager->actual, service->name);
		service->moving_since_ms = old ? old->moving_since_ms : 0;
		motion_note(manager->dataplane, service,
			    slots_moving(manager->dataplane, service));
	}
}

/* On success the wanted state is the actual one. `visit` is told what was promised while the old
 * state, which the promise points into, is still there. */
static int wanted_apply(struct manager *manager, struct state *wanted, const struct plan *plan,
			const struct preview *promised, preview_visitor *visit, void *data,
			struct diag *diag)
{
	int err = plan_apply(manager->dataplane, plan, wanted, diag);

	if (err)
		return err;
	plan_tell(manager, plan);
	changes_tell(manager, manager->actual, wanted);
	motion_take(manager, wanted);
	if (visit)
		visit(promised, data);
	state_adopt(wanted, manager->actual);
	state_free(manager->actual);
	manager->actual = wanted;
	locals_follow(manager);
	return 0;
}

/* An interface that has lost our program (somebody detached it, or made it anew under the same
 * number) is not one of ours any more: the next plan attaches it. */
static void fronts_check(struct manager *manager)
{
	struct state *actual = manager->actual;
	size_t kept = 0;

	for (size_t i = 0; i < actual->front_count; i++) {
		const struct net_link *link =
			net_view_link(&manager->view, actual->fronts[i].ifindex);

		if (link && !link->xdp_prog_id)
			front_lost_tell(manager, &actual->fronts[i]);
		else
			actual->fronts[kept++] = actual->fronts[i];
	}
	actual->front_count = kept;
}

void manager_settle(struct manager *manager)
{
	uint64_t now_ms = boottime_ms();
	bool dirty = manager->actual->next_ms && now_ms >= manager->actual->next_ms;
	_cleanup_diag_ struct diag diag = { 0 };

	for (size_t s = 0; s < manager->actual->service_count; s++) {
		struct service *service = &manager->actual->services[s];
		uint32_t moving = settle(manager->dataplane, service);

		if (service->moving && !moving)
			settled_tell(manager, service,
				     (now_ms - service->moving_since_ms) / 1000);
		motion_note(manager->dataplane, service, moving);
		dirty |= drains_end(manager->dataplane, service);
	}
	if (dirty && manager_reconcile(manager, &diag))
		log_diag(LOG_WARNING, &diag);
}

void manager_recheck(struct manager *manager)
{
	struct state *actual = manager->actual;
	size_t kept = 0;

	net_routes_forget(manager->net);
	locals_recheck(manager);
	for (size_t i = 0; i < actual->reply_hook_count; i++)
		if (reply_is_ours(manager->dataplane, actual->reply_hooks[i]))
			actual->reply_hooks[kept++] = actual->reply_hooks[i];
	actual->reply_hook_count = kept;
}

/* Leaves out the fronts that were to be attached now. Returns whether there were any. */
static bool fronts_new_drop(struct state *wanted, const struct state *actual)
{
	size_t kept = 0, count = wanted->front_count;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < actual->front_count; j++)
			if (actual->fronts[j].ifindex == wanted->fronts[i].ifindex) {
				wanted->fronts[kept++] = wanted->fronts[i];
				break;
			}
	wanted->front_count = kept;
	return kept < count;
}

/* The world's changes, of all services or of one; with or without those of the fronts. */
static int changes_follow(struct manager *manager, struct config *config,
			  const struct config_service *only, bool new_fronts, struct diag *diag)
{
	struct state *wanted;
	struct plan *plan;
	int err = wanted_make(manager, config, only, true, &wanted);

	if (err)
		return err;
	if (!new_fronts && !fronts_new_drop(wanted, manager->actual)) {
		state_free(wanted);
		return -EALREADY;
	}
	err = plan_of(manager, wanted, &plan, diag);
	if (!err) {
		err = wanted_apply(manager, wanted, plan, NULL, NULL, NULL, diag);
		plan_free(plan);
	}
	if (err)
		state_free(wanted);
	return err;
}

/* An interface that cannot be attached (it came later, with somebody else's program on it) is told
 * in diag, and must not keep the backends from being followed. */
static int world_follow(struct manager *manager, struct config *config, struct diag *diag)
{
	int err = hops_settle(manager, config, 0);

	if (err)
		return err;
	fronts_check(manager);
	err = changes_follow(manager, config, NULL, true, diag);
	manager->followed = !err;
	if (err && !changes_follow(manager, config, NULL, false, diag))
		err = 0;
	isolation_wake(manager->isolation);
	flows_wake(manager->flows);
	return err;
}

int manager_reconcile(struct manager *manager, struct diag *diag)
{
	struct config *before = manager->config, *fresh = containers_refresh(manager);
	int err = world_follow(manager, fresh ? fresh : before, diag);

	if (!fresh)
		return err;
	if (err) {
		config_resolved_free(fresh);
		return err;
	}
	manager->config = fresh;
	config_resolved_free(before);
	return checks_set(manager, manager->config);
}

/* Whether nothing has changed since everything was looked at: no message waits, none was put off
 * (manager_wake()), and the time at which a drain or a slow start goes on has not come. */
static bool world_is_still(const struct manager *manager)
{
	uint64_t next_ms = manager->actual->next_ms;

	return manager->followed && manager->actual->config == manager->config &&
	       !net_drain(manager->net) && manager->burst_timer &&
	       !evtimer_pending(manager->burst_timer, NULL) &&
	       (!next_ms || boottime_ms() < next_ms);
}

int manager_reconcile_service(struct manager *manager, const struct config_service *service,
			      struct diag *diag)
{
	if (world_is_still(manager))
		return changes_follow(manager, manager->config, service, true, diag);
	return manager_reconcile(manager, diag);
}

/* ---- reload --------------------------------------------------------------------------------- */

/* What an @include brought in is not kept, and the file may say something else by now. */
static int previous_vet(const struct manager *manager, struct diag *diag)
{
	if (!manager->previous_text) {
		diag_add(diag, NULL, 0, "there is no previous config to go back to");
		return -ENOENT;
	}
	if (!manager->previous_includes)
		return 0;
	diag_add(diag, manager->previous_name, 0,
		 "the previous config has an @include, and what it included is not kept: put the "
		 "files back as they were and reload them");
	return -EOPNOTSUPP;
}

/* Reads it once: the text that is kept for "--previous" is what the values were made of. */
static int config_read(const struct manager *manager, const struct reload *reload,
		       char **ret_text, struct config **ret_config, struct diag *diag)
{
	const char *name = reload->previous ? manager->previous_name
			   : reload->text   ? reload->name
					    : manager->options.config;
	const char *kept = reload->previous ? manager->previous_text : reload->text;
	int err = reload->previous ? previous_vet(manager, diag) : 0;
	char *text = NULL;

	if (err)
		return err;
	if (kept) {
		text = mem_text(kept);
	} else {
		err = slurp(name, false, &text);
		if (err) {
			diag_add(diag, name, 0, "cannot read it: %s", slurp_error(err));
			return err;
		}
	}
	err = kept ? config_load_text(name, text, ret_config, diag)
		   : config_load_read(name, text, ret_config, diag);
	if (err)
		free(text);
	else
		*ret_text = text;
	return err;
}

/* What a file cannot know by itself. */
static int config_vet(const struct manager *manager, const struct config *config,
		      struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (interface->optional ||
		    net_view_link_by_name(&manager->view, interface->name))
			continue;
		diag_add(diag, config->file, interface->line,
			 "interface \"%s\" does not exist (optional = true lets it come later)",
			 interface->name);
		err = -ENODEV;
	}
	if (manager->dataplane && config->max_slots != manager->dataplane->max_slots) {
		diag_add(diag, config->file, 0,
			 "tuning.max_slots is %u, but the tables were made with %u: another size "
			 "takes an \"lbctl unload\" first",
			 config->max_slots, manager->dataplane->max_slots);
		err = -EINVAL;
	}
	return err;
}

int manager_read(struct manager *manager, const struct reload *reload,
		 struct preview *ret_preview, struct diag *diag)
{
	struct preview preview = { 0 };
	int err = config_read(manager, reload, &preview.text, &preview.written, diag);

	if (err)
		return err;
	preview.config = containers_resolve(manager, preview.written);
	*ret_preview = preview;
	return 0;
}

/* What the config that was read would do. */
static int preview_plan(struct manager *manager, struct preview *preview, struct diag *diag)
{
	int err = hops_settle(manager, preview->config, SETTLE_MS);

	if (!err)
		err = config_vet(manager, preview->config, diag);
	if (!err)
		err = plan_make(manager, preview->config, false, &preview->wanted, &preview->plan,
				diag);
	if (!err)
		err = isolation_plan(manager->isolation, preview->config, &preview->policy, diag);
	if (!err)
		preview->flows = flows_plan(manager->flows, preview->config);
	return err;
}

int manager_preview(struct manager *manager, const struct reload *reload,
		    struct preview *ret_preview, struct diag *diag)
{
	struct preview preview = { 0 };
	int err = manager_read(manager, reload, &preview, diag);

	if (!err)
		err = preview_plan(manager, &preview, diag);
	if (err)
		preview_clear(&preview);
	else
		*ret_preview = preview;
	return err;
}

void preview_clear(struct preview *preview)
{
	plan_free(preview->plan);
	state_free(preview->wanted);
	config_resolved_free(preview->config);
	config_free(preview->written);
	free(preview->text);
	free(preview->policy);
	free(preview->flows);
	*preview = (struct preview){ 0 };
}

static bool break_allowed(const struct reload *reload, const char *service)
{
	for (size_t i = 0; i < reload->break_count; i++)
		if (!strcmp(reload->breaks[i], service))
			return true;
	return false;
}

static int breaks_vet(const struct plan *plan, const struct reload *reload, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < plan->service_count; i++) {
		const struct plan_service *service = &plan->services[i];

		if (!service->breaks || break_allowed(reload, service->name))
			continue;
		diag_add(diag, NULL, 0,
			 "service \"%s\": its live flows would break (%s); \"--break %s\" says "
			 "that this is meant",
			 service->name, service->why, service->name);
		err = -EPERM;
	}
	return err;
}

/* The new config is in use: it takes the place of the old one. */
static void config_take(struct manager *manager, const struct reload *reload,
			struct preview *preview)
{
	struct config *config = preview->config;

	free(manager->previous_name);
	free(manager->previous_text);
	manager->previous_name = manager->config ? mem_text(manager->config->file) : NULL;
	manager->previous_includes = manager->config && manager->config->includes;
	manager->previous_text = manager->text;
	manager->text = preview->text;
	config_resolved_free(manager->config);
	config_free(manager->written);
	manager->config = config;
	manager->written = preview->written;
	preview->text = NULL;
	preview->config = preview->written = NULL;
	manager->source = reload->previous ? "previous" : reload->text ? "once" : "-c";
	clock_gettime(CLOCK_REALTIME, &manager->loaded);
}

/* Takes what was read, also where it fails. */
static int config_apply(struct manager *manager, const struct reload *reload,
			struct preview *read, bool may_break, preview_visitor *visit, void *data,
			struct diag *diag)
{
	struct preview preview = *read;
	struct state *wanted = NULL;
	struct plan *plan = NULL;
	int err = preview_plan(manager, &preview, diag);

	*read = (struct preview){ 0 };
	if (!err && !may_break)
		err = breaks_vet(preview.plan, reload, diag);
	/* Now with leave to touch, and without hope for backends that were never checked. */
	if (!err)
		err = plan_make(manager, preview.config, true, &wanted, &plan, diag);
	if (!err)
		err = parts_apply(manager, preview.config, diag);
	if (!err) {
		err = wanted_apply(manager, wanted, plan, &preview, visit, data, diag);
		if (err)
			parts_return(manager, preview.config, diag);
	}
	if (err) {
		if (manager->written)
			containers_watch(manager); /* the runtime that it was, whatever was asked */
		plan_free(plan);
		state_free(wanted);
		preview_clear(&preview);
		return err;
	}
	manager->followed = true;
	config_take(manager, reload, &preview);
	reload_tell(manager, plan, &preview);
	plan_free(plan);
	preview_clear(&preview);
	parts_remove(manager, diag);
	isolation_cut(manager->isolation);
	checks_set(manager, manager->config);
	if (containers_watch(manager))
		log_warning("containers are not watched: no memory");
	return 0;
}

int manager_reload(struct manager *manager, const struct reload *reload, preview_visitor *visit,
		   void *data, struct diag *diag)
{
	struct preview read;
	int err;

	manager_recheck(manager);
	err = manager_read(manager, reload, &read, diag);
	if (!err)
		err = config_apply(manager, reload, &read, false, visit, data, diag);
	if (err) {
		manager->reloads_refused++;
		refusal_add_event(manager, reload, diag);
	} else {
		manager->reloads_done++;
	}
	return err;
}

int manager_start_config(struct manager *manager, struct preview *read, struct diag *diag)
{
	const struct reload first = { 0 };

	return config_apply(manager, &first, read, true, NULL, NULL, diag);
}
