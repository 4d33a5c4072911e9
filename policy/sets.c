/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of groups and their numbers: none, new, every single group in the file's order, then the
 * combinations that occur, in an order of their own: not that of the subjects, so that numbers stay
 * while subjects come and go. */
#include "policy/compiler.h"

#include <stdio.h>

static uint32_t set_number(struct compiler *compiler, const struct group_set *set)
{
	return intern_number(&compiler->sets, (const uint64_t *)set, SET_WORDS);
}

/* The bound of all sets stands for one that has no number (see cells.c for why it may). */
static uint16_t set_of(const struct compiler *compiler, const struct group_set *set)
{
	uint32_t number = POLICY_SET_NEW;

	intern_find(&compiler->sets, (const uint64_t *)set, SET_WORDS, &number);
	return (uint16_t)number;
}

static struct group_set set_united(const struct group_set *a, const struct group_set *b)
{
	struct group_set set = *a;

	bits_add(set.bits, b->bits, GROUP_WORDS);
	return set;
}

static int set_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct group_set));
}

static void add_singles(struct compiler *compiler)
{
	set_number(compiler, &(struct group_set){ .fresh = 0 });
	set_number(compiler, &(struct group_set){ .fresh = 1 });
	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		struct group_set single = { 0 };

		bit_set(single.bits, g);
		if (group_is_enforced(&compiler->policy->groups[g]))
			set_number(compiler, &single);
	}
}

static void add_occurring(struct compiler *compiler)
{
	const struct members *cgroups = &compiler->cgroups, *spaces = &compiler->namespaces;
	size_t count = 0, most = cgroups->count + spaces->count + compiler->host_count;
	struct group_set *sets = mem_array(most, sizeof(*sets));

	for (size_t i = 0; i < cgroups->count; i++)
		sets[count++] = cgroups->list[i].groups;
	for (size_t i = 0; i < spaces->count; i++)
		sets[count++] = spaces->list[i].groups;
	for (size_t i = 0; i < compiler->host_count; i++)
		sets[count++] = compiler->hosts[i].groups;
	qsort(sets, count, sizeof(*sets), set_order);
	for (size_t i = 0; i < count; i++)
		set_number(compiler, &sets[i]);
	free(sets);
}

/* A cgroup without a namespace of its own can send a process into any that has a name. Its sets
 * with those of the namespaces are made as long as there is room; new stands for the others. */
static void add_roaming(struct compiler *compiler)
{
	uint32_t count = (uint32_t)compiler->sets.count;
	bool *roams = mem_array(count, sizeof(*roams)), *space = mem_array(count, sizeof(*space));

	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		struct group_set single = { 0 };

		bit_set(single.bits, g);
		if (compiler->policy->groups[g].kind == CONFIG_GROUP_CGROUP)
			roams[set_of(compiler, &single)] = true;
		if (compiler->policy->groups[g].kind == CONFIG_GROUP_NETNS)
			space[set_of(compiler, &single)] = true;
	}
	for (size_t i = 0; i < compiler->cgroups.count; i++)
		if (compiler->cgroups.list[i].roams)
			roams[set_of(compiler, &compiler->cgroups.list[i].groups)] = true;
	for (size_t i = 0; i < compiler->namespaces.count; i++)
		space[set_of(compiler, &compiler->namespaces.list[i].groups)] = true;
	for (uint32_t a = 0; a < count; a++)
		for (uint32_t b = 0; b < count && roams[a]; b++) {
			struct group_set both;

			if (!space[b] || compiler->sets.count >= POLICY_SETS)
				continue;
			both = set_united((const void *)intern_words(&compiler->sets, a),
					  (const void *)intern_words(&compiler->sets, b));
			set_number(compiler, &both);
		}
	free(roams);
	free(space);
}

/* ---- into the tables ------------------------------------------------------------------------- */

static uint16_t pair_of(const struct compiler *compiler, uint32_t cgroup, uint32_t netns)
{
	struct group_set both;

	if (cgroup == POLICY_SET_NEW || netns == POLICY_SET_NEW)
		return POLICY_SET_NEW;
	both = set_united((const void *)intern_words(&compiler->sets, cgroup),
			  (const void *)intern_words(&compiler->sets, netns));
	return set_of(compiler, &both);
}

static void pairs_build(struct compiler *compiler)
{
	uint32_t count = compiler->tables->dims.set_count;
	uint16_t *pairs = mem_array((size_t)count * count, sizeof(*pairs));

	for (uint32_t a = 0; a < count; a++)
		for (uint32_t b = 0; b < count; b++)
			pairs[(size_t)a * count + b] = pair_of(compiler, a, b);
	compiler->tables->pairs = pairs;
}

static char *set_name(const struct compiler *compiler, uint32_t number)
{
	const struct group_set *set = (const void *)intern_words(&compiler->sets, number);
	size_t size = 0;
	char *text = NULL;
	bool first = true;
	FILE *to;

	if (number <= POLICY_SET_NEW)
		return mem_text(number == POLICY_SET_NEW ? "(new)" : "(none)");
	to = mem_must(open_memstream(&text, &size));
	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		if (!bit_get(set->bits, g))
			continue;
		fprintf(to, "%s%s", first ? "" : "+", compiler->policy->groups[g].name);
		first = false;
	}
	fclose(to);
	return mem_must(text);
}

static struct policy_member *members_numbered(const struct compiler *compiler,
					      const struct members *members)
{
	struct policy_member *list = mem_array(members->count, sizeof(*list));

	for (size_t i = 0; i < members->count; i++) {
		list[i].id = members->list[i].id;
		list[i].set = set_of(compiler, &members->list[i].groups);
	}
	return list;
}

int sets_build(struct compiler *compiler)
{
	struct policy_tables *tables = compiler->tables;

	add_singles(compiler);
	add_occurring(compiler);
	if (compiler->sets.count > POLICY_SETS)
		return limit_told(compiler, "groups and combinations of them that occur",
				  compiler->sets.count, POLICY_SETS);
	add_roaming(compiler);

	tables->dims.set_count = (uint32_t)compiler->sets.count;
	for (size_t g = 0; g < compiler->policy->group_count; g++)
		tables->dims.netns |= compiler->policy->groups[g].kind == CONFIG_GROUP_NETNS;
	pairs_build(compiler);
	tables->cgroups = members_numbered(compiler, &compiler->cgroups);
	tables->cgroup_count = compiler->cgroups.count;
	tables->namespaces = members_numbered(compiler, &compiler->namespaces);
	tables->namespace_count = compiler->namespaces.count;
	tables->set_names = mem_array(compiler->sets.count, sizeof(*tables->set_names));
	for (uint32_t s = 0; s < tables->dims.set_count; s++)
		tables->set_names[s] = set_name(compiler, s);
	return 0;
}
