/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plain matcher behind test_policy_model.c. */
#include "tests/model/policy_reference.h"

#include <fnmatch.h>
#include <netinet/in.h>
#include <string.h>

/* ---- who is in a group ----------------------------------------------------------------------- */

static bool is_at_or_below(const char *path, const char *above)
{
	size_t size = strlen(above);

	return !strncmp(path, above, size) && (path[size] == '/' || !path[size]);
}

static bool fits(const char *pattern, const char *text)
{
	return !fnmatch(pattern, text, FNM_PATHNAME | FNM_NOESCAPE);
}

/* "a cgroup covers its descendants" */
static bool cgroup_is_in(const char *pattern, const char *path)
{
	char above[64];

	strcpy(above, path);
	for (;;) {
		if (fits(pattern, above))
			return true;
		if (!strrchr(above, '/'))
			return false;
		*strrchr(above, '/') = '\0';
	}
}

static bool has_label(const struct subject *subject, const char *wanted)
{
	for (size_t i = 0; i < subject->label_count; i++) {
		char key[16];

		strcpy(key, subject->labels[i]);
		if (!strcmp(key, wanted))
			return true;
		*strchrnul(key, '=') = '\0';
		if (!strcmp(key, wanted))
			return true;
	}
	return false;
}

/* A name, a path to it, or that of a container. */
static bool names_namespace(const char *pattern, const struct subject *subject)
{
	if (!strncmp(pattern, "container:", 10))
		return subject->container && !strcmp(subject->name, pattern + 10);
	return subject->netns &&
	       !strcmp(subject->netns, strrchr(pattern, '/') ? strrchr(pattern, '/') + 1 : pattern);
}

static bool is_in(const struct policy_world *world, const char *path, uint64_t cookie,
		  const struct config_group *group)
{
	if (group->kind == CONFIG_GROUP_CGROUP)
		return cgroup_is_in(group->pattern, path);
	for (size_t i = 0; i < world->subjects.count; i++) {
		const struct subject *subject = &world->list[i];
		bool inside = subject->container && is_at_or_below(path, subject->cgroup);

		switch (group->kind) {
		case CONFIG_GROUP_CONTAINER:
			if (inside && fits(group->pattern, subject->name))
				return true;
			break;
		case CONFIG_GROUP_LABEL:
			if (inside && has_label(subject, group->pattern))
				return true;
			break;
		case CONFIG_GROUP_NETNS:
			if (names_namespace(group->pattern, subject) &&
			    (subject->cookie ? subject->cookie == cookie : inside))
				return true;
			break;
		default:
			return false;
		}
	}
	return false;
}

void reference_make(struct reference *reference, const struct policy_world *world)
{
	memset(reference, 0, sizeof(*reference));
	reference->world = world;
	for (size_t g = 0; g < world->policy.group_count; g++) {
		const struct config_group *group = &world->groups[g];

		for (size_t i = 0; i < world->actor_count; i++)
			reference->actor_in[i][g] = is_in(world, world->actors[i].cgroup,
							  world->actors[i].cookie, group);
		for (size_t i = 0; i < world->subjects.count; i++)
			reference->subject_in[i][g] =
				is_in(world, world->list[i].cgroup ? world->list[i].cgroup : "",
				      world->list[i].cookie, group);
	}
}

/* ---- who fits a rule ------------------------------------------------------------------------- */

struct somebody {
	bool groups[WORLD_GROUPS];
	const struct addr *address;
};

static bool has_address(const struct subject *subject, const struct addr *address)
{
	for (size_t a = 0; subject->cookie && a < subject->address_count; a++)
		if (addr_equal(&subject->addresses[a], address))
			return true;
	return false;
}

/* From afar somebody is whoever lives in the namespace that has the address. */
static struct somebody seen_from_afar(const struct reference *reference,
				      const struct addr *address)
{
	struct somebody somebody = { .address = address };

	for (size_t i = 0; i < reference->world->subjects.count; i++)
		for (size_t g = 0; g < reference->world->policy.group_count; g++)
			if (has_address(&reference->world->list[i], address))
				somebody.groups[g] |= reference->subject_in[i][g];
	return somebody;
}

static bool prefix_has(const struct prefix *prefix, const struct addr *address)
{
	static const struct addr none;
	bool of_ipv4 = addr_is_ipv4(&prefix->addr) && prefix->len >= 96;

	return !addr_equal(address, &none) && of_ipv4 == addr_is_ipv4(address) &&
	       prefix_contains(prefix, address);
}

static bool ports_have(const struct config_ports *ports, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if ((!ports[i].first && !ports[i].last) ||
		    (ports[i].first <= port && port <= ports[i].last))
			return true;
	return !count;
}

/* Of the rule's ports some are the service's. */
static bool rule_meets_service(const struct config_rule *rule,
			       const struct config_service *service)
{
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		if (ports_have(rule->ports, rule->port_count, (uint16_t)port) &&
		    ports_have(service->ports, service->port_count, (uint16_t)port))
			return true;
	return false;
}

static bool service_has(const struct config_service *service, const struct addr *address)
{
	for (size_t v = 0; v < service->vip_count; v++)
		if (addr_equal(&service->vips[v], address))
			return true;
	for (size_t b = 0; b < service->backend_count; b++)
		for (int family = 0; family < 2; family++)
			if (service->backends[b].has_address[family] &&
			    addr_equal(&service->backends[b].address[family], address))
				return true;
	return false;
}

/* Before it is balanced, a connection goes to a vip at a port of the service; then to a backend, at
 * the port it came with or at the backend's. */
static bool goes_to_service(const struct config_rule *rule, const struct config_service *service,
			    const struct addr *address, uint8_t protocol, uint16_t port)
{
	bool kept = ports_have(service->ports, service->port_count, port) &&
		    ports_have(rule->ports, rule->port_count, port);

	if (protocol != (service->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP))
		return false;
	for (size_t v = 0; v < service->vip_count; v++)
		if (kept && addr_equal(&service->vips[v], address))
			return true;
	for (size_t b = 0; b < service->backend_count; b++)
		for (int family = 0; family < 2; family++) {
			const struct config_backend *backend = &service->backends[b];

			if (!backend->has_address[family] ||
			    !addr_equal(&backend->address[family], address))
				continue;
			if (backend->port ? backend->port == port &&
						    rule_meets_service(rule, service)
					  : kept)
				return true;
		}
	return false;
}

static bool party_fits(const struct policy_world *world, const struct config_party *party,
		       const struct somebody *somebody)
{
	const struct config_group *group;

	switch (party->kind) {
	case CONFIG_ANY:
		return true;
	case CONFIG_CIDR:
		return prefix_has(&party->cidr, somebody->address);
	case CONFIG_SERVICE:
		return service_has(&world->services[party->index], somebody->address);
	case CONFIG_GROUP:
		group = &world->groups[party->index];
		for (size_t c = 0; c < group->cidr_count; c++)
			if (prefix_has(&group->cidr[c], somebody->address))
				return true;
		return group->kind != CONFIG_GROUP_CIDR && somebody->groups[party->index];
	}
	return false;
}

static bool protocol_fits(const struct config_rule *rule, uint8_t protocol, uint16_t port)
{
	bool has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
			 protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP ||
			 protocol == IPPROTO_UDPLITE;

	if (rule->protocol != CONFIG_PROTOCOL_ANY && rule->protocol != protocol)
		return false;
	return !rule->port_count || (has_ports && ports_have(rule->ports, rule->port_count, port));
}

static bool rule_fits(const struct policy_world *world, const struct config_rule *rule,
		      const struct somebody *initiator, const struct somebody *responder,
		      uint8_t protocol, uint16_t port)
{
	if (!party_fits(world, &rule->from, initiator))
		return false;
	if (rule->to.kind != CONFIG_SERVICE)
		return party_fits(world, &rule->to, responder) &&
		       protocol_fits(rule, protocol, port);
	return (rule->protocol == CONFIG_PROTOCOL_ANY || rule->protocol == protocol) &&
	       goes_to_service(rule, &world->services[rule->to.index], responder->address,
			       protocol, port);
}

/* ---- the list -------------------------------------------------------------------------------- */

uint32_t reference_verdict_of(const struct reference *reference, const struct policy_flow_end *end,
			      const bool groups[WORLD_GROUPS])
{
	const struct config_policy *policy = &reference->world->policy;
	struct somebody self = { .address = &end->local };
	struct somebody other = seen_from_afar(reference, &end->remote);
	uint8_t protocol = end->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : end->protocol;

	memcpy(self.groups, groups, sizeof(self.groups));
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct config_rule *rule = &policy->rules[r];

		if (!rule_fits(reference->world, rule, end->initiates ? &self : &other,
			       end->initiates ? &other : &self, protocol, end->port))
			continue;
		return POLICY_VERDICT(r, rule->action, rule->action != CONFIG_ALLOW &&
					       (rule->audit || policy->audit));
	}
	return POLICY_VERDICT(POLICY_RULE_DEFAULT, policy->deny ? POLICY_DENY : POLICY_ALLOW,
			      policy->deny && policy->audit);
}

unsigned int reference_strictness(uint32_t verdict)
{
	switch (POLICY_VERDICT_ACTION(verdict)) {
	case POLICY_DENY:
		return verdict & POLICY_VERDICT_AUDIT ? 2 : 4;
	case POLICY_REJECT:
		return verdict & POLICY_VERDICT_AUDIT ? 1 : 3;
	default:
		return 0;
	}
}

/* Somebody new may be anybody, so he gets the worst that anybody gets. */
static uint32_t verdict_of_new(const struct reference *reference,
			       const struct policy_flow_end *end)
{
	bool groups[WORLD_GROUPS] = { false };
	uint32_t worst = reference_verdict_of(reference, end, groups);

	for (size_t g = 0; g < reference->world->policy.group_count; g++) {
		uint32_t verdict;

		if (reference->world->groups[g].kind == CONFIG_GROUP_CIDR)
			continue;
		groups[g] = true;
		verdict = reference_verdict_of(reference, end, groups);
		groups[g] = false;
		if (reference_strictness(verdict) > reference_strictness(worst) ||
		    (reference_strictness(verdict) == reference_strictness(worst) &&
		     POLICY_VERDICT_RULE(verdict) < POLICY_VERDICT_RULE(worst)))
			worst = verdict;
	}
	return worst;
}

static bool is_own_address(const struct policy_world *world, const struct actor *self,
			   const struct addr *address)
{
	bool own = false;

	for (size_t i = 0; i < world->subjects.count; i++) {
		if (!has_address(&world->list[i], address))
			continue;
		if (world->list[i].cookie != self->cookie)
			return false;
		own = true;
	}
	return own;
}

bool reference_stays_inside(const struct reference *reference, const struct policy_flow_end *end)
{
	static const struct addr none, localhost = { .byte = { [15] = 1 } };

	return addr_equal(&end->remote, &localhost) ||
	       (addr_equal(&end->local, &end->remote) && !addr_equal(&end->local, &none)) ||
	       (addr_is_ipv4(&end->remote) && end->remote.byte[12] == 127) ||
	       is_own_address(reference->world, end->self, &end->remote);
}

uint32_t reference_verdict(const struct reference *reference, const struct policy_flow_end *end)
{
	const struct policy_world *world = reference->world;
	const bool *groups = reference->actor_in[end->self - world->actors];
	bool touched = end->self->is_new;

	for (size_t g = 0; g < world->policy.group_count; g++)
		touched |= groups[g];
	if (!touched || reference_stays_inside(reference, end))
		return POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_ALLOW, 0);
	return end->self->is_new ? verdict_of_new(reference, end)
				 : reference_verdict_of(reference, end, groups);
}
