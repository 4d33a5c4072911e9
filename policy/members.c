/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is found by what: groups by the id of a cgroup, by the cookie of a namespace, and by the
 * address of one; and how deep the program has to look. */
#include "policy/cgroup_tree.h"
#include "policy/compiler.h"

#include "policy/pattern.h"

static int member_order(const void *a, const void *b)
{
	const struct member *one = a, *other = b;

	return (one->id > other->id) - (one->id < other->id);
}

/* Sorted, and those of one id united. */
static void members_unite(struct members *members)
{
	size_t kept = 0;

	if (members->count)
		qsort(members->list, members->count, sizeof(*members->list), member_order);
	for (size_t i = 0; i < members->count; i++) {
		struct member *next = &members->list[i];

		if (kept && members->list[kept - 1].id == next->id) {
			bits_add(members->list[kept - 1].groups.bits, next->groups.bits,
				 GROUP_WORDS);
			members->list[kept - 1].roams |= next->roams;
		} else {
			members->list[kept++] = *next;
		}
	}
	members->count = kept;
}

static unsigned int highest_parent(const struct subjects *subjects)
{
	unsigned int level = UINT32_MAX;

	for (size_t i = 0; i < subjects->parent_count; i++)
		if (subjects->parent_levels[i] < level)
			level = subjects->parent_levels[i];
	return level;
}

/* Who is in no group is entered where it would be new otherwise: below a parent, or by the name of
 * its cgroup. Its path does not say below which parent it stands, and one entry too many does no
 * harm. */
static void cgroups_collect(struct compiler *compiler, const struct group_set *groups)
{
	const struct subjects *subjects = compiler->subjects;
	unsigned int highest = highest_parent(subjects);
	struct members *members = &compiler->cgroups;

	members->list = mem_array(subjects->count, sizeof(*members->list));
	for (size_t i = 0; i < subjects->count; i++) {
		const struct subject *subject = &subjects->list[i];

		if (!subject->cgroup_id)
			continue;
		if (!bits_any(groups[i].bits, GROUP_WORDS) && subject->level <= highest &&
		    !(subject->cgroup && cgroup_is_of_container(subject->cgroup)))
			continue;
		members->list[members->count++] = (struct member){
			.id = subject->cgroup_id, .groups = groups[i], .level = subject->level,
			.roams = !subject->cookie,
		};
	}
	members_unite(members);
}

static void namespaces_collect(struct compiler *compiler)
{
	const struct subjects *subjects = compiler->subjects;
	struct group_set *groups = identity_namespaces(compiler);
	struct members *members = &compiler->namespaces;

	members->list = mem_array(subjects->count, sizeof(*members->list));
	for (size_t i = 0; i < subjects->count; i++)
		if (subjects->list[i].cookie && bits_any(groups[i].bits, GROUP_WORDS))
			members->list[members->count++] = (struct member){
				.id = subjects->list[i].cookie, .groups = groups[i],
			};
	members_unite(members);
	free(groups);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static int host_order(const void *a, const void *b)
{
	const struct host *one = a, *other = b;

	return addr_compare(&one->address, &other->address);
}

/* One address of two namespaces is nobody's own, and may be either. */
static void hosts_unite(struct compiler *compiler)
{
	struct host *hosts = compiler->hosts;
	size_t kept = 0;

	if (compiler->host_count)
		qsort(hosts, compiler->host_count, sizeof(*hosts), host_order);
	for (size_t i = 0; i < compiler->host_count; i++) {
		if (kept && addr_equal(&hosts[kept - 1].address, &hosts[i].address)) {
			bits_add(hosts[kept - 1].groups.bits, hosts[i].groups.bits, GROUP_WORDS);
			if (hosts[kept - 1].cookie != hosts[i].cookie)
				hosts[kept - 1].cookie = 0;
		} else {
			hosts[kept++] = hosts[i];
		}
	}
	compiler->host_count = kept;
}

/* Whoever shares a namespace shares its addresses: from afar they cannot be told apart. */
static void hosts_collect(struct compiler *compiler, const struct group_set *groups)
{
	const struct subjects *subjects = compiler->subjects;
	struct members spaces = { .list = mem_array(subjects->count, sizeof(*spaces.list)) };
	size_t total = 0, at = 0;

	for (size_t i = 0; i < subjects->count; i++) {
		total += subjects->list[i].address_count;
		if (subjects->list[i].cookie)
			spaces.list[spaces.count++] = (struct member){
				.id = subjects->list[i].cookie, .groups = groups[i],
			};
	}
	members_unite(&spaces);
	compiler->hosts = mem_array(total, sizeof(*compiler->hosts));
	for (size_t i = 0; i < subjects->count; i++) {
		const struct subject *subject = &subjects->list[i];
		const struct member wanted = { .id = subject->cookie }, *space;

		if (!subject->cookie)
			continue;
		space = bsearch(&wanted, spaces.list, spaces.count, sizeof(wanted), member_order);
		for (size_t a = 0; space && a < subject->address_count; a++)
			compiler->hosts[at++] = (struct host){ subject->addresses[a],
							       space->id, space->groups };
	}
	compiler->host_count = at;
	hosts_unite(compiler);
	free(spaces.list);
}

/* ---- how deep -------------------------------------------------------------------------------- */

/* Deepest first, each once; what finds no room is counted all the same. */
static size_t level_add(uint32_t *levels, size_t count, uint32_t level)
{
	size_t at = 0;

	while (at < count && at < POLICY_LEVELS && levels[at] > level)
		at++;
	if (at < count && at < POLICY_LEVELS && levels[at] == level)
		return count;
	for (size_t i = count < POLICY_LEVELS ? count : POLICY_LEVELS - 1; i > at; i--)
		levels[i] = levels[i - 1];
	if (at < POLICY_LEVELS)
		levels[at] = level;
	return count + 1;
}

/* Where subjects are sure to come: below a parent, and where a pattern ends. */
static size_t levels_expected(const struct compiler *compiler, uint32_t *levels, size_t count)
{
	const struct config_policy *policy = compiler->policy;
	const struct subjects *subjects = compiler->subjects;

	for (size_t i = 0; i < subjects->parent_count && count < POLICY_LEVELS; i++)
		count = level_add(levels, count, subjects->parent_levels[i] + 1);
	for (size_t i = 0; i < subjects->container_level_count && count < POLICY_LEVELS; i++)
		count = level_add(levels, count, subjects->container_levels[i]);
	for (size_t g = 0; g < policy->group_count && count < POLICY_LEVELS; g++)
		if (policy->groups[g].kind == CONFIG_GROUP_CGROUP)
			count = level_add(levels, count, pattern_level(policy->groups[g].pattern));
	return count;
}

/* The first subject at an expected depth changes nothing: the level is there from the start, where
 * there is room for it. */
static int levels_build(struct compiler *compiler)
{
	const struct subjects *subjects = compiler->subjects;
	struct policy_dims *dims = &compiler->tables->dims;
	size_t count = 0, parents = 0;

	for (size_t i = 0; i < compiler->cgroups.count; i++)
		count = level_add(dims->level, count, compiler->cgroups.list[i].level);
	for (size_t i = 0; i < subjects->parent_count; i++)
		parents = level_add(dims->parent_level, parents, subjects->parent_levels[i]);
	count = levels_expected(compiler, dims->level, count);
	if (count > POLICY_LEVELS)
		return limit_told(compiler, "depths of cgroups in groups", count, POLICY_LEVELS);
	if (parents > POLICY_LEVELS)
		return limit_told(compiler, "depths of governed cgroups", parents, POLICY_LEVELS);
	return 0;
}

static int id_order(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static void parents_build(struct compiler *compiler)
{
	const struct subjects *subjects = compiler->subjects;
	struct policy_tables *tables = compiler->tables;
	uint64_t *ids = mem_array(subjects->parent_count, sizeof(*ids));

	memcpy(ids, subjects->parents, subjects->parent_count * sizeof(*ids));
	qsort(ids, subjects->parent_count, sizeof(*ids), id_order);
	for (size_t i = 0; i < subjects->parent_count; i++)
		if (!i || ids[i] != ids[i - 1])
			ids[tables->parent_count++] = ids[i];
	tables->parents = ids;
}

int members_build(struct compiler *compiler)
{
	struct group_set *groups = identity_groups(compiler);

	cgroups_collect(compiler, groups);
	namespaces_collect(compiler);
	hosts_collect(compiler, groups);
	free(groups);
	parents_build(compiler);
	if (compiler->cgroups.count > POLICY_MEMBERS_MAX)
		return limit_told(compiler, "cgroups in groups", compiler->cgroups.count,
				  POLICY_MEMBERS_MAX);
	if (compiler->namespaces.count > POLICY_MEMBERS_MAX)
		return limit_told(compiler, "network namespaces in groups",
				  compiler->namespaces.count, POLICY_MEMBERS_MAX);
	return levels_build(compiler);
}
