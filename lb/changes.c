/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan has changed, told once it is carried out: lines of the log, and an event for each
 * object that is in another state than before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/events.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/model/resolve.h"

#define FINDINGS_MAX 8 /* of a refused config that an event names */

static void backend_tell(struct manager *manager, const struct service *service,
			 const struct backend *before, const struct backend *now)
{
	const struct backend *named = before && addr_is_nobody(&now->identity.address) ? before
										     : now;
	char addr[ADDR_TEXT_MAX] = "", object[2 * CONFIG_NAME_MAX + ADDR_TEXT_MAX + 16];

	/* A state that was read back from the tables has no reason; it was told by the last lbd. */
	if (before && before->state == now->state &&
	    (!before->reason[0] || !strcmp(before->reason, now->reason)))
		return;
	if (!addr_is_nobody(&named->identity.address))
		addr_format(&named->identity.address, addr);
	snprintf(object, sizeof(object), "backend %s/%s%s%s", service->name, now->name,
		 addr[0] ? " " : "", addr);
	change_tell(manager->events, LOG_NOTICE,
		    &(struct change){
			    .kind = EVENT_HEALTH,
			    .object = object,
			    .from = before ? backend_state_name(before->state) : "new",
			    .to = backend_state_name(now->state),
			    .cause = now->reason,
		    });
}

static void service_object(const struct service *service, char object[CONFIG_NAME_MAX + 16])
{
	snprintf(object, CONFIG_NAME_MAX + 16, "service %s", service->name);
}

/* What a recovered service was is not known: then only what is down is told. */
static void service_tell(struct manager *manager, const struct service *before,
			 const struct service *now)
{
	bool known = before && before->config;
	char object[CONFIG_NAME_MAX + 16];

	if (known ? before->up == now->up : now->up)
		return;
	service_object(now, object);
	change_tell(manager->events, LOG_NOTICE,
		    &(struct change){
			    .kind = EVENT_HEALTH,
			    .object = object,
			    .from = known ? (before->up ? "up" : "down") : "new",
			    .to = now->up ? "up" : "down",
			    .cause = now->reason,
		    });
}

void changes_tell(struct manager *manager, const struct state *before, const struct state *now)
{
	for (size_t s = 0; s < now->service_count; s++) {
		const struct service *service = &now->services[s];
		const struct service *old;

		if (service->borrowed)
			continue;
		old = state_service(before, service->name);
		for (size_t b = 0; b < service->backend_count; b++) {
			const struct backend *backend = &service->backends[b];

			backend_tell(manager, service,
				     old ? service_backend(old, backend->name, backend->family)
					 : NULL,
				     backend);
		}
		service_tell(manager, old, service);
	}
}

void settled_tell(struct manager *manager, const struct service *service, uint64_t seconds)
{
	struct json_object *more = json_object_new_object();
	char object[CONFIG_NAME_MAX + 16];

	service_object(service, object);
	log_notice("%s: moving → settled after %llu s", object, (unsigned long long)seconds);
	json_object_object_add(more, "seconds", json_object_new_uint64(seconds));
	events_add(manager->events, &(struct change){ .kind = EVENT_HEALTH, .object = object,
						      .from = "moving", .to = "settled",
						      .more = more });
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static void front_add_event(struct manager *manager, const struct front *front, bool attached,
			    const char *cause)
{
	char object[sizeof(front->name) + 16];

	snprintf(object, sizeof(object), "interface %s", front->name);
	events_add(manager->events, &(struct change){
		.kind = EVENT_INTERFACE,
		.object = object,
		.from = attached ? "detached" : "attached",
		.to = attached ? "attached" : "detached",
		.cause = cause,
	});
}

void front_lost_tell(struct manager *manager, const struct front *front)
{
	log_warning("interface %s: lb attached → detached by somebody else", front->name);
	front_add_event(manager, front, false, "by somebody else");
}

void plan_tell(struct manager *manager, const struct plan *plan)
{
	for (size_t i = 0; i < plan->op_count; i++) {
		const struct op *op = &plan->ops[i];
		bool attach = op->kind == OP_FRONT_ATTACH;
		bool front = attach || op->kind == OP_FRONT_DETACH;
		char *text = op_text(op);

		log_line(front ? LOG_NOTICE : LOG_INFO, "%s", text ? text : "");
		free(text);
		if (attach && op->front->generic)
			log_warning("interface %s: generic XDP, several times slower than native",
				    op->front->name);
		if (front)
			front_add_event(manager, op->front, attach,
					!attach		     ? NULL
					: op->front->generic ? "generic XDP, several times slower "
							       "than native"
							     : "native XDP");
	}
}

/* ---- reloads --------------------------------------------------------------------------------- */

/* The caller frees it. */
static char *config_object(const char *name)
{
	char *object;

	return mem_must(asprintf(&object, "config %s", name) < 0 ? NULL : object);
}

struct operations {
	size_t added, changed, removed;
};

/* By kind alone: what an operation took away is not there any more. */
static struct operations operations_count(const struct plan *plan)
{
	struct operations count = { 0 };

	for (size_t i = 0; i < plan->op_count; i++) {
		const struct op *op = &plan->ops[i];

		if (op->kind > OP_LAST_WRITE)
			count.removed++;
		else if (op->kind <= OP_LAST_MAKE || op->kind == OP_BACKEND_ADD ||
			 op->kind == OP_RING_ADD || (op->kind == OP_SERVICE_INFO && op->number))
			count.added++;
		else
			count.changed++;
	}
	return count;
}

static struct json_object *operations_json(const struct operations *count)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "added", json_object_new_uint64(count->added));
	json_object_object_add(object, "changed", json_object_new_uint64(count->changed));
	json_object_object_add(object, "removed", json_object_new_uint64(count->removed));
	return object;
}

void reload_tell(struct manager *manager, const struct plan *plan, const struct preview *preview)
{
	const struct config *config = manager->config;
	const struct operations count = operations_count(plan);
	struct json_object *more = json_object_new_object();
	char *object = config_object(config->file), cause[160];

	log_notice("%s: loaded, %zu service%s", object, config->service_count,
		   config->service_count == 1 ? "" : "s");
	json_object_object_add(more, "source", json_object_new_string(manager->source));
	json_object_object_add(more, "services", json_object_new_uint64(config->service_count));
	json_object_object_add(more, "operations", operations_json(&count));
	json_object_object_add(more, "policy",
			       preview->policy ? json_object_new_string(preview->policy) : NULL);
	json_object_object_add(more, "flows",
			       preview->flows ? json_object_new_string(preview->flows) : NULL);
	snprintf(cause, sizeof(cause), "%s, %zu added, %zu changed, %zu removed", manager->source,
		 count.added, count.changed, count.removed);
	events_add(manager->events, &(struct change){ .kind = EVENT_PLAN, .object = object,
						      .to = "applied", .cause = cause,
						      .more = more });
	free(object);
}

/* On one line, the first of them. */
static char *findings_text(const struct diag *diag)
{
	char *text = NULL;
	size_t size;
	FILE *to = mem_must(open_memstream(&text, &size));

	for (size_t i = 0; i < diag->count && i < FINDINGS_MAX; i++) {
		const struct diag_entry *entry = &diag->entries[i];

		fputs(i ? "; " : "", to);
		if (entry->file && entry->line)
			fprintf(to, "%s:%d: ", entry->file, entry->line);
		else if (entry->file)
			fprintf(to, "%s: ", entry->file);
		fputs(entry->text, to);
	}
	if (diag->count > FINDINGS_MAX)
		fprintf(to, "; and %zu more", diag->count - FINDINGS_MAX);
	fclose(to);
	return mem_must(text);
}

void refusal_add_event(struct manager *manager, const struct reload *reload,
		       const struct diag *diag)
{
	const char *name = reload->previous ? manager->previous_name
			   : reload->text   ? reload->name
					    : manager->options.config;
	char *object = config_object(name ? name : "before this one");
	char *cause = findings_text(diag);

	events_add(manager->events, &(struct change){ .kind = EVENT_PLAN, .object = object,
						      .to = "refused", .cause = cause });
	free(object);
	free(cause);
}

void trouble_add_event(struct manager *manager, enum event_kind kind, const char *object,
		       const char *well, bool was, const struct diag *diag)
{
	char *cause = findings_text(diag);

	if (was || diag->count)
		events_add(manager->events, &(struct change){
			.kind = kind,
			.object = object,
			.from = was ? "in trouble" : well,
			.to = diag->count ? "in trouble" : well,
			.cause = cause,
		});
	free(cause);
}
