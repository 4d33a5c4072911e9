/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rule it was, for people. */
#include "policy/compile.h"

#include <stdio.h>

#define PARTY_TEXT_MAX (CONFIG_NAME_MAX + 16) /* of a service; a prefix is shorter */

static const char *party_text(const struct config *config, const struct config_party *party,
			      char text[PARTY_TEXT_MAX])
{
	const struct prefix *cidr = &party->cidr;
	unsigned int lead = addr_is_ipv4(&cidr->addr) && cidr->len >= 96 ? 96 : 0;
	char addr[ADDR_TEXT_MAX];

	switch (party->kind) {
	case CONFIG_ANY:
		return "any";
	case CONFIG_GROUP:
		return config->policy->groups[party->index].name;
	case CONFIG_SERVICE:
		snprintf(text, PARTY_TEXT_MAX, "service:%s", config->services[party->index].name);
		break;
	case CONFIG_CIDR:
		addr_format(&cidr->addr, addr);
		if (cidr->len == 128)
			snprintf(text, PARTY_TEXT_MAX, "%s", addr);
		else
			snprintf(text, PARTY_TEXT_MAX, "%s/%u", addr, cidr->len - lead);
		break;
	}
	return text;
}

static const char *action_text(uint32_t verdict)
{
	static const char *const enforced[] = { "allow", "deny", "reject", "?" };
	static const char *const audited[] = { "allow, audit", "deny, audit", "reject, audit",
					       "?" };
	unsigned int action = POLICY_VERDICT_ACTION(verdict);

	return verdict & POLICY_VERDICT_AUDIT ? audited[action] : enforced[action];
}

const char *policy_rule_text(const struct config *config, uint32_t verdict, char *text,
			     size_t size)
{
	const struct config_policy *policy = config->policy;
	size_t number = POLICY_VERDICT_RULE(verdict), entry = POLICY_RULE_SOCKETS - number;
	char from[PARTY_TEXT_MAX], to[PARTY_TEXT_MAX];

	if (number == POLICY_RULE_DEFAULT) {
		snprintf(text, size, "policy.default (%s)", action_text(verdict));
	} else if (policy && number < policy->rule_count) {
		const struct config_rule *rule = &policy->rules[number];

		snprintf(text, size, "%s:%d (%s → %s, %s)", rule->file, rule->line,
			 party_text(config, &rule->from, from), party_text(config, &rule->to, to),
			 action_text(verdict));
	} else if (policy && number <= POLICY_RULE_SOCKETS && entry < policy->socket_count) {
		const struct config_sockets *sockets = &policy->sockets[entry];

		snprintf(text, size, "%s:%d (sockets of %s, %s)", sockets->file, sockets->line,
			 policy->groups[sockets->group].name, action_text(verdict));
	} else {
		snprintf(text, size, "rule %zu, which the config no longer has (%s)", number,
			 action_text(verdict));
	}
	return text;
}
