/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict on a backend. Only what is `gone` loses its flows; everything else that is wrong
 * with a backend takes new flows from it and leaves it those that it has. */
#include "lb/model/judge.h"

#include <string.h>

/* ---- one backend ----------------------------------------------------------------------------- */

/* A drain ends at its deadline; then its flows are lost. The clock starts when it is first seen
 * draining and goes on over restarts. */
static uint64_t drain_judge(struct backend *row, const struct row_facts *facts)
{
	const struct backend *before = facts->before;
	bool drains = before && before->drain_since_ms, over;

	row->drain_since_ms = drains ? before->drain_since_ms : facts->now_ms;
	row->state = BACKEND_DRAIN;
	over = facts->now_ms - row->drain_since_ms >= facts->backend->drain_ms;
	/* The tables do not keep `drained`: after a restart, who is gone before his time was. */
	if (drains && (before->drained || (before->gone && !over))) {
		row->drained = row->gone = true;
		strcpy(row->reason, "drained: nobody is left");
		return 0;
	}
	if (over) {
		row->gone = true;
		strcpy(row->reason, "drained: its time is over");
		return 0;
	}
	strcpy(row->reason, "draining: no new flows");
	return row->drain_since_ms + facts->backend->drain_ms;
}

#define SLOW_START_STEPS 10

/* Up, with its weight growing in steps after it came back beside others that served meanwhile. */
static uint64_t up_judge(struct backend *row, const struct row_facts *facts)
{
	uint64_t slow_start_ms = facts->backend->slow_start_ms;
	uint64_t step_ms = slow_start_ms / SLOW_START_STEPS + 1, age, steps;

	row->state = BACKEND_UP;
	row->up_since_ms = facts->now_ms;
	if (facts->before && facts->before->state == BACKEND_UP)
		row->up_since_ms = facts->before->up_since_ms;
	row->effective_weight = row->weight;
	age = facts->now_ms - row->up_since_ms;
	if (!row->up_since_ms || age >= slow_start_ms)
		return 0;
	steps = age / step_ms + 1;
	row->effective_weight = row->weight * steps / SLOW_START_STEPS;
	if (!row->effective_weight && row->weight)
		row->effective_weight = 1;
	return row->up_since_ms + steps * step_ms;
}

uint64_t backend_judge(struct backend *row, const struct row_facts *facts)
{
	row->has_hop = facts->hop->known;
	row->hop = facts->hop->hop;
	if (facts->admin == CONFIG_OFF) {
		row->state = BACKEND_OFF;
		row->gone = true;
		strcpy(row->reason, "switched off");
		return 0;
	}
	if (!facts->hop->known) {
		row->state = BACKEND_DOWN;
		row->gone = true;
		memcpy(row->reason, facts->hop->reason, sizeof(row->reason));
		return 0;
	}
	if (facts->admin == CONFIG_DRAIN)
		return drain_judge(row, facts);
	if (facts->health && !facts->health->up) {
		row->state = BACKEND_DOWN;
		row->gone = facts->service->on_down == CONFIG_CUT;
		memcpy(row->reason, facts->health->reason, sizeof(row->reason));
		return 0;
	}
	return up_judge(row, facts);
}

/* ---- a service as a whole -------------------------------------------------------------------- */

/* Backups serve only when nobody else can. */
static void backups_judge(struct service *service, int family)
{
	bool others = false;

	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *row = &service->backends[i];

		others |= row->family == family && !row->backup && row->effective_weight;
	}
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *row = &service->backends[i];

		if (row->family == family && row->backup && others)
			row->effective_weight = 0;
	}
}

/* A last resort: whoever can be reached, but for those who are off or drained. */
static bool is_usable_when_down(const struct backend *row)
{
	return row->has_hop && (row->state == BACKEND_DOWN || !row->gone);
}

/* Fewer than min_up that can take new flows: the service is down. when_down = "all": everyone who
 * is reachable and not off is used, also who was cut by on_down; else new flows go nowhere, and
 * live ones go on. */
static void min_up_judge(struct service *service, const struct config_service *config, int family)
{
	unsigned int up = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		up += service->backends[i].family == family &&
		      service->backends[i].state == BACKEND_UP && service->backends[i].weight;
	if (up >= config->min_up) {
		service->up = true;
		return;
	}
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *row = &service->backends[i];

		if (row->family != family)
			continue;
		row->effective_weight = 0;
		if (config->when_down == CONFIG_DOWN_ALL && is_usable_when_down(row)) {
			row->effective_weight = row->weight;
			row->gone = false;
		}
	}
}

void service_judge(struct service *service, const struct config_service *config, int family)
{
	backups_judge(service, family);
	min_up_judge(service, config, family);
}
