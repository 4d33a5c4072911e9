/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for tests of the policy's compiler, with rules and questions as short sentences:
 *
 *	"front db tcp 5432 allow; db any any - deny~"  FROM TO PROTOCOL PORTS ACTION, ~: audit
 *	"web-1 > 172.17.0.3 tcp 5432"   at web-1's end, which began it; <: the other one did
 *	"2 deny"                        by the second rule; "- allow": by none */
#ifndef TESTS_UNIT_COMPILE_GROUND_H
#define TESTS_UNIT_COMPILE_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "policy/compile.h"

enum { FRONT, DB, JOBS, BATCH, BACK, OFFICE, NESTED, GROUPS };

#define PARENT 5	/* id of "docker" */
#define COOKIE(n) (0x700000000ULL + (n))

struct ground {
	struct config config;
	struct config_policy policy;
	struct config_group groups[CONFIG_GROUPS_MAX];
	struct prefix office[1];
	struct config_rule rules[CONFIG_RULES_MAX];
	struct config_ports rule_ports[CONFIG_RULES_MAX][4];
	struct config_service service;
	struct addr vip;
	struct config_ports service_ports[1];
	struct config_backend backends[2];
	struct subjects subjects;
	struct subject list[32];
	struct addr addresses[32];
	struct policy_tables *tables;
	struct diag diag;
};

static struct ground ground;

static inline struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static inline struct subject *subject_add(const char *name, const char *cgroup, uint64_t id,
					  uint64_t cookie, const char *address)
{
	size_t at = ground.subjects.count++;
	struct subject *subject = &ground.list[at];

	*subject = (struct subject){
		.name = (char *)name, .cgroup = (char *)cgroup, .cgroup_id = id, .cookie = cookie,
		.addresses = &ground.addresses[at], .address_count = address ? 1 : 0,
		.level = cgroup ? 1 : 0,
	};
	for (const char *c = cgroup; c && *c; c++)
		subject->level += *c == '/';
	subject->container = cgroup && subject->level == 2 && !strncmp(cgroup, "docker/", 7);
	if (address)
		ground.addresses[at] = addr_of(address);
	return subject;
}

static inline void group_add(const char *name, enum config_group_kind kind, const char *pattern)
{
	ground.groups[ground.policy.group_count++] = (struct config_group){
		.name = (char *)name, .kind = kind, .pattern = (char *)pattern,
	};
}

static inline void service_make(void)
{
	ground.vip = addr_of("203.0.113.10");
	ground.service_ports[0] = (struct config_ports){ 80, 80, 0 };
	ground.backends[0] = (struct config_backend){ .address[0] = addr_of("10.1.0.2"),
						      .has_address[0] = true, .port = 8080 };
	ground.backends[1] = (struct config_backend){ .address[0] = addr_of("10.1.0.3"),
						      .has_address[0] = true };
	ground.service = (struct config_service){
		.name = "web", .vips = &ground.vip, .vip_count = 1, .ports = ground.service_ports,
		.port_count = 1, .backends = ground.backends, .backend_count = 2,
	};
	ground.config.services = &ground.service;
	ground.config.service_count = 1;
}

static inline void subjects_make(void)
{
	static char *back[] = { "tier=back" };
	struct subject *subject;

	ground.subjects.list = ground.list;
	ground.subjects.parents[0] = PARENT;
	ground.subjects.parent_levels[0] = 1;
	ground.subjects.parent_count = 1;
	subject_add("web-1", "docker/1", 11, COOKIE(1), "172.17.0.2");
	subject_add("db-1", "docker/2", 12, COOKIE(2), "172.17.0.3");
	subject = subject_add("db-2", "docker/3", 13, COOKIE(3), "172.17.0.4");
	subject->labels = back;
	subject->label_count = 1;
	subject_add("cache", "docker/4", 14, COOKIE(4), "172.17.0.5");
	subject_add("in", "docker/1/in", 15, 0, NULL);
	subject_add("a", "jobs/a", 21, 0, NULL);
	subject = subject_add("batch", NULL, 0, COOKIE(9), "10.2.0.2");
	subject->netns = "batch";
}

/* All of it but the rules. */
static inline void ground_make(void)
{
	policy_tables_free(ground.tables);
	diag_clear(&ground.diag);
	memset(&ground, 0, sizeof(ground));
	ground.config.file = "lb.conf";
	ground.config.policy = &ground.policy;
	ground.policy.groups = ground.groups;
	ground.policy.rules = ground.rules;
	group_add("front", CONFIG_GROUP_CONTAINER, "web-*");
	group_add("db", CONFIG_GROUP_CONTAINER, "db-*");
	group_add("jobs", CONFIG_GROUP_CGROUP, "jobs/*");
	group_add("batch", CONFIG_GROUP_NETNS, "batch");
	group_add("back", CONFIG_GROUP_LABEL, "tier=back");
	group_add("office", CONFIG_GROUP_CIDR, NULL);
	group_add("nested", CONFIG_GROUP_CGROUP, "docker/*/in");
	ground.groups[OFFICE].cidr = ground.office;
	ground.groups[OFFICE].cidr_count = 1;
	assert_int_equal(prefix_parse("198.51.100.0/24", &ground.office[0]), 0);
	service_make();
	subjects_make();
}

/* ---- sentences ------------------------------------------------------------------------------- */

static inline struct config_party party_of(const char *text)
{
	struct config_party party = { .kind = CONFIG_GROUP };

	if (!strcmp(text, "any"))
		party.kind = CONFIG_ANY;
	else if (!strcmp(text, "service:web"))
		party.kind = CONFIG_SERVICE;
	else if (!prefix_parse(text, &party.cidr))
		party.kind = CONFIG_CIDR;
	else
		while (strcmp(ground.groups[party.index].name, text))
			assert_true(++party.index < ground.policy.group_count);
	return party;
}

static inline int protocol_of(const char *text)
{
	static const struct {
		const char *text;
		int protocol;
	} protocols[] = {
		{ "any", CONFIG_PROTOCOL_ANY }, { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
		{ "icmp", IPPROTO_ICMP }, { "icmp6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP },
		{ "gre", IPPROTO_GRE },
	};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcmp(protocols[i].text, text))
			return protocols[i].protocol;
	fail_msg("no protocol: %s", text);
	return 0;
}

static inline void ports_read(struct config_rule *rule, char *text)
{
	char *state;

	for (char *one = strtok_r(text, ",", &state); one && *one != '-';
	     one = strtok_r(NULL, ",", &state)) {
		char *end;
		uint16_t first = (uint16_t)strtoul(one, &end, 10);
		uint16_t last = *end == '-' ? (uint16_t)strtoul(end + 1, NULL, 10) : first;

		rule->ports[rule->port_count++] = (struct config_ports){ first, last, 0 };
	}
}

static inline void rules_add(const char *text)
{
	char *copy = strdup(text), *state;

	for (char *one = strtok_r(copy, ";", &state); one; one = strtok_r(NULL, ";", &state)) {
		size_t at = ground.policy.rule_count++;
		struct config_rule *rule = &ground.rules[at];
		char from[64], to[64], protocol[8], ports[64], action[16];

		assert_int_equal(sscanf(one, "%63s %63s %7s %63s %15s", from, to, protocol, ports,
					action), 5);
		*rule = (struct config_rule){
			.from = party_of(from), .to = party_of(to),
			.protocol = protocol_of(protocol), .ports = ground.rule_ports[at],
			.action = *action == 'a' ? CONFIG_ALLOW
						 : *action == 'd' ? CONFIG_DENY : CONFIG_REJECT,
			.audit = strchr(action, '~') != NULL, .file = "lb.conf",
			.line = 10 + (int)at,
		};
		ports_read(rule, ports);
	}
	free(copy);
}

static inline void ground_compile(void)
{
	policy_tables_free(ground.tables);
	ground.tables = NULL;
	if (policy_compile(&ground.config, &ground.subjects, &ground.tables, &ground.diag))
		diag_print(&ground.diag, stdout);
	assert_non_null(ground.tables);
}

/* A subject by its name; "new" is below the parent, "host" is in no cgroup that counts. */
static inline int ground_leave(void **state)
{
	(void)state;
	policy_tables_free(ground.tables);
	ground.tables = NULL;
	diag_clear(&ground.diag);
	return 0;
}

static inline struct policy_question question_of(const char *text)
{
	struct policy_question question = { 0 };
	char who[32], way[4], remote[64], protocol[8];
	unsigned int port = 0;

	assert_true(sscanf(text, "%31s %3s %63s %7s %u", who, way, remote, protocol, &port) >= 4);
	question.below_parent = !strcmp(who, "new");
	for (size_t i = 0; i < ground.subjects.count; i++) {
		const struct subject *subject = &ground.list[i];

		if (strcmp(subject->name, who))
			continue;
		question.cgroup = subject->cgroup_id;
		question.cookie = subject->cookie;
		question.below_parent = subject->cgroup && !strncmp(subject->cgroup, "docker/", 7);
		if (subject->address_count)
			question.local = subject->addresses[0];
	}
	question.initiates = *way == '>';
	question.remote = addr_of(remote);
	question.protocol = (uint8_t)protocol_of(protocol);
	question.port = (uint16_t)port;
	return question;
}

static inline const char *answer_text(uint32_t verdict, char text[32])
{
	static const char *const actions[] = { "allow", "deny", "reject", "?" };
	unsigned int rule = POLICY_VERDICT_RULE(verdict);
	char number[16] = "-";

	if (rule != POLICY_RULE_DEFAULT)
		snprintf(number, sizeof(number), "%u", rule + 1);
	snprintf(text, 32, "%s %s%s", number, actions[POLICY_VERDICT_ACTION(verdict)],
		 verdict & POLICY_VERDICT_AUDIT ? "~" : "");
	return text;
}

#endif
