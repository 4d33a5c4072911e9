/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one reader of the programs' records: what lives is added up, what has ended is added up, kept
 * and freed. Nothing is lost where nobody comes for a while: the programs count what found no
 * record. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/events.h"
#include "lb/flows/flows_private.h"
#include "lb/log.h"

/* A program that was about to write to a record when another ended it has done so by then. */
#define SETTLE_NS	(50 * NS_PER_MS)
#define EVENTS_A_SECOND 100

uint64_t flows_ns_before(uint64_t seconds)
{
	uint64_t now_ns = clock_ns();

	return seconds < now_ns / NS_PER_S ? now_ns - seconds * NS_PER_S : 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void failure_tell(struct flows *flows, const struct flow_row *row)
{
	enum flow_outcome outcome = (enum flow_outcome)row->flow.outcome;
	struct json_object *more;
	char object[FLOW_NAME_MAX + 128];

	if (!flow_outcome_is_failure(outcome))
		return;
	if (flows->told == EVENTS_A_SECOND) {
		flows->untold++;
		return;
	}
	flows->told++;
	more = row_json(row);
	snprintf(object, sizeof(object), "flow %s %s %s", row->container,
		 row->flow.direction == FLOW_IN ? "←" : "→",
		 json_object_get_string(json_object_object_get(more, "remote")));
	events_add(flows->manager->events,
		   &(struct change){ .kind = EVENT_FLOW, .object = object,
				     .to = flow_outcome_name(outcome),
				     .cause = row->service, .more = more });
}

void flows_untold(struct flows *flows)
{
	char object[64];

	flows->told = 0;
	if (!flows->untold)
		return;
	snprintf(object, sizeof(object), "%llu more flows", (unsigned long long)flows->untold);
	flows->untold = 0;
	events_add(flows->manager->events,
		   &(struct change){ .kind = EVENT_FLOW, .object = object, .to = "failed",
				     .cause = "more than are told in a second" });
}

/* ---- one record ------------------------------------------------------------------------------ */

/* Its cgroup, and the address that it gives its namespace, are made known with the first look, and
 * again when the namespace has become known. */
static void flow_meet(struct flows *flows, size_t number, const struct flow *flow)
{
	uint64_t which = flow->start_ns * 2 + (flow->netns != 0);

	if (flows->met[number] == which)
		return;
	if (flows->met[number] / 2 != flow->start_ns)
		flows->services[number] = NULL;
	flows->met[number] = which;
	places_meet(flows->places, flow->cgroup);
	flow_names_learn(flows->names, flow, flows->host_netns);
	if (flow->direction == FLOW_OUT && flow->netns == flows->host_netns)
		calls_note(flows->calls, number, flow);
}

/* Services are few, and stay. */
static const char *service_name(struct flows *flows, const char *name)
{
	for (size_t i = 0; i < flows->service_name_count; i++)
		if (!strcmp(flows->service_names[i], name))
			return flows->service_names[i];
	flows->service_names = mem_must(realloc(flows->service_names,
						(flows->service_name_count + 1) *
						sizeof(*flows->service_names)));
	return flows->service_names[flows->service_name_count++] = mem_text(name);
}

const char *flows_service(struct flows *flows, size_t number, const struct flow *flow,
			  const char *now)
{
	if (flows->met[number] / 2 != flow->start_ns)
		return now; /* another flow has the record since the last pass */
	if (!flows->services[number] && now)
		flows->services[number] = service_name(flows, now);
	return flows->services[number];
}

/* The edge of a flow stands in the graph once, also where the host's address hides who began. */
static void edges_add(struct flows *flows, size_t number, const struct flow_record *record,
		      struct flow_ends *ends, uint64_t now_ns)
{
	if (record->flow.direction == FLOW_IN && !ends->elsewhere)
		ends->elsewhere = calls_began(flows->calls, &record->flow);
	account_flow(flows->accounts, number, record, ends, now_ns);
}

static void live_take(struct flows *flows, size_t number, struct flow_record *copy, uint64_t now_ns)
{
	struct flow_ends ends;

	/* It may be ending while it is copied: that is told when its last figures are there. */
	copy->flow.life = FLOW_LIVE;
	copy->flow.outcome = FLOW_RUNS;
	copy->flow.end_ns = 0;
	places_count(flows->places, copy->flow.cgroup);
	flow_names_ends(flows->names, &copy->flow, &ends);
	flows_service(flows, number, &copy->flow, ends.service);
	edges_add(flows, number, copy, &ends, now_ns);
	flows->live++;
}

static void ended_take(struct flows *flows, size_t number, const struct flow_record *copy,
		       uint64_t now_ns)
{
	struct row_room room;
	struct flow_row row;

	flow_kernel_free(flows->kernel, number);
	row = row_make(flows, number, &copy->flow, &room);
	edges_add(flows, number, copy, &room.ends, now_ns);
	failure_tell(flows, &row);
	ended_keep(&flows->ended, &row);
}

static bool is_silent(const struct flows *flows, const struct flow *flow, uint64_t now_ns)
{
	uint64_t idle_ns = flows->config->idle_ms * NS_PER_MS;

	return flow->protocol != IPPROTO_TCP && flow->seen_ns + idle_ns < now_ns &&
	       flow->start_ns + idle_ns < now_ns;
}

/* What a pass has to read: numbers of records. */
struct found {
	uint32_t *live, *ended;
	size_t live_count, ended_count;
};

/* Every flow is met before any is named: who began one gives its address to whom it talks to. */
static void records_find(struct flows *flows, uint64_t now_ns, struct found *found)
{
	for (size_t i = 0; i < flows->record_count; i++) {
		const struct flow *flow = &flows->records[i].flow;
		uint32_t life = __atomic_load_n(&flow->life, __ATOMIC_ACQUIRE);

		if (life != FLOW_LIVE && life != FLOW_ENDED)
			continue;
		flow_meet(flows, i, flow);
		if (life == FLOW_ENDED && flow->end_ns + SETTLE_NS <= now_ns)
			*--found->ended = (uint32_t)i;
		else if (life == FLOW_LIVE && is_silent(flows, flow, now_ns))
			flow_kernel_disown(flows->kernel, i, FLOW_IDLE);
		else if (life == FLOW_LIVE)
			found->live[found->live_count++] = (uint32_t)i;
	}
	found->ended_count = (size_t)(flows->found + flows->record_count - found->ended);
}

static int compare_ends(const void *a, const void *b, void *data)
{
	const struct flow_record *records = data;
	uint64_t one = records[*(const uint32_t *)a].flow.end_ns;
	uint64_t other = records[*(const uint32_t *)b].flow.end_ns;

	return one < other ? -1 : one > other;
}

/* What lives is read in a whole pass alone; what has ended, in the order of its ends. */
static void pass(struct flows *flows, bool whole)
{
	struct found found = { .live = flows->found, .ended = flows->found + flows->record_count };
	uint64_t now_ns = clock_ns();
	struct flow_record copy;

	records_find(flows, now_ns, &found);
	qsort_r(found.ended, found.ended_count, sizeof(*found.ended), compare_ends, flows->records);
	for (size_t i = 0; i < found.ended_count; i++) {
		copy = flows->records[found.ended[i]];
		ended_take(flows, found.ended[i], &copy, now_ns);
	}
	if (!whole)
		return;
	flows->live = 0;
	places_recount(flows->places);
	for (size_t i = 0; i < found.live_count; i++) {
		copy = flows->records[found.live[i]];
		live_take(flows, found.live[i], &copy, now_ns);
	}
}

/* ---- samples --------------------------------------------------------------------------------- */

/* Returns its number, or 0 where the kernel could not be asked. */
static uint32_t sample(struct flows *flows)
{
	uint32_t number = 0;
	long met = flow_kernel_sample(flows->kernel, &number);

	if (met < 0 && !flows->blind)
		log_warning("flows: the figures of live connections are not known until they end: "
			    "%s", strerror((int)-met));
	flows->blind = met < 0;
	return met < 0 ? 0 : number;
}

void flows_harvest(struct flows *flows)
{
	pass(flows, false);
	flow_kernel_settle(flows->kernel);
}

void flows_sample(struct flows *flows)
{
	uint64_t began_ns = clock_ns();

	sample(flows);
	pass(flows, true);
	flows->sample_ns = clock_ns() - began_ns;
}

/* A connection that was there before the last interval, and that no sample has met since its end,
 * has no socket any more; there were two, that one and this. */
static void lost_disown(struct flows *flows, uint32_t number)
{
	for (size_t i = 0; i < flows->record_count; i++) {
		const struct flow *flow = &flows->records[i].flow;

		if (__atomic_load_n(&flow->life, __ATOMIC_ACQUIRE) != FLOW_LIVE ||
		    flow->protocol != IPPROTO_TCP || flow->start_ns >= flows->last_sample_ns ||
		    number - flow->sampled <= number - flows->last_sample)
			continue;
		flow_kernel_disown(flows->kernel, i, FLOW_GONE);
	}
}

void flows_turn(struct flows *flows)
{
	uint64_t began_ns = clock_ns();
	uint32_t number = sample(flows);

	if (number && flows->last_sample_ns)
		lost_disown(flows, number);
	flows->last_sample = number;
	flows->last_sample_ns = number ? began_ns : 0;
	pass(flows, true);
	accounts_turn(flows->accounts);
	flows->sample_ns = clock_ns() - began_ns;
}
