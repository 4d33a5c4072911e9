/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes the values of a vetted policy into struct config_policy. Called by load.c after build.c,
 * for services are parties to rules. Names that nobody has lead to group 0 here and are refused
 * by check_policy.c. */
#include <string.h>

#include "config/chain.h"
#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"

bool load_group_find(const struct load *load, const char *name, size_t *ret_group)
{
	const struct config_policy *policy = load->config->policy;

	for (size_t i = 0; i < policy->group_count; i++)
		if (!strcmp(policy->groups[i].name, name)) {
			*ret_group = i;
			return true;
		}
	return false;
}

static bool service_find(const struct load *load, const char *name, size_t *ret_service)
{
	for (size_t i = 0; i < load->config->service_count; i++)
		if (!strcmp(load->config->services[i].name, name)) {
			*ret_service = i;
			return true;
		}
	return false;
}

bool load_party(const struct load *load, const char *text, struct config_party *ret_party)
{
	size_t lead = strlen(CONFIG_PARTY_SERVICE);

	*ret_party = (struct config_party){ .kind = CONFIG_ANY };
	if (!strcmp(text, "any"))
		return true;
	if (!strncmp(text, CONFIG_PARTY_SERVICE, lead)) {
		ret_party->kind = CONFIG_SERVICE;
		return service_find(load, text + lead, &ret_party->index);
	}
	if (!prefix_parse(text, &ret_party->cidr)) {
		ret_party->kind = CONFIG_CIDR;
		return true;
	}
	ret_party->kind = CONFIG_GROUP;
	return load_group_find(load, text, &ret_party->index);
}

static char *file_name(const struct load *load, const config_setting_t *setting)
{
	return mem_text(load_file(load, setting)->name);
}

static void build_cidr(const config_setting_t *setting, struct config_group *group)
{
	struct value *values = value_read_array(schema_find(IN_GROUP, "cidr"), setting,
						&group->cidr_count);

	group->cidr = mem_array(group->cidr_count, sizeof(*group->cidr));
	for (size_t i = 0; i < group->cidr_count; i++)
		group->cidr[i] = (struct prefix){ values[i].addr, values[i].prefix_len };
	free(values);
}

static void build_group(const struct load *load, const config_setting_t *setting,
			struct config_group *group)
{
	static const struct {
		const char *key;
		enum config_group_kind kind;
	} patterns[] = {
		{ "container", CONFIG_GROUP_CONTAINER }, { "label", CONFIG_GROUP_LABEL },
		{ "cgroup", CONFIG_GROUP_CGROUP }, { "netns", CONFIG_GROUP_NETNS },
	};
	const config_setting_t *cidr = config_setting_get_member(setting, "cidr");
	struct chain chain = { .in = IN_GROUP };

	chain_push(&chain, setting);
	group->name = chain_name(&chain);
	group->line = load_line(load, setting);
	if (cidr) {
		group->kind = CONFIG_GROUP_CIDR;
		build_cidr(cidr, group);
		return;
	}
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && !group->pattern; i++) {
		group->kind = patterns[i].kind;
		group->pattern = chain_text(&chain, patterns[i].key);
	}
}

static void build_party(const struct load *load, const struct chain *chain, const char *key,
			struct config_party *party)
{
	struct value value = chain_value(chain, key);

	load_party(load, value.text, party);
}

static void build_ports(const struct load *load, const config_setting_t *setting,
			struct config_rule *rule)
{
	struct value *values = value_read_array(schema_find(IN_RULE, "ports"), setting,
						&rule->port_count);

	rule->ports = mem_array(rule->port_count, sizeof(*rule->ports));
	for (size_t i = 0; i < rule->port_count; i++)
		rule->ports[i] = (struct config_ports){
			.first = (uint16_t)values[i].number,
			.last = (uint16_t)values[i].last,
			.line = load_line(load, load_element(setting, i)),
		};
	free(values);
}

/* What an entry and, where it says nothing, the policy is told to be. */
static bool is_audit(const struct load *load, const config_setting_t *setting)
{
	struct chain own = { .in = IN_POLICY };

	chain_push(&own, setting);
	chain_push(&own, load->policy);
	return chain_number(&own, "mode");
}

static void build_rule(const struct load *load, const config_setting_t *setting,
		       struct config_rule *rule)
{
	struct chain chain = { .in = IN_RULE };

	chain_push(&chain, setting);
	build_party(load, &chain, "from", &rule->from);
	build_party(load, &chain, "to", &rule->to);
	rule->protocol = (int)chain_number(&chain, "protocol");
	build_ports(load, chain_find(&chain, "ports"), rule);
	rule->action = (enum config_action)chain_number(&chain, "action");
	rule->audit = is_audit(load, setting);
	rule->file = file_name(load, setting);
	rule->line = load_line(load, setting);
}

static size_t group_of(const struct load *load, const struct chain *chain)
{
	struct value value = chain_value(chain, "group");
	size_t group = 0;

	if (value.text)
		load_group_find(load, value.text, &group);
	return group;
}

static void build_binds(const config_setting_t *setting, struct config_sockets *sockets)
{
	struct value *values = value_read_array(schema_find(IN_SOCKETS, "bind"), setting,
						&sockets->bind_count);

	sockets->binds = mem_array(sockets->bind_count, sizeof(*sockets->binds));
	for (size_t i = 0; i < sockets->bind_count; i++)
		sockets->binds[i] = (struct config_bind){
			.address = { values[i].addr, values[i].prefix_len },
			.first = (uint16_t)values[i].number,
			.last = (uint16_t)values[i].last,
		};
	free(values);
}

static void build_sockets(const struct load *load, const config_setting_t *setting,
			  struct config_sockets *sockets)
{
	struct chain chain = { .in = IN_SOCKETS };
	struct value *denied;
	size_t count;

	chain_push(&chain, setting);
	sockets->group = group_of(load, &chain);
	denied = value_read_array(schema_find(IN_SOCKETS, "deny"), chain_find(&chain, "deny"),
				  &count);
	for (size_t i = 0; i < count; i++)
		sockets->deny |= 1u << denied[i].number;
	free(denied);
	build_binds(chain_find(&chain, "bind"), sockets);
	sockets->audit = is_audit(load, setting);
	sockets->file = file_name(load, setting);
	sockets->line = load_line(load, setting);
}

static void build_tcp(const struct load *load, const config_setting_t *setting,
		      struct config_policy_tcp *tcp)
{
	struct chain chain = { .in = IN_POLICY_TCP };

	chain_push(&chain, setting);
	tcp->group = group_of(load, &chain);
	tcp->congestion = chain_text(&chain, "congestion");
	tcp->initial_window = (uint32_t)chain_number(&chain, "initial_window");
	tcp->min_rto_us = (uint32_t)(1000 * chain_number(&chain, "min_rto"));
	tcp->pacing = (uint64_t)chain_number(&chain, "pacing");
	tcp->line = load_line(load, setting);
}

/* The policy's list of this name; NULL and no elements for what is none. */
static const config_setting_t *list_of(const struct load *load, const char *key, size_t *ret_count)
{
	const config_setting_t *list = config_setting_get_member(load->policy, key);

	*ret_count = 0;
	if (!list || !config_setting_is_list(list))
		return NULL;
	*ret_count = (size_t)config_setting_length(list);
	return list;
}

static void build_lists(const struct load *load, struct config_policy *policy)
{
	const config_setting_t *list = list_of(load, "groups", &policy->group_count);

	policy->groups = mem_array(policy->group_count, sizeof(*policy->groups));
	for (size_t i = 0; i < policy->group_count; i++)
		build_group(load, load_element(list, i), &policy->groups[i]);
	list = list_of(load, "rules", &policy->rule_count);
	policy->rules = mem_array(policy->rule_count, sizeof(*policy->rules));
	for (size_t i = 0; i < policy->rule_count; i++)
		build_rule(load, load_element(list, i), &policy->rules[i]);
	list = list_of(load, "sockets", &policy->socket_count);
	policy->sockets = mem_array(policy->socket_count, sizeof(*policy->sockets));
	for (size_t i = 0; i < policy->socket_count; i++)
		build_sockets(load, load_element(list, i), &policy->sockets[i]);
	list = list_of(load, "tcp", &policy->tcp_count);
	policy->tcp = mem_array(policy->tcp_count, sizeof(*policy->tcp));
	for (size_t i = 0; i < policy->tcp_count; i++)
		build_tcp(load, load_element(list, i), &policy->tcp[i]);
}

void load_build_policy(struct load *load)
{
	struct chain chain = { .in = IN_POLICY };

	if (!load->policy)
		return;
	load->config->policy = mem_array(1, sizeof(*load->config->policy));
	chain_push(&chain, load->policy);
	load->config->policy->audit = chain_number(&chain, "mode");
	load->config->policy->deny = chain_number(&chain, "default");
	build_lists(load, load->config->policy);
}
