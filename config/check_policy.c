/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contradictions in the policy of lb.conf: names that nobody has, entries that nothing would
 * enforce, keys that cannot stand together. Called by load.c last, for rules name services. What
 * was refused before is never a premise here. That a rule is covered by an earlier one is legal. */
#include <netinet/in.h>
#include <string.h>

#include "config/duplicates.h"
#include "config/load.h"
#include "config/nearest.h"
#include "config/schema.h"
#include "config/service.h"
#include "config/value.h"

/* An element of one of the policy's lists; for sentences "rule 3 of policy". */
struct entry {
	const struct load *load;
	unsigned int in;	/* its place in the schema */
	const char *noun;
	size_t index;
	const config_setting_t *setting;
};

static const config_setting_t *policy_element(const struct load *load, const char *list,
					      size_t index)
{
	return load_element(config_setting_get_member(load->policy, list), index);
}

static const config_setting_t *key_or_self(const config_setting_t *setting, const char *key)
{
	const config_setting_t *member = config_setting_get_member(setting, key);

	return member ? member : setting;
}

/* What the entry itself says, if it is good; NULL otherwise. */
static const config_setting_t *entry_value(const struct entry *entry, const char *key,
					   struct value *ret_value)
{
	const config_setting_t *setting = config_setting_get_member(entry->setting, key);

	if (!setting || !value_read(schema_find(entry->in, key), setting, ret_value))
		return NULL;
	return setting;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int compare_groups(size_t a, size_t b, const void *context)
{
	const struct load *load = context;

	return strcmp(load->config->policy->groups[a].name, load->config->policy->groups[b].name);
}

static void report_group(size_t first, size_t again, const void *context)
{
	const struct load *load = context;
	const config_setting_t *other = key_or_self(policy_element(load, "groups", first), "name");
	const config_setting_t *place = key_or_self(policy_element(load, "groups", again), "name");
	const char *name = load->config->policy->groups[again].name;
	char where[LOAD_WHERE_MAX];

	if (strcmp(name, CONFIG_NO_NAME) != 0)
		load_report(load, place, "duplicate group \"%s\": %s has it already", name,
			    load_where(load, other, place, where));
}

/* Exactly one key says who is in it. */
static void check_members(const struct load *load, const config_setting_t *setting,
			  const char *name)
{
	static const char *const keys[] = { "container", "label", "cgroup", "netns", "cidr" };
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const config_setting_t *member = config_setting_get_member(setting, keys[i]);

		if (member && first)
			load_report(load, member, "group \"%s\" has %s and %s: only one of "
				    "container, label, cgroup, netns and cidr can say who is in it",
				    name, first, keys[i]);
		else if (member)
			first = keys[i];
	}
	if (!first)
		load_report(load, setting, "group \"%s\" does not say who is in it: it needs one "
			    "of container, label, cgroup, netns and cidr", name);
}

/* In a rule such a name would mean something else. */
static void check_group_name(const struct load *load, const config_setting_t *setting,
			     const char *name)
{
	const char *fault = NULL;
	struct prefix prefix;

	if (!strcmp(name, "any"))
		fault = "stands for everybody in a rule";
	else if (!prefix_parse(name, &prefix))
		fault = "is an address in a rule";
	if (fault)
		load_report(load, key_or_self(setting, "name"), "group \"%s\" needs another name: "
			    "\"%s\" %s", name, name, fault);
}

static void check_groups(const struct load *load)
{
	const struct config_policy *policy = load->config->policy;

	for (size_t i = 0; i < policy->group_count; i++) {
		const config_setting_t *setting = policy_element(load, "groups", i);

		if (!config_setting_is_group(setting))
			continue;
		check_group_name(load, setting, policy->groups[i].name);
		check_members(load, setting, policy->groups[i].name);
	}
	duplicates_find(&(struct duplicates){ policy->group_count, compare_groups, report_group,
					      load });
}

/* ---- names that nobody has ------------------------------------------------------------------- */

static const char *nearest_group(const struct load *load, const char *typed, bool any)
{
	const struct config_policy *policy = load->config->policy;
	struct nearest nearest = { .typed = typed };

	if (any)
		nearest_consider(&nearest, "any");
	for (size_t i = 0; i < policy->group_count; i++)
		nearest_consider(&nearest, policy->groups[i].name);
	return nearest.word;
}

static const char *nearest_service(const struct load *load, const char *typed)
{
	struct nearest nearest = { .typed = typed };

	for (size_t i = 0; i < load->config->service_count; i++)
		nearest_consider(&nearest, load->config->services[i].name);
	return nearest.word;
}

static void report_unknown(const struct entry *entry, const config_setting_t *place,
			   const char *kind, const char *name, const char *near)
{
	if (near)
		load_report(entry->load, place, "unknown %s \"%s\" in %s %zu of policy; "
			    "did you mean \"%s\"?", kind, name, entry->noun, entry->index + 1,
			    near);
	else
		load_report(entry->load, place, "unknown %s \"%s\" in %s %zu of policy", kind, name,
			    entry->noun, entry->index + 1);
}

/* Whether it is known which services there are. */
static bool services_are_known(const struct load *load)
{
	const config_setting_t *root = config_root_setting(&load->tree);

	for (size_t i = 0; i < load->config->service_count; i++)
		if (load->flaws[i] & FLAW_NAME)
			return false;
	return load->services || !config_setting_get_member(root, "services");
}

static void check_group_key(const struct entry *entry)
{
	const struct load *load = entry->load;
	const config_setting_t *place;
	struct value value;
	size_t group;

	place = entry_value(entry, "group", &value);
	if (!place)
		return;
	if (load_group_find(load, value.text, &group)) {
		if (load->config->policy->groups[group].kind == CONFIG_GROUP_CIDR)
			load_report(load, place, "%s %zu of policy is about group \"%s\", which is "
				    "addresses (cidr): nothing is enforced on them", entry->noun,
				    entry->index + 1, value.text);
	} else if (!(load->policy_flaws & FLAW_GROUPS)) {
		report_unknown(entry, place, "group", value.text,
			       nearest_group(load, value.text, false));
	}
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool check_party(const struct entry *entry, const char *key, struct config_party *ret_party)
{
	const struct load *load = entry->load;
	size_t lead = strlen(CONFIG_PARTY_SERVICE);
	const config_setting_t *place;
	struct value value;

	if (!config_setting_get_member(entry->setting, key)) {
		*ret_party = (struct config_party){ .kind = CONFIG_ANY };
		return true;
	}
	place = entry_value(entry, key, &value);
	if (!place)
		return false;
	if (load_party(load, value.text, ret_party))
		return true;
	if (ret_party->kind == CONFIG_SERVICE && services_are_known(load))
		report_unknown(entry, place, "service", value.text + lead,
			       nearest_service(load, value.text + lead));
	else if (ret_party->kind == CONFIG_GROUP && !(load->policy_flaws & FLAW_GROUPS))
		report_unknown(entry, place, "group", value.text,
			       nearest_group(load, value.text, true));
	return false;
}

/* NULL for "ports = [ ]" too, which is any port. */
static const config_setting_t *entry_ports(const struct entry *entry)
{
	const config_setting_t *ports = config_setting_get_member(entry->setting, "ports");

	if (!ports || !config_setting_is_array(ports) || !config_setting_length(ports))
		return NULL;
	return ports;
}

static bool has_ports(int64_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static void check_protocol(const struct entry *entry)
{
	const config_setting_t *ports = entry_ports(entry);
	const config_setting_t *given = config_setting_get_member(entry->setting, "protocol");
	struct value value = { .number = CONFIG_PROTOCOL_ANY };
	const config_setting_t *place = entry_value(entry, "protocol", &value);

	if (given && !place)
		return;
	if (place && value.number == IPPROTO_ICMPV6)
		load_report(entry->load, place, "protocol in rule %zu of policy cannot be %d: "
			    "write \"icmp\", which is that of both families",
			    entry->index + 1, IPPROTO_ICMPV6);
	if (ports && !has_ports(value.number))
		load_report(entry->load, ports, "ports in rule %zu of policy need protocol = "
			    "\"tcp\", \"udp\" or \"sctp\"", entry->index + 1);
}

/* A service is its vips and its backends, each with ports of their own, and one protocol. */
static void check_service_party(const struct entry *entry, const struct config_party *to)
{
	const struct config_service *service = &entry->load->config->services[to->index];
	const config_setting_t *ports = entry_ports(entry);
	int wanted = service->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	const config_setting_t *place;
	struct value value;

	if (ports)
		load_report(entry->load, ports, "ports in rule %zu of policy cannot stand beside "
			    "service \"%s\", which has its own", entry->index + 1, service->name);
	place = entry_value(entry, "protocol", &value);
	if (place && value.number != wanted && value.number != CONFIG_PROTOCOL_ANY &&
	    !(entry->load->flaws[to->index] & FLAW_PROTOCOL))
		load_report(entry->load, place, "protocol in rule %zu of policy contradicts "
			    "service \"%s\", which is %s", entry->index + 1, service->name,
			    config_protocol_name(service->protocol));
}

static void check_rule(const struct entry *entry)
{
	struct config_party from, to;
	bool knows_to;

	check_party(entry, "from", &from);
	knows_to = check_party(entry, "to", &to);
	if (knows_to && to.kind == CONFIG_SERVICE)
		check_service_party(entry, &to);
	else
		check_protocol(entry);
}

/* ---- sockets, tcp ---------------------------------------------------------------------------- */

static void check_sockets(const struct entry *entry)
{
	const config_setting_t *bind = config_setting_get_member(entry->setting, "bind");

	check_group_key(entry);
	if (bind && config_setting_is_array(bind) &&
	    config_setting_length(bind) > CONFIG_BINDS_MAX)
		load_report(entry->load, bind, "%d entries of bind are too many: %d at most",
			    config_setting_length(bind), CONFIG_BINDS_MAX);
}

/* What a group has twice could not both be. */
static void check_tcp(const struct entry *entry)
{
	const struct load *load = entry->load;
	char where[LOAD_WHERE_MAX];
	struct value value;

	check_group_key(entry);
	if (!entry_value(entry, "group", &value))
		return;
	for (size_t i = 0; i < entry->index; i++) {
		const config_setting_t *other = policy_element(load, "tcp", i);
		const char *group;

		if (!config_setting_is_group(other) ||
		    !config_setting_lookup_string(other, "group", &group) ||
		    strcmp(group, value.text) != 0)
			continue;
		load_report(load, entry->setting, "duplicate tcp of group \"%s\": %s has it "
			    "already", group, load_where(load, other, entry->setting, where));
		return;
	}
}

/* ---- the lists ------------------------------------------------------------------------------- */

struct list {
	const char *key, *noun;
	unsigned int in;
	int max;
	void (*check)(const struct entry *entry);
};

/* Nothing is said of what stands in a list that is too long: each of its lines would follow. */
static void check_list(const struct load *load, const struct list *list)
{
	const config_setting_t *setting = config_setting_get_member(load->policy, list->key);
	int length;

	if (!setting || !config_setting_is_list(setting))
		return;
	length = config_setting_length(setting);
	if (length > list->max) {
		load_report(load, setting, "%d entries of %s are too many: %d at most", length,
			    list->key, list->max);
		return;
	}
	for (int i = 0; list->check && i < length; i++) {
		struct entry entry = { load, list->in, list->noun, (size_t)i,
				       load_element(setting, (size_t)i) };

		if (config_setting_is_group(entry.setting))
			list->check(&entry);
	}
}

void load_check_policy(const struct load *load)
{
	static const struct list lists[] = {
		{ "groups", "group", IN_GROUP, CONFIG_GROUPS_MAX, NULL },
		{ "rules", "rule", IN_RULE, CONFIG_RULES_MAX, check_rule },
		{ "sockets", "socket", IN_SOCKETS, CONFIG_SOCKETS_MAX, check_sockets },
		{ "tcp", "tcp", IN_POLICY_TCP, CONFIG_POLICY_TCP_MAX, check_tcp },
	};

	if (!load->policy)
		return;
	check_groups(load);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		check_list(load, &lists[i]);
}
