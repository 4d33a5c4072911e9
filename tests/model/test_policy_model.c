/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The compiled tables against the sentences they were compiled from: random hosts, rules and flows,
 * each judged at both ends by policy_decide() and by the plain reference. MODEL_SEED and
 * MODEL_PAIRS run others and more. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model/policy_reference.h"

#define SEED		20261123
#define PAIRS		3000000
#define FLOWS_A_WORLD	700

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static struct policy_tables *world_compile(const struct policy_world *world)
{
	struct policy_tables *tables = NULL;
	struct diag diag = { 0 };

	if (policy_compile(&world->config, &world->subjects, &tables, &diag))
		diag_print(&diag, stdout);
	assert_non_null(tables);
	return tables;
}

/* ---- as the programs ask --------------------------------------------------------------------- */

static bool is_entered(const struct policy_tables *tables, const struct subject *subject)
{
	bool looked = false;

	for (size_t i = 0; i < POLICY_LEVELS; i++)
		looked |= tables->dims.level[i] == subject->level;
	for (size_t i = 0; i < tables->cgroup_count; i++)
		if (looked && tables->cgroups[i].id == subject->cgroup_id)
			return true;
	return false;
}

/* The deepest cgroup on the actor's path that has an entry. */
static uint64_t cgroup_found(const struct policy_tables *tables, const struct policy_world *world,
			     const struct actor *actor)
{
	const struct subject *deepest = NULL;

	for (size_t i = 0; i < world->subjects.count; i++) {
		const struct subject *subject = &world->list[i];
		size_t size = subject->cgroup ? strlen(subject->cgroup) : 0;

		if (!size || strncmp(actor->cgroup, subject->cgroup, size) ||
		    (actor->cgroup[size] && actor->cgroup[size] != '/'))
			continue;
		if (is_entered(tables, subject) && (!deepest || subject->level > deepest->level))
			deepest = subject;
	}
	return deepest ? deepest->cgroup_id : 0;
}

static struct policy_question question_of(const struct policy_world *world,
					  const uint64_t found[WORLD_ACTORS],
					  const struct policy_flow_end *end)
{
	return (struct policy_question){
		.cgroup = found[end->self - world->actors],
		.cookie = end->self->cookie,
		.below_parent = !strncmp(end->self->cgroup, PARENT_PATH "/",
					 strlen(PARENT_PATH "/")),
		.local = end->local, .remote = end->remote,
		.protocol = end->protocol, .port = end->port, .initiates = end->initiates,
	};
}

/* ---- what is told of a difference ------------------------------------------------------------ */

static void end_show(const struct policy_world *world, const struct policy_flow_end *end,
		     uint32_t decided, uint32_t wanted)
{
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX], text[200];

	printf("# %s, netns %" PRIx64 "%s, %s: %s %s %s, protocol %u port %u\n", end->self->cgroup,
	       end->self->cookie, end->self->is_new ? ", new" : "",
	       end->initiates ? "initiates" : "responds", addr_format(&end->local, local),
	       end->initiates ? "→" : "←", addr_format(&end->remote, remote), end->protocol,
	       end->port);
	printf("#   decided %s\n", policy_rule_text(&world->config, decided, text, sizeof(text)));
	printf("#   wanted  %s\n", policy_rule_text(&world->config, wanted, text, sizeof(text)));
}

static bool agrees(const struct policy_world *world, const struct policy_flow_end *end,
		   uint32_t decided, uint32_t wanted, uint64_t seed)
{
	if (decided == wanted)
		return true;
	printf("# MODEL_SEED=%" PRIu64 " differs\n", seed);
	end_show(world, end, decided, wanted);
	return false;
}

/* Whoever somebody new turns out to be, at the same place and towards the same other. */
static bool new_is_bound(const struct reference *reference, const struct policy_flow_end *end,
			 uint32_t decided, uint64_t *random)
{
	bool groups[WORLD_GROUPS] = { false };

	uint32_t real;

	for (size_t g = 0; g < reference->world->policy.group_count; g++)
		groups[g] = reference->world->groups[g].kind != CONFIG_GROUP_CIDR &&
			    random_below(random, 3) == 0;
	real = reference_verdict_of(reference, end, groups);
	if (reference_strictness(decided) >= reference_strictness(real))
		return true;
	printf("# somebody new passes what he is refused under his name\n");
	end_show(reference->world, end, decided, real);
	return false;
}

/* ---- the tests ------------------------------------------------------------------------------- */

struct tally {
	uint64_t pairs, refused, told, fresh, of_rules;
};

static bool world_judge(uint64_t seed, struct tally *tally)
{
	static struct policy_world world;
	static struct reference reference;
	uint64_t random = seed, found[WORLD_ACTORS];
	struct policy_tables *tables;
	bool good = true;

	policy_world_make(&world, &random);
	reference_make(&reference, &world);
	tables = world_compile(&world);
	for (size_t i = 0; i < world.actor_count; i++)
		found[i] = cgroup_found(tables, &world, &world.actors[i]);
	for (size_t f = 0; f < FLOWS_A_WORLD && good; f++) {
		struct policy_flow_end ends[2];
		size_t count = policy_world_flow(&world, &random, ends);

		for (size_t e = 0; e < count && good; e++) {
			struct policy_question question = question_of(&world, found, &ends[e]);
			uint32_t wanted = reference_verdict(&reference, &ends[e]);
			uint32_t decided = policy_decide(tables, &question);

			good = agrees(&world, &ends[e], decided, wanted, seed);
			tally->pairs++;
			tally->refused += reference_strictness(wanted) > 2;
			tally->told += wanted & POLICY_VERDICT_AUDIT ? 1 : 0;
			tally->of_rules += POLICY_VERDICT_RULE(wanted) < WORLD_RULES;
			if (!ends[e].self->is_new || reference_stays_inside(&reference, &ends[e]))
				continue;
			tally->fresh++;
			good = good && new_is_bound(&reference, &ends[e], decided, &random);
		}
	}
	policy_tables_free(tables);
	return good;
}

static void tables_say_what_the_list_says(void **state)
{
	uint64_t seed = number_of("MODEL_SEED", SEED), pairs = number_of("MODEL_PAIRS", PAIRS);
	struct tally tally = { 0 };
	uint64_t worlds = 0;

	(void)state;
	for (; tally.pairs < pairs; worlds++)
		assert_true(world_judge(seed + worlds, &tally));
	printf("# seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " pairs of a flow and an end\n", seed,
	       seed + worlds - 1, tally.pairs);
	printf("#   by a rule of the list %" PRIu64 ", refused %" PRIu64 ", told only %" PRIu64
	       ", of somebody new %" PRIu64 "\n",
	       tally.of_rules, tally.refused, tally.told, tally.fresh);
	/* A list that hardly ever speaks would prove nothing. */
	assert_true(tally.of_rules > tally.pairs / 8 && tally.refused > tally.pairs / 10);
	assert_true(tally.fresh > tally.pairs / 100 && tally.told > tally.pairs / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_say_what_the_list_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
