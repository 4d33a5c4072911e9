/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules into matchers: what each answers, at which protocols and ports, and who fits it. A rule to
 * a service is met by its vips at its ports and by its backends at theirs, so that a connection is
 * judged alike before and after it was balanced; ports in such a rule are those of the vips. */
#include "policy/compiler.h"

#include <netinet/in.h>

#define MATCHERS_MAX 16384	/* a bitmap of 2 kB */

/* Where port numbers mean something to a rule that says no protocol. */
static const uint8_t with_ports[] = {
	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_UDPLITE,
};

/* A rule, or a way to meet it: */
struct way {
	size_t rule;
	uint16_t backend_port;	/* 0: vips, and backends that keep the packet's port */
};

/* ---- protocols and ports --------------------------------------------------------------------- */

static void interval_add(struct matcher *matcher, uint32_t first, uint32_t last)
{
	matcher->intervals = mem_must(reallocarray(matcher->intervals,
						   matcher->interval_count + 1,
						   sizeof(*matcher->intervals)));
	matcher->intervals[matcher->interval_count++] = (struct interval){ first, last };
}

static void ports_add(struct matcher *matcher, uint8_t protocol, const struct config_ports *ports)
{
	uint16_t last = ports->first || ports->last ? ports->last : UINT16_MAX;

	interval_add(matcher, POLICY_POINT(protocol, ports->first), POLICY_POINT(protocol, last));
}

/* The one number for both families. */
static int protocol_of(const struct config_rule *rule)
{
	return rule->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : rule->protocol;
}

static void plain_intervals(struct matcher *matcher, const struct config_rule *rule)
{
	int protocol = protocol_of(rule);

	if (!rule->port_count && protocol == CONFIG_PROTOCOL_ANY)
		interval_add(matcher, 0, SPACE_LAST);
	else if (!rule->port_count)
		interval_add(matcher, POLICY_POINT(protocol, 0),
			     POLICY_POINT(protocol, UINT16_MAX));
	for (size_t p = 0; p < rule->port_count; p++) {
		if (protocol != CONFIG_PROTOCOL_ANY)
			ports_add(matcher, (uint8_t)protocol, &rule->ports[p]);
		for (size_t i = 0; protocol == CONFIG_PROTOCOL_ANY && i < sizeof(with_ports); i++)
			ports_add(matcher, with_ports[i], &rule->ports[p]);
	}
}

static bool ports_meet(const struct config_ports *a, const struct config_ports *b,
		       struct config_ports *ret_both)
{
	uint16_t a_last = a->first || a->last ? a->last : UINT16_MAX;
	uint16_t b_last = b->first || b->last ? b->last : UINT16_MAX;

	ret_both->first = a->first > b->first ? a->first : b->first;
	ret_both->last = a_last < b_last ? a_last : b_last;
	return ret_both->first <= ret_both->last;
}

/* Of the service's ports, those that the rule names: these, or the one behind them. */
static void service_intervals(struct matcher *matcher, const struct config_rule *rule,
			      const struct config_service *service, uint16_t backend_port)
{
	static const struct config_ports any = { 0, 0, 0 };
	uint8_t protocol = service->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	const struct config_ports behind = { backend_port, backend_port, 0 };
	struct config_ports both;

	if (rule->protocol != CONFIG_PROTOCOL_ANY && rule->protocol != protocol)
		return;
	for (size_t s = 0; s < service->port_count; s++)
		for (size_t r = 0; r < rule->port_count || (!r && !rule->port_count); r++)
			if (ports_meet(&service->ports[s],
				       rule->port_count ? &rule->ports[r] : &any, &both))
				ports_add(matcher, protocol, backend_port ? &behind : &both);
}

static uint32_t rule_verdict(const struct compiler *compiler, size_t rule)
{
	static const enum policy_action actions[] = {
		[CONFIG_ALLOW] = POLICY_ALLOW, [CONFIG_DENY] = POLICY_DENY,
		[CONFIG_REJECT] = POLICY_REJECT,
	};
	const struct config_rule *of = &compiler->policy->rules[rule];
	bool audit = of->action != CONFIG_ALLOW && (of->audit || compiler->policy->audit);

	return POLICY_VERDICT(rule, actions[of->action], audit);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* A rule that no protocol or port can meet leaves no matcher. */
static void matcher_add(struct compiler *compiler, struct way **ways, struct way way)
{
	const struct config_rule *rule = &compiler->policy->rules[way.rule];
	struct matcher matcher = { .verdict = rule_verdict(compiler, way.rule) };
	size_t count = compiler->matcher_count;

	if (rule->to.kind == CONFIG_SERVICE)
		service_intervals(&matcher, rule, &compiler->config->services[rule->to.index],
				  way.backend_port);
	else
		plain_intervals(&matcher, rule);
	if (!matcher.interval_count)
		return;
	compiler->matchers = mem_must(reallocarray(compiler->matchers, count + 1,
						   sizeof(*compiler->matchers)));
	*ways = mem_must(reallocarray(*ways, count + 1, sizeof(**ways)));
	compiler->matchers[count] = matcher;
	(*ways)[count] = way;
	compiler->matcher_count++;
}

static bool port_is_first(const struct config_service *service, size_t backend)
{
	for (size_t b = 0; b < backend; b++)
		if (service->backends[b].port == service->backends[backend].port)
			return false;
	return true;
}

static struct way *ways_list(struct compiler *compiler)
{
	struct way *ways = NULL;

	for (size_t r = 0; r < compiler->policy->rule_count; r++) {
		const struct config_party *to = &compiler->policy->rules[r].to;
		const struct config_service *service;

		matcher_add(compiler, &ways, (struct way){ .rule = r });
		if (to->kind != CONFIG_SERVICE)
			continue;
		service = &compiler->config->services[to->index];
		for (size_t b = 0; b < service->backend_count; b++)
			if (service->backends[b].port && port_is_first(service, b))
				matcher_add(compiler, &ways,
					    (struct way){ r, service->backends[b].port });
	}
	return ways;
}

/* ---- who fits -------------------------------------------------------------------------------- */

void named_add(struct compiler *compiler, const struct prefix *prefix, enum role role,
	       const uint64_t *fits)
{
	struct named_prefix *named;

	if (compiler->named_count == compiler->named_room) {
		compiler->named_room = 2 * compiler->named_room + 64;
		compiler->named = mem_must(reallocarray(compiler->named, compiler->named_room,
							sizeof(*compiler->named)));
	}
	named = &compiler->named[compiler->named_count++];
	*named = (struct named_prefix){ .prefix = *prefix };
	named->fits[role] = fits;
}

static void address_add(struct compiler *compiler, const struct addr *addr, enum role role,
			const uint64_t *fits)
{
	named_add(compiler, &(struct prefix){ *addr, 128 }, role, fits);
}

/* An initiator has no port of its own here: as such a service is all of its addresses. */
static void service_fits(struct compiler *compiler, const struct config_service *service,
			 enum role role, uint16_t backend_port, const uint64_t *fits)
{
	bool all = role == INITIATOR;

	for (size_t v = 0; v < service->vip_count && (all || !backend_port); v++)
		address_add(compiler, &service->vips[v], role, fits);
	for (size_t b = 0; b < service->backend_count; b++)
		for (int family = 0; family < 2; family++)
			if (service->backends[b].has_address[family] &&
			    (all || service->backends[b].port == backend_port))
				address_add(compiler, &service->backends[b].address[family], role,
					    fits);
}

static void party_fits(struct compiler *compiler, const struct config_party *party,
		       enum role role, size_t matcher, uint16_t backend_port)
{
	uint64_t *fits;

	if (party->kind == CONFIG_ANY) {
		bit_set(compiler->anyone[role], matcher);
		return;
	}
	if (party->kind == CONFIG_GROUP) {
		bit_set(compiler->group_fits[role] + party->index * compiler->words, matcher);
		return;
	}
	fits = mem_array(compiler->words, sizeof(*fits));
	compiler->owned = mem_must(reallocarray(compiler->owned, compiler->owned_count + 1,
						sizeof(*compiler->owned)));
	compiler->owned[compiler->owned_count++] = fits;
	bit_set(fits, matcher);
	if (party->kind == CONFIG_CIDR)
		named_add(compiler, &party->cidr, role, fits);
	else
		service_fits(compiler, &compiler->config->services[party->index], role,
			     backend_port, fits);
}

static void groups_fit(struct compiler *compiler)
{
	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		const struct config_group *group = &compiler->policy->groups[g];

		for (size_t c = 0; c < group->cidr_count && !group_is_enforced(group); c++)
			for (enum role role = INITIATOR; role <= RESPONDER; role++)
				named_add(compiler, &group->cidr[c], role,
					  compiler->group_fits[role] + g * compiler->words);
	}
}

static bool matcher_is_complete(const struct matcher *matcher)
{
	return matcher->intervals[0].first == 0 && matcher->intervals[0].last == SPACE_LAST;
}

int matchers_build(struct compiler *compiler)
{
	struct way *ways = ways_list(compiler);
	size_t words = BIT_WORDS(compiler->matcher_count);

	if (compiler->matcher_count > MATCHERS_MAX) {
		free(ways);
		return limit_told(compiler, "rules, and ports of the services they name",
				  compiler->matcher_count, MATCHERS_MAX);
	}
	compiler->words = words = words ? words : 1;
	compiler->complete = mem_array(words, sizeof(uint64_t));
	for (enum role role = INITIATOR; role <= RESPONDER; role++) {
		compiler->anyone[role] = mem_array(words, sizeof(uint64_t));
		compiler->group_fits[role] =
			mem_array(compiler->policy->group_count * words, sizeof(uint64_t));
	}
	for (size_t i = 0; i < compiler->matcher_count; i++) {
		const struct config_rule *rule = &compiler->policy->rules[ways[i].rule];

		if (matcher_is_complete(&compiler->matchers[i]))
			bit_set(compiler->complete, i);
		party_fits(compiler, &rule->from, INITIATOR, i, 0);
		party_fits(compiler, &rule->to, RESPONDER, i, ways[i].backend_port);
	}
	groups_fit(compiler);
	free(ways);
	return 0;
}
