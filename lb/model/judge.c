/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict on a backend. Only what is `gone` loses its flows; everything else that is wrong
 * with a backend takes new flows from it and leaves it those that it has. */
#include "lb/model/judge.h"

#include <stdio.h>
#include <string.h>

/* ---- one backend ----------------------------------------------------------------------------- */

/* on_down = "cut": a check that failed takes the live flows too. Until the first one has ended,
 * which is so after a restart and for a check that is new in the config, nobody is cut who was not
 * before. */
static bool is_cut(const struct row_facts *facts)
{
	bool was_gone = facts->before && facts->before->gone;

	return facts->service->on_down == CONFIG_CUT && facts->health && !facts->health->up &&
	       (!facts->health->unknown || was_gone);
}

/* The clock starts when it is first seen draining and goes on over restarts, and while it cannot
 * be reached. */
static void drain_clock(struct backend *row, const struct row_facts *facts)
{
	const struct backend *before = facts->before;

	row->drain_since_ms = before && before->drain_since_ms ? before->drain_since_ms
							       : facts->now_ms;
}

/* The tables do not keep `drained`: after a restart, who drained and was gone before his time had
 * nobody left. A lost next hop is not that: then he was down. */
static bool is_drained(const struct backend *before)
{
	return before && before->drain_since_ms &&
	       (before->drained || (before->gone && before->state == BACKEND_DRAIN));
}

/* A drain ends at its deadline, or when nobody is left; then its flows are lost. */
static uint64_t drain_judge(struct backend *row, const struct row_facts *facts)
{
	drain_clock(row, facts);
	row->state = BACKEND_DRAIN;
	row->gone = true;
	if (facts->now_ms - row->drain_since_ms >= facts->backend->drain_ms) {
		row->drained = facts->before && facts->before->drained;
		strcpy(row->reason, row->drained ? "drained: nobody is left"
						 : "drained: its time is over");
		return 0;
	}
	if (is_cut(facts)) {
		snprintf(row->reason, sizeof(row->reason), "drained, and cut: %.120s",
			 facts->health->reason);
		return 0;
	}
	if (is_drained(facts->before)) {
		row->drained = true;
		strcpy(row->reason, "drained: nobody is left");
		return 0;
	}
	row->gone = false;
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
		if (facts->admin == CONFIG_DRAIN)
			drain_clock(row, facts);
		memcpy(row->reason, facts->hop->reason, sizeof(row->reason));
		return 0;
	}
	if (facts->admin == CONFIG_DRAIN)
		return drain_judge(row, facts);
	if (facts->health && !facts->health->up) {
		row->state = BACKEND_DOWN;
		row->gone = is_cut(facts);
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
		struct backend *row = &service->backends[i];

		row->ring_weight[family] = row->serves[family] ? row->effective_weight : 0;
		others |= !row->backup && row->ring_weight[family];
	}
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *row = &service->backends[i];

		if (row->backup && others)
			row->ring_weight[family] = 0;
	}
}

/* A last resort: whoever can be reached, but for those who are off or drained. */
static bool is_usable_when_down(const struct backend *row)
{
	return row->has_hop && (row->state == BACKEND_DOWN || !row->gone);
}

/* The first family that is down says why. */
static void service_down(struct service *service, int family, unsigned int serving,
			 unsigned int min_up)
{
	if (service->up)
		snprintf(service->reason, sizeof(service->reason),
			 "%s: %u backend%s can take new flows, min_up is %u",
			 family == IPV6 ? "IPv6" : "IPv4", serving, serving == 1 ? "" : "s",
			 min_up);
	service->up = false;
}

/* Fewer than min_up that take new flows: the service is down in that family, and `up` only while
 * it is down in none, for a client may come by either. Whoever serves counts: a backup only while
 * it does, so that an idle one does not hold up a service whose others are too few.
 * when_down = "all": everyone who is reachable and not off is used, also who was cut by on_down;
 * else new flows go nowhere, and live ones go on. */
static void min_up_judge(struct service *service, const struct config_service *config, int family)
{
	unsigned int serving = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		serving += service->backends[i].ring_weight[family] > 0;
	service->up_in[family] = serving >= config->min_up;
	if (service->up_in[family])
		return;
	service_down(service, family, serving, config->min_up);
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *row = &service->backends[i];

		if (!row->serves[family])
			continue;
		row->ring_weight[family] = 0;
		if (config->when_down == CONFIG_DOWN_ALL && is_usable_when_down(row)) {
			row->ring_weight[family] = row->weight;
			row->gone = false;
		}
	}
}

void service_judge(struct service *service, const struct config_service *config, int family)
{
	backups_judge(service, family);
	min_up_judge(service, config, family);
}
