/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the container runtime says, made part of the config in use. The runtime is watched only
 * while a backend, a group of the policy or the names of flows ask for it. A config that is read
 * for the first time waits a moment for it, and is then taken without it, for a host without its
 * containers still has its other backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/model/resolve.h"
#include "lb/watch/runtime.h"

#define FIRST_LIST_MS 2000
#define OBJECT_MAX    320 /* "container runtime PATH" */

struct container_source {
	struct runtime *runtime;	/* NULL: not watched */
	char *socket;
	char reason[RUNTIME_REASON_MAX]; /* as it was told last */
	struct containers first;	/* a list from before it was watched */
	bool asked, first_known;	/* for that one; and it came */
};

static void source_clear(struct container_source *source)
{
	runtime_close(source->runtime);
	containers_clear(&source->first);
	free(source->socket);
	*source = (struct container_source){ 0 };
}

/* What was known of another runtime says nothing of this one. */
static struct container_source *source_of(struct manager *manager, const char *socket)
{
	struct container_source *source = manager->containers;

	if (!source)
		source = manager->containers = mem_array(1, sizeof(*source));
	if (source->socket && strcmp(source->socket, socket))
		source_clear(source);
	if (!source->socket)
		source->socket = mem_text(socket);
	return source;
}

void containers_release(struct manager *manager)
{
	if (manager->containers)
		source_clear(manager->containers);
	free(manager->containers);
	manager->containers = NULL;
}

/* ---- the config's part ---------------------------------------------------------------------- */

static struct config *resolve_without(const struct config *written, const char *reason)
{
	const struct containers none = { 0 };
	char unknown[RUNTIME_REASON_MAX + 160];

	snprintf(unknown, sizeof(unknown), "the container runtime at %.100s does not answer: %s",
		 written->runtime_socket, reason);
	return config_resolve(written, &none, unknown);
}

/* NULL: nothing is known. */
static struct config *resolve_known(const struct container_source *source,
				    const struct config *written)
{
	struct containers known;

	if (!source || !source->runtime || !runtime_known(source->runtime) ||
	    strcmp(source->socket, written->runtime_socket))
		return NULL;
	/* Only read: the list stays the runtime's. */
	known.list = (struct container *)runtime_containers(source->runtime, &known.count);
	return config_resolve(written, &known, NULL);
}

static struct config *resolve_asking(const struct config *written)
{
	struct containers containers = { 0 };
	char reason[RUNTIME_REASON_MAX] = "no memory";
	struct config *config;

	if (runtime_read(written->runtime_socket, FIRST_LIST_MS, &containers, reason))
		return resolve_without(written, reason);
	config = config_resolve(written, &containers, NULL);
	containers_clear(&containers);
	return config;
}

struct config *containers_resolve(struct manager *manager, const struct config *written)
{
	const struct containers none = { 0 };
	struct config *config;

	if (!config_needs_containers(written))
		return config_resolve(written, &none, NULL);
	config = resolve_known(manager->containers, written);
	return config ? config : resolve_asking(written);
}

struct config *containers_refresh(struct manager *manager)
{
	struct config *fresh = resolve_known(manager->containers, manager->written);

	if (!fresh || !config_resolved_equal(fresh, manager->config))
		return fresh;
	config_resolved_free(fresh);
	return NULL;
}

const struct container *containers_watched(const struct manager *manager,
					   const struct config *config, size_t *ret_count,
					   enum containers_known *ret_known)
{
	const struct container_source *source = manager->containers;

	*ret_count = 0;
	*ret_known = CONTAINERS_NONE;
	if (!source || !source->runtime || !runtime_known(source->runtime) ||
	    strcmp(source->socket, config->runtime_socket))
		return NULL;
	*ret_known = *runtime_reason(source->runtime) || runtime_is_asking(source->runtime)
			     ? CONTAINERS_LAST : CONTAINERS_ALL;
	return runtime_containers(source->runtime, ret_count);
}

static void silence_tell(struct manager *manager, const char *socket, const char *reason)
{
	char object[OBJECT_MAX];

	log_warning("policy: the container runtime at %s does not answer: %s; "
		    "containers that nobody has named are judged by the strictest rules",
		    socket, reason);
	snprintf(object, sizeof(object), "container runtime %s", socket);
	events_add(manager->events, &(struct change){ .kind = EVENT_CONTAINER, .object = object,
						      .to = "not connected", .cause = reason });
}

const struct container *containers_list(struct manager *manager, const struct config *config,
					size_t *ret_count, enum containers_known *ret_known)
{
	struct container_source *source = source_of(manager, config->runtime_socket);
	char reason[RUNTIME_REASON_MAX] = "no memory";

	if (source->runtime && runtime_known(source->runtime))
		return containers_watched(manager, config, ret_count, ret_known);
	*ret_known = source->first_known ? CONTAINERS_LAST : CONTAINERS_NONE;
	if (!source->asked) {
		source->first_known = !runtime_read(source->socket, FIRST_LIST_MS, &source->first,
						    reason);
		*ret_known = source->first_known ? CONTAINERS_ALL : CONTAINERS_NONE;
		if (!source->first_known)
			silence_tell(manager, source->socket, reason);
	}
	source->asked = true;
	*ret_count = source->first.count;
	return source->first.list;
}

/* ---- watching ------------------------------------------------------------------------------- */

/* Flows go by the paths of their cgroups where there is none. */
static bool somebody_needs_runtime(const struct manager *manager)
{
	return config_needs_containers(manager->written) ||
	       isolation_wants_runtime(manager->written);
}

static void connection_tell(struct manager *manager)
{
	struct container_source *source = manager->containers;
	const char *reason = runtime_reason(source->runtime);
	char object[OBJECT_MAX], cause[RUNTIME_REASON_MAX + 64] = "";
	const char *before = reason[0] ? NULL : "not connected"; /* of another reason: no change */

	if (!strcmp(source->reason, reason))
		return;
	snprintf(object, sizeof(object), "container runtime %s", source->socket);
	if (reason[0])
		snprintf(cause, sizeof(cause), "%s; what is known of containers stays", reason);
	change_tell(manager->events,
		    reason[0] && somebody_needs_runtime(manager) ? LOG_WARNING : LOG_NOTICE,
		    &(struct change){
			    .kind = EVENT_CONTAINER,
			    .object = object,
			    .from = source->reason[0] ? before : "connected",
			    .to = reason[0] ? "not connected" : "connected",
			    .cause = cause,
		    });
	snprintf(source->reason, sizeof(source->reason), "%s", reason);
}

static void on_runtime(void *data)
{
	struct manager *manager = data;

	connection_tell(manager);
	isolation_wake(manager->isolation);
	flows_wake(manager->flows);
	manager_wake(manager);
}

struct runtime *containers_runtime(const struct manager *manager)
{
	return manager->containers ? manager->containers->runtime : NULL;
}

int containers_watch(struct manager *manager)
{
	struct container_source *source;
	int err;

	if (!somebody_needs_runtime(manager) && !manager->written->flows) {
		containers_release(manager);
		return 0;
	}
	source = source_of(manager, manager->written->runtime_socket);
	if (source->runtime)
		return 0;
	err = runtime_open(manager->loop, source->socket, on_runtime, manager, &source->runtime);
	if (!err)
		snprintf(source->reason, sizeof(source->reason), "%s",
			 runtime_reason(source->runtime));
	return err;
}
