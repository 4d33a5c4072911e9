/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs tell, as sentences: one log line and one event each, and the last ones for
 * show. What isolation does by itself to those that it judges is told here too. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "config/mem.h"
#include "lb/isolation_private.h"
#include "lb/log.h"
#include "policy/cut.h"

static const char *const hook_names[POLICY_HOOKS] = {
	[POLICY_HOOK_CONNECT] = "connect", [POLICY_HOOK_SENDMSG] = "sendmsg",
	[POLICY_HOOK_BIND] = "bind",	   [POLICY_HOOK_SOCKET] = "socket",
	[POLICY_HOOK_EGRESS] = "egress",   [POLICY_HOOK_INGRESS] = "ingress",
	[POLICY_HOOK_BACKSTOP] = "the veth", [POLICY_HOOK_CUT] = "a live connection",
};

const char *isolation_name(const struct isolation *isolation, uint64_t cgroup, uint32_t netns,
			   char *text, size_t size)
{
	const struct subjects *subjects = &isolation->now.found.subjects;

	for (size_t i = 0; i < subjects->count; i++) {
		const struct subject *subject = &subjects->list[i];

		if (cgroup && subject->cgroup_id == cgroup) {
			snprintf(text, size, "%s", subject->name);
			return text;
		}
	}
	for (size_t i = 0; i < subjects->count; i++) {
		const struct subject *subject = &subjects->list[i];

		if (netns && (uint32_t)subject->cookie == netns) {
			snprintf(text, size, "%s", subject->name);
			return text;
		}
	}
	if (cgroup)
		snprintf(text, size, "cgroup %" PRIu64, cgroup);
	else
		snprintf(text, size, "somebody");
	return text;
}

static const char *protocol_name(uint8_t protocol, char text[16])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_UDPLITE:
		return "udplite";
	}
	snprintf(text, 16, "protocol %u", protocol);
	return text;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

#define END_TEXT_MAX (ADDR_TEXT_MAX + 16)

static const char *end_text(const uint8_t bytes[16], uint16_t port, bool ports, char *text)
{
	struct addr addr;
	char address[ADDR_TEXT_MAX];
	bool ipv4;

	memcpy(addr.byte, bytes, sizeof(addr.byte));
	ipv4 = addr_is_ipv4(&addr);
	addr_format(&addr, address);
	if (ports)
		snprintf(text, END_TEXT_MAX, "%s%s%s:%u", ipv4 ? "" : "[", address,
			 ipv4 ? "" : "]", port);
	else
		snprintf(text, END_TEXT_MAX, "%s", address);
	return text;
}

/* Before the kernel has picked an address for it. */
static bool is_unbound(const struct policy_event *event)
{
	static const uint8_t nothing[16];

	return event->hook != POLICY_HOOK_BIND && event->direction != POLICY_RESPONDS &&
	       !memcmp(event->local, nothing, sizeof(nothing));
}

static void what_print(const struct policy_event *event, FILE *to)
{
	bool ports = has_ports(event->protocol);
	char local[END_TEXT_MAX], remote[END_TEXT_MAX], protocol[16];

	if (event->hook == POLICY_HOOK_SOCKET) {
		fprintf(to, "a socket of family %u, type %u, %s", event->family >> 8,
			event->family & 0xff, protocol_name(event->protocol, protocol));
		return;
	}
	if (is_unbound(event)) {
		end_text(event->remote, event->remote_port, ports, remote);
		fprintf(to, "%s to %s", protocol_name(event->protocol, protocol), remote);
		return;
	}
	end_text(event->local, event->local_port, ports, local);
	end_text(event->remote, event->remote_port, ports, remote);
	if (event->hook == POLICY_HOOK_BIND)
		fprintf(to, "%s %s", protocol_name(event->protocol, protocol), local);
	else if (event->direction == POLICY_RESPONDS)
		fprintf(to, "%s %s → %s", protocol_name(event->protocol, protocol), remote, local);
	else
		fprintf(to, "%s %s → %s", protocol_name(event->protocol, protocol), local, remote);
}

/* Whether its numbers of rules and sets are those of the list in force. */
static bool is_of_now(const struct isolation *isolation, const struct policy_event *event)
{
	return POLICY_HALF(event->current) == POLICY_HALF(isolation->now.current) &&
	       isolation->now.tables && event->set < isolation->now.tables->dims.set_count;
}

static const char *hook_name(const struct policy_event *event)
{
	return event->hook < POLICY_HOOKS ? hook_names[event->hook] : "?";
}

/* A task names itself, and a log line is no place for what it may write there. */
static const char *task_name(const struct policy_event *event, char *text)
{
	snprintf(text, sizeof(event->comm) + 1, "%.16s", event->comm);
	for (char *letter = text; *letter; letter++)
		if (*letter <= ' ' || *letter > '~')
			*letter = '?';
	return text;
}

/* "refused: tcp 10.1.0.2:43210 → 10.1.0.9:5432; web-a (front), lb.conf:40 (front → db, deny), at
 * connect by nginx[123]; 12 more untold" */
static char *event_text(const struct isolation *isolation, const struct policy_event *event)
{
	char name[256], rule[512], task[sizeof(event->comm) + 1];
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	mem_must(to);
	fputs(event->passed ? "would be refused: " : "refused: ", to);
	what_print(event, to);
	fprintf(to, "; %s", isolation_name(isolation, event->cgroup, event->netns, name,
					   sizeof(name)));
	if (is_of_now(isolation, event))
		fprintf(to, " (%s), %s", isolation->now.tables->set_names[event->set],
			policy_rule_text(isolation->manager->written, event->verdict, rule,
					 sizeof(rule)));
	else
		fputs(", a rule of the list before this one", to);
	fprintf(to, ", at %s", hook_name(event));
	if (event->pid)
		fprintf(to, " by %s[%u]", task_name(event, task), event->pid);
	if (event->untold)
		fprintf(to, "; %" PRIu64 " more untold", (uint64_t)event->untold);
	fclose(to);
	return mem_must(text);
}

#define ADD(object, key, value) json_object_object_add(object, key, value)

static void rule_add(struct json_object *object, const struct isolation *isolation,
		     const struct policy_event *event)
{
	const struct config_policy *policy = isolation->manager->written->policy;
	size_t number = POLICY_VERDICT_RULE(event->verdict);
	char rule[512];

	policy_rule_text(isolation->manager->written, event->verdict, rule, sizeof(rule));
	ADD(object, "groups",
	    json_object_new_string(isolation->now.tables->set_names[event->set]));
	ADD(object, "rule", json_object_new_string(rule));
	if (number < policy->rule_count) {
		ADD(object, "file", json_object_new_string(policy->rules[number].file));
		ADD(object, "line", json_object_new_int(policy->rules[number].line));
	} else if (number <= POLICY_RULE_SOCKETS &&
		   POLICY_RULE_SOCKETS - number < policy->socket_count) {
		number = POLICY_RULE_SOCKETS - number;
		ADD(object, "file", json_object_new_string(policy->sockets[number].file));
		ADD(object, "line", json_object_new_int(policy->sockets[number].line));
	}
}

/* What the sentence says, in parts; written now, while its rules are in force. */
static struct json_object *event_json(const struct isolation *isolation,
				      const struct policy_event *event, const char *text)
{
	struct json_object *object = json_object_new_object();
	bool ports = has_ports(event->protocol);
	char name[256], end[END_TEXT_MAX], protocol[16];

	ADD(object, "text", json_object_new_string(text));
	ADD(object, "passed", json_object_new_boolean(event->passed));
	ADD(object, "container",
	    json_object_new_string(isolation_name(isolation, event->cgroup, event->netns, name,
						  sizeof(name))));
	if (is_of_now(isolation, event))
		rule_add(object, isolation, event);
	ADD(object, "hook", json_object_new_string(hook_name(event)));
	ADD(object, "protocol", json_object_new_string(protocol_name(event->protocol, protocol)));
	ADD(object, "local",
	    is_unbound(event) ? NULL
			      : json_object_new_string(end_text(event->local, event->local_port,
								ports, end)));
	ADD(object, "remote", json_object_new_string(end_text(event->remote, event->remote_port,
							      ports, end)));
	ADD(object, "pid", event->pid ? json_object_new_int64(event->pid) : NULL);
	ADD(object, "untold", json_object_new_uint64(event->untold));
	return object;
}

static void denial_add_event(struct isolation *isolation, const struct policy_event *event,
			     struct json_object *json)
{
	struct json_object *rule;

	events_add(isolation->manager->events, &(struct change){
		.kind = EVENT_DENIAL,
		.object = json_object_get_string(json_object_object_get(json, "container")),
		.to = event->passed ? "would be refused" : "refused",
		.cause = json_object_object_get_ex(json, "rule", &rule)
				 ? json_object_get_string(rule)
				 : "a rule of the list before this one",
		.more = json_object_get(json),
	});
}

void isolation_tell(const struct policy_event *event, void *context)
{
	struct isolation *isolation = context;
	struct kept_event *kept = &isolation->events[isolation->event_count++ % EVENTS_KEPT];
	char *text = event_text(isolation, event);

	json_object_put(kept->json);
	kept->json = event_json(isolation, event, text);
	kept->time = time(NULL);
	log_notice("policy: %s", text);
	denial_add_event(isolation, event, kept->json);
	free(text);
}

void isolation_tell_groups(struct isolation *isolation, const struct generation *before,
			   const struct generation *now)
{
	struct events *events = isolation->manager->events;

	for (size_t i = 0; i < now->found.subjects.count; i++) {
		const struct subject *subject = &now->found.subjects.list[i];
		uint16_t set = isolation_set_of(now->tables, subject);
		uint16_t old = before->tables ? isolation_set_of(before->tables, subject)
					      : POLICY_SET_NONE;
		const char *was = before->tables ? before->tables->set_names[old] : "(none)";

		if (!strcmp(was, now->tables->set_names[set]))
			continue;
		log_notice("policy: %s: %s → %s", subject->name, was,
			   now->tables->set_names[set]);
		events_add(events, &(struct change){ .kind = EVENT_CONTAINER,
						     .object = subject->name, .from = was,
						     .to = now->tables->set_names[set],
						     .cause = "groups of the policy" });
	}
}

void isolation_tell_cut(struct isolation *isolation, const struct policy_cut *cut)
{
	struct json_object *more = json_object_new_object();
	char to[80];

	log_notice("policy: live connections that it forbids: %zu cut, %zu could not be", cut->cut,
		   cut->kept);
	json_object_object_add(more, "cut", json_object_new_uint64(cut->cut));
	json_object_object_add(more, "kept", json_object_new_uint64(cut->kept));
	snprintf(to, sizeof(to), "%zu cut, %zu could not be", cut->cut, cut->kept);
	events_add(isolation->manager->events, &(struct change){
		.kind = EVENT_DENIAL,
		.object = "live connections that the policy forbids",
		.to = to,
		.more = more,
	});
}
