/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random hosts and flows for test_policy_model.c. */
#include "tests/model/policy_world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(random, array) ((array)[random_below(random, COUNT(array))])
#define COOKIE_FIRST 0x700000064ULL

static const char *const containers[] = { "web-1", "web-2", "db-1", "api" };
static const char *const labels[] = { "app=web", "app=db", "tier=back", "app", "tier" };
static const char *const cgroups[] = { "jobs", "jobs/a", "jobs/a/x", "jobs/b", "shop/c" };
static const char *const networks[] = { "batch", "lab" };
static const char *const patterns[][6] = {
	[CONFIG_GROUP_CONTAINER] = { "web-*", "*", "db-1", "*-1", "a*i", "web-1" },
	[CONFIG_GROUP_LABEL] = { "app", "app=web", "tier=back", "app=db", "tier", "none" },
	[CONFIG_GROUP_CGROUP] = { "jobs/*", "jobs/a", "docker/*", "jobs", "*/a/x", "docker/1*" },
	[CONFIG_GROUP_NETNS] = { "batch", "/run/netns/lab", "container:web-1", "container:api",
				 "lab", "/var/run/netns/batch" },
};
static const char *const prefixes[] = {
	"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/29", "10.1.0.5", "172.17.0.0/16",
	"172.17.0.3", "172.17.0.2/31", "192.0.2.0/24", "203.0.113.0/24", "::/0", "fd00::/8",
	"fd00::2/127", "2001:db8::/32", "fe80::/10", "::/64",
};
static const char *const places[] = {
	"10.1.0.2", "10.1.0.3", "10.1.0.5", "10.200.0.1", "172.17.0.2", "172.17.0.3",
	"172.17.0.4", "192.0.2.10", "192.0.2.11", "203.0.113.7", "198.51.100.9", "fd00::2",
	"fd00::3", "fd00::4", "2001:db8::10", "2001:db8:1::1", "fe80::1", "127.0.0.1", "::1",
};
static const uint16_t ports[] = { 0, 22, 53, 80, 81, 443, 5432, 8080, 8085, 8089, 8090, 65535 };
static const uint8_t protocols[] = {
	IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_ICMP,
	IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP, 0, 47, 255,
};

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

size_t random_below(uint64_t *state, size_t count)
{
	return random_next(state) % count;
}

static bool chance(uint64_t *random, size_t percent)
{
	return random_below(random, 100) < percent;
}

static struct addr addr_of(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		abort();
	return addr;
}

static struct prefix prefix_pick(uint64_t *random)
{
	struct prefix prefix;

	if (prefix_parse(PICK(random, prefixes), &prefix))
		abort();
	return prefix;
}

/* ---- the config ------------------------------------------------------------------------------ */

static void groups_make(struct policy_world *world, uint64_t *random)
{
	static char names[WORLD_GROUPS][4];

	world->policy.groups = world->groups;
	world->policy.group_count = 4 + random_below(random, WORLD_GROUPS - 3);
	for (size_t g = 0; g < world->policy.group_count; g++) {
		struct config_group *group = &world->groups[g];

		snprintf(names[g], sizeof(names[g]), "g%zu", g);
		group->name = names[g];
		group->kind = random_below(random, CONFIG_GROUP_CIDR + 1);
		if (group->kind != CONFIG_GROUP_CIDR) {
			group->pattern = (char *)PICK(random, patterns[group->kind]);
			continue;
		}
		group->cidr = world->cidrs[g];
		group->cidr_count = 1 + random_below(random, WORLD_CIDRS);
		for (size_t c = 0; c < group->cidr_count; c++)
			group->cidr[c] = prefix_pick(random);
	}
}

static struct config_ports ports_pick(uint64_t *random)
{
	struct config_ports range = { .first = PICK(random, ports) };

	if (!range.first)
		range.first = 80;
	range.last = chance(random, 50) ? range.first : PICK(random, ports);
	if (range.last < range.first)
		range.last = range.first;
	return range;
}

static void services_make(struct policy_world *world, uint64_t *random)
{
	static const char *const vips[] = { "192.0.2.10", "192.0.2.11", "2001:db8::10" };
	static const char *const backends[] = { "10.1.0.2", "10.1.0.3", "172.17.0.2", "fd00::3" };

	world->config.services = world->services;
	world->config.service_count = WORLD_SERVICES;
	for (size_t s = 0; s < WORLD_SERVICES; s++) {
		struct config_service *service = &world->services[s];

		service->name = s ? "two" : "one";
		service->protocol = random_below(random, 3);
		service->vips = world->vips[s];
		service->vip_count = 1 + random_below(random, 2);
		for (size_t v = 0; v < service->vip_count; v++)
			service->vips[v] = addr_of(PICK(random, vips));
		service->ports = world->service_ports[s];
		service->port_count = 1 + random_below(random, 2);
		for (size_t p = 0; p < service->port_count; p++)
			service->ports[p] = ports_pick(random);
		if (chance(random, 15)) {
			service->port_count = 1;
			service->ports[0] = (struct config_ports){ 0, 0, 0 };
		}
		service->backends = world->backends[s];
		service->backend_count = random_below(random, WORLD_BACKENDS + 1);
		for (size_t b = 0; b < service->backend_count; b++) {
			struct config_backend *backend = &service->backends[b];
			struct addr addr = addr_of(PICK(random, backends));
			int family = !addr_is_ipv4(&addr);

			backend->address[family] = addr;
			backend->has_address[family] = true;
			if (service->port_count == 1 && service->ports[0].first &&
			    chance(random, 60))
				backend->port = chance(random, 50) ? 8080 : 8085;
		}
	}
}

static struct config_party party_pick(const struct policy_world *world, uint64_t *random)
{
	struct config_party party = { .kind = CONFIG_GROUP };

	switch (random_below(random, 9)) {
	case 0:
	case 3:
		party.kind = CONFIG_ANY;
		break;
	case 1:
		party.kind = CONFIG_CIDR;
		party.cidr = prefix_pick(random);
		break;
	case 2:
		party.kind = CONFIG_SERVICE;
		party.index = random_below(random, WORLD_SERVICES);
		break;
	default:
		party.index = random_below(random, world->policy.group_count);
	}
	return party;
}

static void rules_make(struct policy_world *world, uint64_t *random)
{
	static const int of_rules[] = { CONFIG_PROTOCOL_ANY, CONFIG_PROTOCOL_ANY, IPPROTO_TCP,
					IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP };

	world->policy.rules = world->rules;
	/* Short lists, and some that fill more than one word of a bitmap. */
	world->policy.rule_count = random_below(random, chance(random, 10) ? WORLD_RULES + 1 : 25);
	for (size_t r = 0; r < world->policy.rule_count; r++) {
		struct config_rule *rule = &world->rules[r];

		rule->from = party_pick(world, random);
		rule->to = party_pick(world, random);
		rule->protocol = PICK(random, of_rules);
		rule->ports = world->rule_ports[r];
		if (rule->protocol != IPPROTO_ICMP && chance(random, 60))
			rule->port_count = random_below(random, 3);
		for (size_t p = 0; p < rule->port_count; p++)
			rule->ports[p] = ports_pick(random);
		rule->action = random_below(random, CONFIG_REJECT + 1);
		rule->audit = chance(random, 15);
		rule->file = "lb.conf";
		rule->line = (int)r + 1;
	}
}

/* ---- who lives there ------------------------------------------------------------------------- */

static struct subject *subject_add(struct policy_world *world)
{
	size_t at = world->subjects.count++;
	struct subject *subject = &world->list[at];

	subject->name = world->names[at];
	subject->labels = world->labels[at];
	subject->addresses = world->addresses[at];
	return subject;
}

static void cgroup_give(struct policy_world *world, struct subject *subject, const char *path)
{
	size_t at = (size_t)(subject - world->list);

	snprintf(world->paths[at], sizeof(world->paths[at]), "%s", path);
	subject->cgroup = world->paths[at];
	subject->cgroup_id = 1000 - at;
	subject->level = 1;
	for (const char *c = path; *c; c++)
		subject->level += *c == '/';
}

/* A namespace of its own, or that of the one before; link-local addresses are not unique. */
static void namespace_give(struct policy_world *world, struct subject *subject, uint64_t *random)
{
	size_t at = (size_t)(subject - world->list);
	char text[ADDR_TEXT_MAX];

	if (at && world->list[at - 1].cookie && chance(random, 20)) {
		subject->cookie = world->list[at - 1].cookie;
		subject->address_count = world->list[at - 1].address_count;
		memcpy(subject->addresses, world->list[at - 1].addresses,
		       sizeof(world->addresses[0]));
		return;
	}
	subject->cookie = COOKIE_FIRST + at;
	snprintf(text, sizeof(text), "172.17.0.%zu", 2 + at);
	subject->addresses[subject->address_count++] = addr_of(text);
	snprintf(text, sizeof(text), "fd00::%zx", 2 + at);
	if (chance(random, 60))
		subject->addresses[subject->address_count++] = addr_of(text);
	if (chance(random, 30))
		subject->addresses[subject->address_count++] = addr_of("fe80::1");
}

static void subjects_make(struct policy_world *world, uint64_t *random)
{
	char path[32];

	world->subjects.list = world->list;
	world->subjects.parents[0] = 5000;
	world->subjects.parent_levels[0] = 1;
	world->subjects.parent_count = 1;
	for (size_t i = 0; i < COUNT(containers); i++) {
		struct subject *subject = subject_add(world);

		snprintf(subject->name, sizeof(world->names[0]), "%s", containers[i]);
		subject->container = true;
		snprintf(path, sizeof(path), PARENT_PATH "/%zu",
			 random_below(random, 20) + 100 * i);
		cgroup_give(world, subject, path);
		if (chance(random, 85))
			namespace_give(world, subject, random);
		while (subject->label_count < 3 && chance(random, 40))
			subject->labels[subject->label_count++] = (char *)PICK(random, labels);
		if (!chance(random, 25))
			continue;
		snprintf(path, sizeof(path), "%s/in", subject->cgroup);
		cgroup_give(world, subject_add(world), path);
	}
	for (size_t i = 0; i < COUNT(cgroups); i++)
		if (chance(random, 60))
			cgroup_give(world, subject_add(world), cgroups[i]);
	for (size_t i = 0; i < COUNT(networks); i++) {
		struct subject *subject = subject_add(world);

		subject->netns = (char *)networks[i];
		namespace_give(world, subject, random);
	}
}

/* ---- who talks ------------------------------------------------------------------------------- */

static struct actor *actor_add(struct policy_world *world, const char *path, const char *below)
{
	struct actor *actor = &world->actors[world->actor_count++];

	*actor = (struct actor){ 0 };
	snprintf(actor->cgroup, sizeof(actor->cgroup), "%s%s", path, below);
	return actor;
}

static uint64_t cookie_pick(const struct policy_world *world, uint64_t *random)
{
	return world->list[random_below(random, world->subjects.count)].cookie;
}

/* Of a cgroup that is nested in a container's: that container's. */
static uint64_t cookie_of_container(const struct policy_world *world, const char *path)
{
	for (size_t i = 0; i < world->subjects.count; i++) {
		const char *above = world->list[i].cgroup;

		if (world->list[i].container && !strncmp(path, above, strlen(above)) &&
		    (!path[strlen(above)] || path[strlen(above)] == '/'))
			return world->list[i].cookie;
	}
	return 0;
}

static void actors_make(struct policy_world *world, uint64_t *random)
{
	struct actor *actor;

	for (size_t i = 0; i < world->subjects.count; i++) {
		const struct subject *subject = &world->list[i];

		if (!subject->cgroup) {
			actor = actor_add(world, "user", "");
			actor->cookie = subject->cookie;
			continue;
		}
		/* What a pattern may match is a subject: not below "jobs" itself. */
		actor = actor_add(world, subject->cgroup,
				  subject->level > 1 && chance(random, 30) ? "/deep/er" : "");
		if (!strncmp(subject->cgroup, PARENT_PATH "/", strlen(PARENT_PATH "/")))
			actor->cookie = cookie_of_container(world, subject->cgroup);
		else if (chance(random, 50))
			actor->cookie = cookie_pick(world, random);
	}
	actor_add(world, "user", "");
	actor = actor_add(world, PARENT_PATH, "/young");
	actor->is_new = true;
	actor->cookie = chance(random, 50) ? cookie_pick(world, random) : 0;
}

void policy_world_make(struct policy_world *world, uint64_t *random)
{
	memset(world, 0, sizeof(*world));
	world->config.file = "lb.conf";
	world->config.policy = &world->policy;
	world->policy.deny = chance(random, 40);
	world->policy.audit = chance(random, 10);
	groups_make(world, random);
	services_make(world, random);
	rules_make(world, random);
	subjects_make(world, random);
	actors_make(world, random);
}

static struct addr address_of(const struct policy_world *world, const struct actor *actor,
			      uint64_t *random)
{
	for (size_t i = 0; i < world->subjects.count && chance(random, 90); i++) {
		const struct subject *subject = &world->list[i];

		if (actor->cookie && subject->cookie == actor->cookie && subject->address_count)
			return subject->addresses[random_below(random, subject->address_count)];
	}
	return addr_of(PICK(random, places));
}

size_t policy_world_flow(const struct policy_world *world, uint64_t *random,
			 struct policy_flow_end ret_ends[2])
{
	const struct actor *from = &world->actors[random_below(random, world->actor_count)];
	const struct actor *to = &world->actors[random_below(random, world->actor_count)];
	struct addr source = address_of(world, from, random);
	struct addr destination = address_of(world, to, random);
	uint8_t protocol = PICK(random, protocols);
	bool has_ports = protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6 && protocol &&
			 protocol != 47 && protocol != 255;
	uint16_t port = has_ports ? PICK(random, ports) : 0;
	bool remote_only = chance(random, 30);

	if (remote_only)
		destination = addr_of(PICK(random, places));
	ret_ends[0] = (struct policy_flow_end){ from, source, destination, protocol, port, true };
	ret_ends[1] = (struct policy_flow_end){ to, destination, source, protocol, port, false };
	if (chance(random, 15))
		ret_ends[0].local = (struct addr){ 0 };
	return remote_only ? 1 : 2;
}
