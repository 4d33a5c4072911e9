/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which groups a subject is in: by its own name, labels, cgroup and namespace, and by whatever
 * stands above it in the tree of cgroups, for the program ends its search at the deepest entry. */
#include "policy/compiler.h"

#include "policy/pattern.h"

/* "batch", "/run/netns/batch" and "/var/run/netns/batch" are one name. */
static const char *netns_name(const char *name)
{
	static const char *const folders[] = { "/run/netns/", "/var/run/netns/" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (!strncmp(name, folders[i], strlen(folders[i])))
			return name + strlen(folders[i]);
	return name;
}

static bool netns_is_named(const char *pattern, const struct subject *subject)
{
	static const char of_container[] = "container:";
	size_t lead = sizeof(of_container) - 1;

	if (!strncmp(pattern, of_container, lead))
		return subject->container && !strcmp(subject->name, pattern + lead);
	return subject->netns && !strcmp(netns_name(subject->netns), netns_name(pattern));
}

/* "key=value" is that label; "key" is the label whatever its value. */
static bool label_fits(const char *pattern, const struct subject *subject)
{
	size_t size = strlen(pattern);

	for (size_t i = 0; i < subject->label_count; i++) {
		const char *label = subject->labels[i];

		if (!strncmp(label, pattern, size) &&
		    (!label[size] || (label[size] == '=' && !strchr(pattern, '='))))
			return true;
	}
	return false;
}

static bool subject_fits(const struct subject *subject, const struct config_group *group)
{
	switch (group->kind) {
	case CONFIG_GROUP_CONTAINER:
		return subject->container && pattern_matches(group->pattern, subject->name);
	case CONFIG_GROUP_LABEL:
		return label_fits(group->pattern, subject);
	case CONFIG_GROUP_CGROUP:
		return subject->cgroup && pattern_covers(group->pattern, subject->cgroup);
	case CONFIG_GROUP_NETNS:
	case CONFIG_GROUP_CIDR:
		return false;
	}
	return false;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static int cookie_order(const void *a, const void *b)
{
	const struct subject *one = *(const struct subject *const *)a;
	const struct subject *other = *(const struct subject *const *)b;

	return (one->cookie > other->cookie) - (one->cookie < other->cookie);
}

/* A namespace is in a group when any of its subjects says so. Where the cookie is not known, a
 * subject speaks for itself alone. */
struct group_set *identity_namespaces(const struct compiler *compiler)
{
	const struct config_policy *policy = compiler->policy;
	const struct subject *list = compiler->subjects->list;
	size_t count = compiler->subjects->count;
	struct group_set *sets = mem_array(count, sizeof(*sets));
	const struct subject **order = mem_array(count, sizeof(*order));
	size_t end;

	for (size_t i = 0; i < count; i++) {
		order[i] = &list[i];
		for (size_t g = 0; g < policy->group_count; g++)
			if (policy->groups[g].kind == CONFIG_GROUP_NETNS &&
			    netns_is_named(policy->groups[g].pattern, &list[i]))
				bit_set(sets[i].bits, g);
	}
	if (count)
		qsort(order, count, sizeof(const struct subject *), cookie_order);
	for (size_t i = 0; i < count; i = end) {
		struct group_set all = { 0 };

		for (end = i; end < count && order[end]->cookie == order[i]->cookie; end++)
			bits_add(all.bits, sets[order[end] - list].bits, GROUP_WORDS);
		for (size_t k = i; k < end && order[i]->cookie; k++)
			sets[order[k] - list] = all;
	}
	free(order);
	return sets;
}

/* ---- the tree of cgroups --------------------------------------------------------------------- */

struct by_path {
	const char *path;
	size_t size;		/* bytes of it that count */
	size_t subject;
};

static int path_order(const void *a, const void *b)
{
	const struct by_path *one = a, *other = b;
	size_t size = one->size < other->size ? one->size : other->size;
	int order = memcmp(one->path, other->path, size);

	return order ? order : (one->size > other->size) - (one->size < other->size);
}

/* Of the sorted list: the first with this path; `count` if none has it. */
static size_t path_first(const struct by_path *list, size_t count, const struct by_path *wanted)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (path_order(&list[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && !path_order(&list[low], wanted) ? low : count;
}

/* What stands in `above` holds below it too, but for its namespace where this one has another. */
static void inherit(struct group_set *set, const struct subject *subject,
		    const struct subject *above, const struct group_set *own,
		    const struct group_set *of_netns)
{
	bits_add(set->bits, own->bits, GROUP_WORDS);
	if (!subject->cookie || subject->cookie == above->cookie)
		bits_add(set->bits, of_netns->bits, GROUP_WORDS);
}

static void inherit_all(const struct compiler *compiler, const struct group_set *own,
			const struct group_set *of_netns, struct group_set *sets)
{
	const struct subject *list = compiler->subjects->list;
	struct by_path *paths = mem_array(compiler->subjects->count, sizeof(*paths));
	size_t count = 0;

	for (size_t i = 0; i < compiler->subjects->count; i++)
		if (list[i].cgroup)
			paths[count++] = (struct by_path){ list[i].cgroup,
							   strlen(list[i].cgroup), i };
	if (count)
		qsort(paths, count, sizeof(*paths), path_order);
	for (size_t i = 0; i < count; i++) {
		const char *path = paths[i].path;
		size_t self = paths[i].subject, size = 0;

		while (size < paths[i].size) {
			struct by_path up = { .path = path };

			size += 1 + strcspn(path + size + 1, "/");
			up.size = size;
			for (size_t k = path_first(paths, count, &up);
			     k < count && !path_order(&paths[k], &up); k++)
				inherit(&sets[self], &list[self], &list[paths[k].subject],
					&own[paths[k].subject], &of_netns[paths[k].subject]);
		}
	}
	free(paths);
}

struct group_set *identity_groups(const struct compiler *compiler)
{
	const struct config_policy *policy = compiler->policy;
	size_t count = compiler->subjects->count;
	struct group_set *own = mem_array(count, sizeof(*own));
	struct group_set *sets = mem_array(count, sizeof(*sets));
	struct group_set *of_netns = identity_namespaces(compiler);

	for (size_t i = 0; i < count; i++) {
		for (size_t g = 0; g < policy->group_count; g++)
			if (subject_fits(&compiler->subjects->list[i], &policy->groups[g]))
				bit_set(own[i].bits, g);
		sets[i] = own[i];
		bits_add(sets[i].bits, of_netns[i].bits, GROUP_WORDS);
	}
	inherit_all(compiler, own, of_netns, sets);
	free(own);
	free(of_netns);
	return sets;
}
