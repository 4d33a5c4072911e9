/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's steps of world.h. What lb/reconcile.c gets from netlink, checks and the operator
 * comes from the members; from there on everything is the daemon's own. */
#include "tests/model/daemon.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lb/kernel/settle.h"
#include "lb/kernel/sink.h"
#include "lb/model/desired.h"

#define LOOPBACK 1
#define SERVICES 2

/* ---- the config ----------------------------------------------------------------------------- */

static void service_print(FILE *to, const struct world *world, const char *head)
{
	const char *comma = "";

	fprintf(to, "{ %s vips = [ \"" VIP "\" ]; forward = \"dsr\"; ring_size = %u;"
		    " idle_timeout = \"%" PRIu64 "ms\"; backends = (",
		head, world->setup.ring, ticks_ms(world->setup.idle));
	for (int i = 0; i < BACKENDS; i++) {
		if (!world->members[i].present)
			continue;
		fprintf(to, "%s{ name = \"b%d\"; address = \"10.1.0.%d\";", comma, i, i + 2);
		fprintf(to, " drain = \"%" PRIu64 "ms\";", ticks_ms(DRAIN_TICKS(i)));
		fprintf(to, "%s%s }", i == SLOW_BACKEND ? " slow_start = \"30s\";" : "",
			i == BACKUP_BACKEND ? " backup = true;" : "");
		comma = ", ";
	}
	fprintf(to, "); }");
}

static struct config *config_make(const struct world *world)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config;
	size_t size;
	char *text;
	FILE *to = open_memstream(&text, &size);

	fprintf(to, "version = 1; services = (");
	service_print(to, world, "name = \"web\"; ports = [ 80 ];");
	fprintf(to, ", ");
	service_print(to, world, "name = \"dns\"; ports = [ 53 ]; protocol = \"udp\";"
				 " track = \"always\";");
	fprintf(to, "); tuning: { max_slots = 1021; hash_seed = \"model\"; };");
	fclose(to);
	if (config_load_text("model.conf", text, &config, &diag))
		world_fail("the test's own config is refused", &diag);
	free(text);
	return config;
}

static struct config *config_now(struct world *world)
{
	unsigned int present = 0;

	for (int i = 0; i < BACKENDS; i++)
		present |= world->members[i].present << i;
	if (!world->configs[present])
		world->configs[present] = config_make(world);
	return world->configs[present];
}

/* ---- the wanted state ----------------------------------------------------------------------- */

struct rows {			/* what the network and the checks say, row by row */
	struct row_hop hops[SERVICES * BACKENDS];
	struct row_health health[SERVICES * BACKENDS];
	struct override overrides[SERVICES * BACKENDS];
	size_t count;
};

static void row_add(struct rows *rows, const struct member *member, int service, int backend)
{
	const unsigned char mac[6] = { 2, 0, 0, 0, service, backend };
	struct override *override = &rows->overrides[rows->count];
	struct row_hop *hop = &rows->hops[rows->count];

	*hop = (struct row_hop){ .known = member->has_hop, .reason = "no neighbour" };
	hop->hop.ifindex = LOOPBACK;
	hop->hop.local = true;
	memcpy(hop->hop.dst_mac, mac, sizeof(mac));
	rows->health[rows->count] = (struct row_health){ .up = !member->ill,
							 .reason = "check failed" };
	*override = (struct override){
		.has_state = true, .state = member->admin,
		.has_weight = true, .weight = member->weight,
	};
	strcpy(override->service, service ? "dns" : "web");
	snprintf(override->backend, sizeof(override->backend), "b%d", backend);
	rows->count++;
}

struct state *daemon_desired(struct world *world, const struct state *actual)
{
	struct rows rows = { .count = 0 };
	struct overrides overrides = { .entries = rows.overrides };
	struct net_view view = { 0 };
	struct sources sources = { .config = config_now(world), .overrides = &overrides,
				   .view = &view, .hops = rows.hops, .health = rows.health,
				   .now_ms = world_now_ms(world) };
	struct state *wanted;

	for (int service = 0; service < SERVICES; service++)
		for (int i = 0; i < BACKENDS; i++)
			if (world->members[i].present)
				row_add(&rows, &world->members[i], service, i);
	overrides.count = rows.count;
	hash_keys_of(sources.config->hash_seed, sources.hash_key);
	if (desired(&sources, actual, &wanted))
		world_fail("no wanted state", NULL);
	return wanted;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void motion_take(struct world *world)
{
	for (size_t s = 0; s < world->actual->service_count; s++)
		motion_note(world->dataplane, &world->actual->services[s],
			    slots_moving(world->dataplane, &world->actual->services[s]));
}

size_t world_reconcile(struct world *world)
{
	struct kernel_view kernel = kernel_view_of(world->dataplane);
	struct state *wanted = daemon_desired(world, world->actual);
	_cleanup_diag_ struct diag diag = { 0 };
	struct plan *plan;
	size_t ops;

	if (diff(world->actual, wanted, &kernel, &plan, &diag) ||
	    plan_apply(world->dataplane, plan, wanted, &diag))
		world_fail("a plan failed", &diag);
	ops = plan->op_count;
	plan_free(plan);
	state_free(world->actual);
	world->actual = wanted;
	motion_take(world);
	return ops;
}

void world_second(struct world *world)
{
	bool dirty = world->actual->next_ms && world_now_ms(world) >= world->actual->next_ms;

	for (size_t s = 0; s < world->actual->service_count; s++) {
		struct service *service = &world->actual->services[s];

		motion_note(world->dataplane, service, settle(world->dataplane, service));
		dirty |= drains_end(world->dataplane, service);
	}
	if (dirty)
		world_reconcile(world);
}

size_t world_restart(struct world *world)
{
	struct state *found;

	if (state_recover(world->dataplane, &found))
		world_fail("nothing is recovered", NULL);
	state_free(world->actual);
	world->actual = found;
	return world_reconcile(world);
}
