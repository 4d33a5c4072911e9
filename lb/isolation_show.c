/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation for show, metrics and "policy suggest". */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/isolation_private.h"
#include "lb/model/label.h"

#define ADD(object, key, value) json_object_object_add(object, key, value)

static struct json_object *text_json(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static struct json_object *number_json(uint64_t number)
{
	return json_object_new_uint64(number);
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* Sums over the generations of this list; the caller frees them. */
static struct policy_count *counts_of(const struct isolation *isolation)
{
	struct policy_count *counts = mem_array(POLICY_RULES, sizeof(*counts));

	policy_kernel_counts(isolation->kernel, isolation->now.current, counts);
	for (size_t i = 0; isolation->before && i < POLICY_RULES; i++) {
		counts[i].allowed += isolation->before[i].allowed;
		counts[i].refused += isolation->before[i].refused;
		counts[i].audited += isolation->before[i].audited;
		counts[i].told += isolation->before[i].told;
		counts[i].untold += isolation->before[i].untold;
	}
	return counts;
}

static const char *const action_names[] = { "allow", "deny", "reject" };

static struct json_object *rule_json(const struct isolation *isolation, uint32_t number,
				     enum policy_action action, bool audit, const char *file,
				     int line, const struct policy_count *count)
{
	struct json_object *object = json_object_new_object();
	char text[512];

	ADD(object, "rule", text_json(policy_rule_text(isolation->manager->written,
						       POLICY_VERDICT(number, action, audit), text,
						       sizeof(text))));
	ADD(object, "file", text_json(file));
	ADD(object, "line", json_object_new_int(line));
	ADD(object, "action", text_json(action_names[action]));
	ADD(object, "audit", json_object_new_boolean(audit));
	ADD(object, "allowed", number_json(count->allowed));
	ADD(object, "refused", number_json(count->refused));
	ADD(object, "audited", number_json(count->audited));
	ADD(object, "untold", number_json(count->untold));
	return object;
}

static struct json_object *rules_json(const struct isolation *isolation)
{
	const struct config_policy *policy = isolation->manager->written->policy;
	struct policy_count *counts = counts_of(isolation);
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < policy->rule_count; i++)
		json_object_array_add(list,
				      rule_json(isolation, (uint32_t)i,
						(enum policy_action)policy->rules[i].action,
						policy->rules[i].audit, policy->rules[i].file,
						policy->rules[i].line, &counts[i]));
	for (size_t i = 0; i < policy->socket_count; i++)
		json_object_array_add(
			list, rule_json(isolation, POLICY_RULE_SOCKETS - (uint32_t)i, POLICY_DENY,
					policy->sockets[i].audit, policy->sockets[i].file,
					policy->sockets[i].line,
					&counts[POLICY_RULE_SOCKETS - i]));
	json_object_array_add(list, rule_json(isolation, POLICY_RULE_DEFAULT,
					      policy->deny ? POLICY_DENY : POLICY_ALLOW,
					      policy->audit, isolation->manager->written->file, 0,
					      &counts[POLICY_RULE_DEFAULT]));
	free(counts);
	return list;
}

/* ---- who ------------------------------------------------------------------------------------- */

static struct json_object *subject_json(const struct isolation *isolation,
					const struct subject *subject)
{
	struct json_object *object = json_object_new_object();
	struct json_object *addresses = json_object_new_array();
	uint16_t set = isolation_set_of(isolation->now.tables, subject);
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < subject->address_count; i++)
		json_object_array_add(addresses,
				      text_json(addr_format(&subject->addresses[i], text)));
	ADD(object, "name", text_json(subject->name));
	ADD(object, "kind", text_json(subject->container ? "container"
				      : subject->netns	 ? "netns"
							 : "cgroup"));
	ADD(object, "groups", set == POLICY_SET_NONE
				      ? NULL
				      : text_json(isolation->now.tables->set_names[set]));
	ADD(object, "cgroup", text_json(subject->cgroup));
	ADD(object, "addresses", addresses);
	return object;
}

static struct json_object *subjects_json(const struct isolation *isolation)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < isolation->now.found.subjects.count; i++)
		json_object_array_add(list,
				      subject_json(isolation,
						   &isolation->now.found.subjects.list[i]));
	return list;
}

static struct json_object *stands_json(const struct isolation *isolation)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < isolation->now.found.stand_count; i++) {
		const char *path = isolation->now.found.stands[i];

		json_object_array_add(list, text_json(*path ? path : "/"));
	}
	return list;
}

const char *isolation_groups(const struct isolation *isolation, const uint64_t *cgroups,
			     size_t count, uint64_t netns)
{
	const struct policy_tables *tables = isolation->now.tables;
	uint64_t cgroup = 0;
	uint16_t set;

	if (!tables)
		return NULL;
	for (size_t i = 0; i < count && !cgroup; i++)
		if (policy_set_of(tables, cgroups[i], 0, false) != POLICY_SET_NONE)
			cgroup = cgroups[i];
	set = policy_set_of(tables, cgroup, netns, false);
	return set == POLICY_SET_NONE ? NULL : tables->set_names[set];
}

/* ---- what was told --------------------------------------------------------------------------- */

static struct json_object *denials_json(const struct isolation *isolation)
{
	struct json_object *list = json_object_new_array();
	uint64_t kept = isolation->event_count < EVENTS_KEPT ? isolation->event_count
							     : EVENTS_KEPT;

	for (uint64_t i = isolation->event_count - kept; i < isolation->event_count; i++) {
		const struct kept_event *event = &isolation->events[i % EVENTS_KEPT];
		struct json_object *object = json_object_new_object();
		struct tm time;
		char text[32];

		gmtime_r(&event->time, &time);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &time);
		ADD(object, "time", text_json(text));
		json_object_object_foreach(event->json, key, value)
			ADD(object, key, json_object_get(value));
		json_object_array_add(list, object);
	}
	return list;
}

/* An earlier daemon's rules judge, of which nothing is known but that. */
static struct json_object *waiting_json(const struct isolation *isolation)
{
	struct json_object *object = json_object_new_object();

	ADD(object, "waiting", json_object_new_boolean(true));
	ADD(object, "break_glass",
	    json_object_new_boolean(policy_kernel_audit(isolation->kernel)));
	return object;
}

struct json_object *isolation_json(struct isolation *isolation)
{
	const struct config_policy *policy = isolation->now.policy;
	struct json_object *object, *lost;
	uint64_t counts[POLICY_LOSSES] = { 0 };

	if (!isolation->kernel)
		return NULL;
	if (!isolation->now.tables)
		return waiting_json(isolation);
	policy_kernel_drain(isolation->kernel);
	policy_kernel_lost(isolation->kernel, counts);
	object = json_object_new_object();
	lost = json_object_new_object();
	ADD(lost, "events", number_json(counts[POLICY_LOST_EVENT]));
	ADD(lost, "sockets", number_json(counts[POLICY_LOST_SOCKET]));
	ADD(lost, "flows", number_json(counts[POLICY_LOST_FLOW]));
	ADD(object, "mode", text_json(policy->audit ? "audit" : "enforce"));
	ADD(object, "break_glass",
	    json_object_new_boolean(policy_kernel_audit(isolation->kernel)));
	ADD(object, "default", text_json(policy->deny ? "deny" : "allow"));
	ADD(object, "attached", stands_json(isolation));
	ADD(object, "rules", rules_json(isolation));
	ADD(object, "subjects", subjects_json(isolation));
	ADD(object, "connections_cut", number_json(isolation->cut_total));
	ADD(object, "lost", lost);
	ADD(object, "events", denials_json(isolation));
	return object;
}

/* ---- seen ------------------------------------------------------------------------------------ */

static const struct subject *subject_with(const struct isolation *isolation,
					  const struct addr *addr)
{
	for (size_t i = 0; i < isolation->now.found.subjects.count; i++) {
		const struct subject *subject = &isolation->now.found.subjects.list[i];

		for (size_t j = 0; subject->cookie && j < subject->address_count; j++)
			if (addr_equal(&subject->addresses[j], addr))
				return subject;
	}
	return NULL;
}

static struct json_object *seen_json(const struct isolation *isolation,
				     const struct policy_seen_key *key,
				     const struct policy_seen *seen)
{
	const struct policy_tables *tables = isolation->now.tables;
	struct json_object *object = json_object_new_object();
	const struct subject *remote;
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	uint16_t set;

	memcpy(addr.byte, key->remote, sizeof(addr.byte));
	remote = subject_with(isolation, &addr);
	set = remote ? isolation_set_of(tables, remote)
		     : POLICY_SET_NONE;
	ADD(object, "groups", text_json(tables->set_names[key->set]));
	ADD(object, "direction",
	    text_json(key->direction == POLICY_RESPONDS ? "in" : "out"));
	ADD(object, "remote", text_json(addr_format(&addr, text)));
	ADD(object, "remote_groups",
	    set == POLICY_SET_NONE ? NULL : text_json(tables->set_names[set]));
	ADD(object, "protocol", json_object_new_int(key->protocol));
	ADD(object, "port", json_object_new_int(key->port));
	ADD(object, "flows", number_json(seen->count));
	ADD(object, "passed",
	    json_object_new_boolean(POLICY_VERDICT_ACTION(seen->verdict) == POLICY_ALLOW ||
				    seen->verdict & POLICY_VERDICT_AUDIT ||
				    policy_kernel_audit(isolation->kernel)));
	ADD(object, "action", text_json(action_names[POLICY_VERDICT_ACTION(seen->verdict) % 3]));
	return object;
}

struct json_object *isolation_seen_json(struct isolation *isolation, uint64_t seconds)
{
	struct json_object *list;
	struct policy_seen_key key, *previous = NULL;
	struct policy_seen seen;
	uint64_t now = clock_ns(), span = seconds * 1000000000;
	size_t steps = 2 * POLICY_SEEN; /* a key that goes away meanwhile begins the walk anew */
	int fd;

	if (!isolation->kernel || !isolation->now.tables)
		return NULL;
	fd = policy_kernel_map(isolation->kernel, "policy_seen");
	list = json_object_new_array();
	for (; steps-- && !bpf_map_get_next_key(fd, previous, &key); previous = &key) {
		if (bpf_map_lookup_elem(fd, &key, &seen) ||
		    key.set >= isolation->now.tables->dims.set_count ||
		    seen.last_ns < isolation->seen_from_ns ||
		    (span && span < now && seen.last_ns < now - span))
			continue;
		json_object_array_add(list, seen_json(isolation, &key, &seen));
	}
	return list;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void rule_metric(FILE *to, const char *file, int line, size_t number,
			const struct policy_count *count)
{
	for (int passed = 0; passed < 2; passed++) {
		fputs("edgelb_policy_refused_total{rule=\"", to);
		label_write(to, file);
		if (line)
			fprintf(to, ":%d", line);
		fprintf(to, "\",number=\"%zu\",passed=\"%s\"} %" PRIu64 "\n", number,
			passed ? "yes" : "no",
			(uint64_t)(passed ? count->audited : count->refused));
	}
}

static void rules_metric(const struct isolation *isolation, FILE *to)
{
	const struct config_policy *policy = isolation->now.policy;
	struct policy_count *counts = counts_of(isolation);

	fputs("# HELP edgelb_policy_refused_total Packets and calls that a rule refused, or "
	      "only told of.\n"
	      "# TYPE edgelb_policy_refused_total counter\n", to);
	for (size_t i = 0; i < policy->rule_count; i++)
		rule_metric(to, policy->rules[i].file, policy->rules[i].line, i, &counts[i]);
	for (size_t i = 0; i < policy->socket_count; i++)
		rule_metric(to, policy->sockets[i].file, policy->sockets[i].line,
			    POLICY_RULE_SOCKETS - i, &counts[POLICY_RULE_SOCKETS - i]);
	rule_metric(to, "policy.default", 0, POLICY_RULE_DEFAULT, &counts[POLICY_RULE_DEFAULT]);
	free(counts);
}

void isolation_metrics(struct isolation *isolation, FILE *to)
{
	static const char *const losses[POLICY_LOSSES] = { "event", "socket", "flow" };
	uint64_t lost[POLICY_LOSSES] = { 0 };

	if (!isolation->kernel || !isolation->now.tables)
		return;
	rules_metric(isolation, to);
	policy_kernel_lost(isolation->kernel, lost);
	fputs("# HELP edgelb_policy_lost_total What isolation had no room for.\n"
	      "# TYPE edgelb_policy_lost_total counter\n", to);
	for (size_t i = 0; i < POLICY_LOSSES; i++)
		fprintf(to, "edgelb_policy_lost_total{what=\"%s\"} %" PRIu64 "\n", losses[i],
			lost[i]);
	fprintf(to, "# HELP edgelb_policy_connections_cut_total Live connections that new rules "
		"ended.\n# TYPE edgelb_policy_connections_cut_total counter\n"
		"edgelb_policy_connections_cut_total %" PRIu64 "\n", isolation->cut_total);
}
