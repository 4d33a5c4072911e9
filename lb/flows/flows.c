/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows from their beginning in the config to their end: programs, timers, and what the names are
 * made from. The programs and their records outlive the daemon, which finds them again. */
#include "lb/flows/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/log.h"
#include "lb/watch/cgroup_fs.h"
#include "lb/watch/netns_look.h"
#include "lb/watch/runtime.h"

#define SOON_USEC	2000	/* a container that starts makes several events */
#define TIDY_SECONDS	30
#define CGROUPS_AT_ONCE 1024
#define HOUR_NS		(3600 * NS_PER_S)
#define DAY_NS		(24 * HOUR_NS)

/* ---- where they are seen --------------------------------------------------------------------- */

/* Every program where the config wants it and a cgroup is there. One that comes, or comes again
 * under the same path, is found by flows_second(). */
static int stands_attach(struct flows *flows, const struct config_flows *config, uint64_t *ret_ids,
			 struct diag *diag)
{
	const char **there;
	char root[CGROUP_PATH_MAX];
	size_t count = 0;
	int err = cgroup_fs_root(root);

	if (err) {
		diag_add(diag, NULL, 0, "flows: cgroup v2 is not mounted here, and nothing is seen "
			 "without it: \"mount -t cgroup2 cgroup2 /sys/fs/cgroup\", or another "
			 "place where that one is taken");
		return err;
	}
	there = mem_array(config->cgroup_count + 1, sizeof(*there));
	for (size_t i = 0; i < config->cgroup_count; i++) {
		ret_ids[i] = 0;
		if (!cgroup_fs_id(config->cgroups[i], &ret_ids[i]))
			there[count++] = config->cgroups[i];
	}
	if (!config->cgroup_count)
		there[count++] = "";
	err = flow_kernel_attach(flows->kernel, there, count, diag);
	free(there);
	return err;
}

static void stands_tell(const struct flows *flows, const uint64_t *before)
{
	for (size_t i = 0; i < flows->config->cgroup_count; i++) {
		const char *cgroup = flows->config->cgroups[i];

		if (flows->stands[i] && before && !before[i])
			log_notice("flows: cgroup %s: none → seen", cgroup);
		else if (!flows->stands[i] && (!before || before[i]))
			log_warning("flows: cgroup %s: %s: it is not there, and is waited for",
				    cgroup, before ? "seen → none" : "none");
	}
}

static void stands_follow(struct flows *flows)
{
	const struct config_flows *config = flows->config;
	uint64_t *now = mem_array(config->cgroup_count, sizeof(*now));
	_cleanup_diag_ struct diag diag = { 0 };
	bool same = true;
	char *text;

	for (size_t i = 0; i < config->cgroup_count; i++) {
		if (cgroup_fs_id(config->cgroups[i], &now[i]))
			now[i] = 0;
		same = same && now[i] == flows->stands[i];
	}
	if (!same && !stands_attach(flows, config, now, &diag)) {
		uint64_t *before = flows->stands;

		flows->stands = now;
		stands_tell(flows, before);
		now = before;
	}
	free(now);
	text = diag_text(&diag);
	if (diag.count && (!flows->trouble || strcmp(text, flows->trouble)))
		log_diag(LOG_WARNING, &diag);
	free(flows->trouble);
	flows->trouble = text;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* In time for most: the event of its making tells a container's name before its first flow. */
static const char *on_nameless(const char *id, bool first, void *data)
{
	const char *name = runtime_name(data, id);

	if (!name && first)
		runtime_wonder(data, id);
	return name;
}

static void late_follow(struct flows *flows)
{
	size_t count;
	struct flow_renamed *late = flow_names_late(flows->names, &count);

	if (count) {
		accounts_rename(flows->accounts, late, count);
		ended_rename(&flows->ended, late, count);
	}
	free(late);
}

static void names_follow(struct flows *flows)
{
	struct runtime *runtime = containers_runtime(flows->manager);
	const struct manager *manager = flows->manager;
	const struct container *containers;
	enum containers_known known;
	size_t count;

	if (!manager->config || !flows->kernel)
		return;
	containers = containers_watched(manager, manager->config, &count, &known);
	if (known != CONTAINERS_NONE)
		flow_names_containers(flows->names, containers, count);
	if (runtime)
		flow_names_ask(flows->names, on_nameless, runtime);
	late_follow(flows);
	flow_names_services(flows->names, manager->config, manager->actual->direct,
			    manager->actual->direct_count);
}

static void on_soon(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	names_follow(data);
}

void flows_wake(struct flows *flows)
{
	struct timeval soon = { .tv_usec = SOON_USEC };

	if (flows && flows->kernel && !evtimer_pending(flows->soon_timer, NULL))
		evtimer_add(flows->soon_timer, &soon);
}

static void on_cgroup(uint64_t cgroup, void *data)
{
	places_meet(data, cgroup);
}

static void on_news(evutil_socket_t fd, short what, void *data)
{
	struct flows *flows = data;

	(void)fd, (void)what;
	flow_kernel_news(flows->kernel, on_cgroup, flows->places);
	if (flow_names_wants(flows->names))
		flows_wake(flows);
}

static void on_forgotten(uint64_t cgroup, void *data)
{
	flow_kernel_cgroup_forget(data, cgroup);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void tidy(struct flows *flows)
{
	uint64_t now_ns = clock_ns(), kept_ns = DAY_NS;
	size_t containers, edges;

	places_tidy(flows->places, on_forgotten, flows->kernel);
	accounts_containers(flows->accounts, &containers);
	accounts_edges(flows->accounts, &edges);
	/* What comes and goes must leave room for what is yet to come. */
	if (containers > ACCOUNT_CONTAINERS_MAX / 2 || edges > ACCOUNT_EDGES_MAX / 2)
		kept_ns = HOUR_NS;
	if (now_ns > kept_ns)
		accounts_forget(flows->accounts, now_ns - kept_ns);
}

static void on_second(evutil_socket_t fd, short what, void *data)
{
	struct flows *flows = data;

	(void)fd, (void)what;
	flows_harvest(flows);
	flows_untold(flows);
	if (flow_names_wants(flows->names))
		flows_wake(flows);
	stands_follow(flows);
	if (++flows->seconds < TIDY_SECONDS)
		return;
	flows->seconds = 0;
	tidy(flows);
}

static void on_interval(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	flows_turn(data);
	flows_export(data);
}

static void interval_set(struct flows *flows, unsigned int interval_ms)
{
	struct timeval interval = { .tv_sec = interval_ms / 1000,
				    .tv_usec = interval_ms % 1000 * 1000 };

	event_add(flows->interval_timer, &interval);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void event_end(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void services_forget(struct flows *flows)
{
	for (size_t i = 0; i < flows->service_name_count; i++)
		free(flows->service_names[i]);
	free(flows->service_names);
	flows->service_names = NULL;
	flows->service_name_count = 0;
	free(flows->services);
	flows->services = NULL;
}

/* The kernel's side alone: what was added up and kept stays. */
static void kernel_close(struct flows *flows)
{
	event_end(&flows->news_event);
	event_end(&flows->second_timer);
	event_end(&flows->interval_timer);
	event_end(&flows->soon_timer);
	flow_kernel_close(flows->kernel);
	flows->kernel = NULL;
	flows->records = NULL;
	free(flows->met);
	flows->met = NULL;
	services_forget(flows);
	free(flows->found);
	flows->found = NULL;
	calls_free(flows->calls);
	flows->calls = NULL;
	accounts_free(flows->accounts);
	flows->accounts = NULL;
	flows->record_count = 0;
	flows->last_sample_ns = 0;
	flows->age++;
}

static void parts_close(struct flows *flows)
{
	kernel_close(flows);
	places_free(flows->places);
	flows->places = NULL;
	flow_names_free(flows->names);
	flows->names = NULL;
	ended_resize(&flows->ended, 0);
	free(flows->ended.rows);
	flows->ended = (struct ended){ 0 };
	influx_close(flows->influx);
	flows->influx = NULL;
	free(flows->stands);
	flows->stands = NULL;
	flows->config = NULL;
}

static int timers_make(struct flows *flows)
{
	struct event_base *loop = flows->manager->loop;
	struct timeval second = { .tv_sec = 1 };

	flows->news_event = event_new(loop, flow_kernel_fd(flows->kernel), EV_READ | EV_PERSIST,
				      on_news, flows);
	flows->second_timer = event_new(loop, -1, EV_PERSIST, on_second, flows);
	flows->interval_timer = event_new(loop, -1, EV_PERSIST, on_interval, flows);
	flows->soon_timer = evtimer_new(loop, on_soon, flows);
	if (!flows->news_event || !flows->second_timer || !flows->interval_timer ||
	    !flows->soon_timer)
		return -ENOMEM;
	event_add(flows->news_event, NULL);
	event_add(flows->second_timer, &second);
	return 0;
}

/* Cgroups whose flows an earlier daemon has seen. */
static void cgroups_recall(struct flows *flows)
{
	uint64_t *ids = mem_array(FLOW_CGROUPS, sizeof(*ids));
	size_t count = flow_kernel_cgroups(flows->kernel, ids, FLOW_CGROUPS);

	for (size_t i = 0; i < count; i++)
		places_meet(flows->places, ids[i]);
	free(ids);
}

static int kernel_open(struct flows *flows, size_t records, struct diag *diag)
{
	int err = flow_kernel_open(flows->manager->pin, records, &flows->kernel, diag);

	if (err)
		return err;
	flows->records = flow_kernel_records(flows->kernel, &flows->record_count);
	flows->met = mem_array(flows->record_count, sizeof(*flows->met));
	flows->services = mem_array(flows->record_count, sizeof(*flows->services));
	flows->found = mem_array(flows->record_count, sizeof(*flows->found));
	flows->calls = calls_new(flows->record_count);
	flows->accounts = accounts_new(flows->record_count);
	cgroups_recall(flows);
	return timers_make(flows);
}

static void names_open(struct flows *flows)
{
	if (flows->names)
		return;
	flows->names = flow_names_new();
	flows->places = places_new(flows->names);
	if (netns_cookie_own(&flows->host_netns))
		flows->host_netns = 0;
}

int flows_open(struct manager *manager, struct flows **ret_flows)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	flows->manager = manager;
	*ret_flows = flows;
	return 0;
}

void flows_close(struct flows *flows)
{
	if (!flows)
		return;
	parts_close(flows);
	free(flows->trouble);
	free(flows);
}

int flows_unload(struct flows *flows, struct diag *diag)
{
	bool was = flows->kernel != NULL;
	int err;

	parts_close(flows);
	err = flow_kernel_unload(flows->manager->pin, diag);
	if (was && !err)
		log_notice("flows: seen → none");
	return err;
}

/* ---- a config -------------------------------------------------------------------------------- */

static bool texts_differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

bool flows_target_differs(const struct config_flows *a, const struct config_flows *b)
{
	return texts_differ(a->influxdb, b->influxdb) ||
	       texts_differ(a->influxdb_token, b->influxdb_token);
}

/* Over tables of as many records as the config wants: the same ones where they are there. */
static int kernel_follow(struct flows *flows, const struct config_flows *config, uint64_t *ret_ids,
			 struct diag *diag)
{
	int err = 0;

	if (flows->kernel && flows->record_count != config->records)
		kernel_close(flows);
	if (!flows->kernel)
		err = kernel_open(flows, config->records, diag);
	if (!err)
		err = stands_attach(flows, config, ret_ids, diag);
	return err;
}

/* What was before is put back; without that nothing is seen until the next reload. */
static void kernel_return(struct flows *flows, bool was_loaded)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (!flows->config) {
		parts_close(flows);
		if (!was_loaded)
			flow_kernel_unload(flows->manager->pin, &diag);
	} else if (kernel_follow(flows, flows->config, flows->stands, &diag)) {
		log_diag(LOG_ERR, &diag);
		log_error("flows: seen → none until the next reload");
		parts_close(flows);
	} else {
		interval_set(flows, flows->config->interval_ms);
	}
}

static int target_follow(struct flows *flows, const struct config_flows *config)
{
	struct influx *influx = NULL;
	int err = 0;

	if (flows->config && !flows_target_differs(flows->config, config))
		return 0;
	if (config->influxdb)
		err = influx_open(flows->manager->loop, flows->manager->events, config->influxdb,
				  config->influxdb_token, &influx);
	if (err)
		return err;
	influx_close(flows->influx);
	flows->influx = influx;
	flows->exported_ns = flows->exported_all_ns = 0;
	return 0;
}

/* Sees them by this config from now on. */
static int config_follow(struct flows *flows, const struct config_flows *config, struct diag *diag)
{
	uint64_t *ids = mem_array(config->cgroup_count, sizeof(*ids)), *before = flows->stands;
	bool was_loaded = flow_kernel_is_loaded(flows->manager->pin);
	int err;

	names_open(flows);
	err = kernel_follow(flows, config, ids, diag);
	if (!err)
		err = target_follow(flows, config);
	if (err) {
		free(ids);
		kernel_return(flows, was_loaded);
		return err;
	}
	flows->config = config;
	flows->stands = ids;
	stands_tell(flows, NULL);
	free(before);
	flows->age += flows->ended.room != config->keep;
	ended_resize(&flows->ended, config->keep);
	interval_set(flows, config->interval_ms);
	return 0;
}

int flows_apply(struct flows *flows, const struct config *config, struct diag *diag)
{
	char *changes;
	int err;

	if (!config->flows)
		return !flows->kernel && !flow_kernel_is_loaded(flows->manager->pin)
			       ? 0 : flows_unload(flows, diag);
	changes = flows_plan(flows, config);
	err = config_follow(flows, config->flows, diag);
	if (!err && changes)
		log_notice("%s", changes);
	free(changes);
	/* What could not be put back is about to be freed. */
	if (err && config == flows->manager->config && flows->config != config->flows)
		parts_close(flows);
	if (!err)
		flows_wake(flows);
	return err;
}
