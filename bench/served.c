/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One lbd at a time, for all scenarios that its services fit. */
#include "bench/served.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/kernel/stats.h"

#define SHARE_LEAST 0.9	/* of the slots that are to move: the ring rounds */

static struct scenario_config config_of(const struct scenario *scenario, enum before before)
{
	struct scenario_config config = {
		.fronts = { "front", "link" },
		.interface = { [CONFIG_NAT] = "inside", [CONFIG_DSR] = "link",
			       [CONFIG_IPIP] = "link", [CONFIG_GUE] = "link" },
		.services = scenario_services(scenario),
		.backends = scenario_backends(scenario),
		.before = scenario->moving ? before : NO_BEFORE,
		.before_share = scenario->moving,
	};
	bool all = !scenario->moving && !scenario->services && !scenario->backends;

	for (int forward = CONFIG_NAT; forward <= CONFIG_GUE; forward++)
		config.forward[forward] = all || forward == (int)scenario->forward;
	return config;
}

static bool is_for(const struct scenario *have, const struct scenario *want)
{
	bool one_way = want->moving || want->services || want->backends;

	return have->moving == want->moving && have->services == want->services &&
	       have->backends == want->backends &&
	       (!one_way || (have->forward == want->forward && have->family == want->family));
}

static void config_write(const void *data, FILE *to)
{
	scenario_config_write(data, to);
}

static void path_of(const struct served *served, const char *file, char path[64])
{
	snprintf(path, 64, GROUND_DIR "/mpps%u/%s", served->number, file);
}

static void pin_of(const struct served *served, char path[64])
{
	snprintf(path, 64, GROUND_BPFFS "/mpps%u", served->number);
}

/* The lbctl that stands beside this program. */
static int lbctl_run(const struct served *served, const char *verb, struct diag *diag)
{
	char self[PATH_MAX - 16] = "", script[PATH_MAX + 256], socket[64], pin[64];

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	path_of(served, "lbd.sock", socket);
	pin_of(served, pin);
	snprintf(script, sizeof(script), "'%s/lbctl' --socket %s --pin %s %s", dirname(self),
		 socket, pin, verb);
	return space_run(&served->ground->edge, script, diag);
}

/* ---- moving slots ---------------------------------------------------------------------------- */

static int dataplane_of(const struct served *served, struct dataplane **ret_dataplane,
			struct diag *diag)
{
	char pin[64];

	pin_of(served, pin);
	return dataplane_open_existing(pin, ret_dataplane, diag);
}

static bool enough_move(const struct dataplane *dataplane, unsigned int percent)
{
	uint64_t slots = 0, moving = 0;

	for (uint32_t i = 0; i < dataplane->max_slots; i++) {
		slots += dataplane->slots[i] != 0;
		moving += LB_SLOT_MOVING(dataplane->slots[i]);
	}
	return slots && (double)moving >= SHARE_LEAST * (double)slots * percent / 100;
}

static int slots_move(const struct served *served, struct diag *diag)
{
	struct scenario_config config = config_of(&served->scenario, BEFORE_OWNED);
	struct dataplane *dataplane;
	char path[64];
	FILE *file;
	int err;

	path_of(served, "lb.conf", path);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	scenario_config_write(&config, file);
	fclose(file);
	err = lbctl_run(served, "reload", diag);
	if (!err)
		err = dataplane_of(served, &dataplane, diag);
	if (err)
		return err;
	if (!enough_move(dataplane, served->scenario.moving)) {
		diag_add(diag, NULL, 0, "lbd did not set the slots in motion");
		err = -EPROTO;
	}
	dataplane_close(dataplane);
	return err;
}

int served_unrecorded(const struct served *served, uint64_t *ret_packets, struct diag *diag)
{
	struct lb_counters counters = { 0 };
	bool *owner, *previous;
	struct dataplane *dataplane;
	int err = dataplane_of(served, &dataplane, diag);

	if (err)
		return err;
	owner = mem_array(LB_MAX_BACKENDS, sizeof(*owner));
	previous = mem_array(LB_MAX_BACKENDS, sizeof(*previous));
	for (uint32_t i = 0; i < dataplane->max_slots; i++) {
		uint64_t word = dataplane->slots[i];

		owner[LB_SLOT_OWNER(word) % LB_MAX_BACKENDS] = true;
		if (LB_SLOT_MOVING(word))
			previous[LB_SLOT_PREVIOUS(word) % LB_MAX_BACKENDS] = true;
	}
	*ret_packets = 0;
	/* It has an id for each family, and is the only one that had slots and has none. */
	for (uint32_t id = 1; !err && id < LB_MAX_BACKENDS; id++) {
		if (!previous[id] || owner[id])
			continue;
		err = stats_backend(dataplane, id, &counters);
		*ret_packets += counters.packets;
	}
	free(owner);
	free(previous);
	dataplane_close(dataplane);
	return err;
}

/* ---- its life -------------------------------------------------------------------------------- */

void served_stop(struct served *served)
{
	struct diag unheard = { 0 };

	if (served->balancer.pid <= 0)
		return;
	/* Where that fails, the next lbd says that the device is taken. */
	lbctl_run(served, "unload", &unheard);
	diag_clear(&unheard);
	balancer_stop(&served->balancer);
}

int served_switch(struct served *served, const struct scenario *scenario, bool *ret_fresh,
		  struct diag *diag)
{
	struct scenario_config config = config_of(scenario, BEFORE_OWNS);
	char name[16];
	int err;

	*ret_fresh = false;
	if (served->balancer.pid > 0 && is_for(&served->scenario, scenario))
		return 0;
	served_stop(served);
	served->scenario = *scenario;
	served->number++;
	snprintf(name, sizeof(name), "mpps%u", served->number);
	err = balancer_start_in(&served->ground->edge, name, config_write, &config,
				&served->balancer, diag);
	if (!err && scenario->moving)
		err = slots_move(served, diag);
	*ret_fresh = true;
	return err;
}
