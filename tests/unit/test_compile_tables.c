/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the compiled tables: who is in them, what stays as it was while subjects come and
 * go, what sockets may, and what is refused because it cannot be held. */
#include "tests/unit/compile_ground.h"

#include <errno.h>
#include <time.h>

/* ---- who is where ---------------------------------------------------------------------------- */

static void sets_are_named_and_numbered_in_order(void **state)
{
	static const char *const first[] = { "(none)", "(new)", "front", "db", "jobs", "batch",
					     "back", "nested" };
	bool combination = false;

	(void)state;
	ground_make();
	ground_compile();
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		assert_string_equal(ground.tables->set_names[i], first[i]);
	for (uint32_t s = 0; s < ground.tables->dims.set_count; s++)
		combination |= !strcmp(ground.tables->set_names[s], "db+back");
	assert_true(combination);
}

static const struct policy_member *member(uint64_t id)
{
	for (size_t i = 0; i < ground.tables->cgroup_count; i++)
		if (ground.tables->cgroups[i].id == id)
			return &ground.tables->cgroups[i];
	return NULL;
}

static void known_container_in_no_group_is_entered(void **state)
{
	(void)state;
	ground_make();
	subject_add("c", "other", 99, 0, NULL);
	ground_compile();
	assert_non_null(member(14));
	assert_int_equal(member(14)->set, POLICY_SET_NONE);
	/* It cannot stand below the parent: it is as high. */
	assert_null(member(99));
}

static void levels_are_deepest_first(void **state)
{
	static const uint32_t levels[POLICY_LEVELS] = { 3, 2 }, parents[POLICY_LEVELS] = { 1 };

	(void)state;
	ground_make();
	ground_compile();
	assert_memory_equal(ground.tables->dims.level, levels, sizeof(levels));
	assert_memory_equal(ground.tables->dims.parent_level, parents, sizeof(parents));
	assert_int_equal(ground.tables->parent_count, 1);
	assert_true(ground.tables->parents[0] == PARENT);
}

static void prefixes_are_in_order_and_say_whose_they_are(void **state)
{
	const struct policy_tables *tables;
	bool found = false;

	(void)state;
	ground_make();
	rules_add("front 10.0.0.0/8 any - deny; front 172.17.0.3 any - deny");
	ground_compile();
	tables = ground.tables;
	for (size_t i = 0; i < tables->prefix_count; i++) {
		const struct policy_prefix *p = &tables->prefixes[i];
		struct addr db = addr_of("172.17.0.3");
		int order = i ? addr_compare(&p[-1].prefix.addr, &p->prefix.addr) : -1;

		assert_true(order < 0 || (!order && p[-1].prefix.len < p->prefix.len));
		if (!addr_equal(&p->prefix.addr, &db))
			continue;
		found = true;
		assert_int_equal(p->place.netns, (uint32_t)COOKIE(2));
		assert_true(p->place.class != 0);
	}
	assert_true(found);
}

/* ---- coming and going ------------------------------------------------------------------------ */

static struct policy_tables *recompiled(void)
{
	struct policy_tables *tables = NULL;

	assert_int_equal(policy_compile(&ground.config, &ground.subjects, &tables, &ground.diag),
			 0);
	return tables;
}

static void assert_same_rules(bool same)
{
	struct policy_tables *tables = recompiled();

	assert_int_equal(policy_tables_same_rules(ground.tables, tables), same);
	policy_tables_free(tables);
}

static void subjects_come_and_go_within_the_tables(void **state)
{
	struct subject web;

	(void)state;
	ground_make();
	rules_add("front db tcp 5432 allow; front 172.17.0.0/16 any - deny; back any any - deny");
	ground_compile();
	assert_same_rules(true);
	subject_add("web-2", "docker/8", 31, COOKIE(31), "172.17.0.9");
	subject_add("db-3", "docker/9", 32, COOKIE(32), "10.9.0.1");
	assert_same_rules(true);
	/* Gone, but for the only ones of their combinations; and in another order. */
	web = ground.list[0];
	ground.list[0] = ground.list[4];
	ground.list[1] = ground.list[2];
	ground.list[2] = web;
	ground.subjects.count = 3;
	assert_same_rules(true);
}

static void new_combination_or_rule_is_a_swap(void **state)
{
	static char *back[] = { "tier=back" };

	(void)state;
	ground_make();
	rules_add("front db tcp 5432 allow");
	ground_compile();
	ground.list[0].labels = back;
	ground.list[0].label_count = 1;
	assert_same_rules(false);
	ground.list[0].label_count = 0;
	assert_same_rules(true);
	rules_add("back any any - deny");
	assert_same_rules(false);
	ground_make();
	rules_add("front db tcp 5432 allow");
	ground_compile();
	ground.rules[0].audit = true;
	ground.rules[0].action = CONFIG_DENY;
	assert_same_rules(false);
}

/* ---- sockets and tcp ------------------------------------------------------------------------- */

static uint32_t set_named(const char *name)
{
	for (uint32_t s = 0; s < ground.tables->dims.set_count; s++)
		if (!strcmp(ground.tables->set_names[s], name))
			return s;
	fail_msg("no set %s", name);
	return 0;
}

static struct config_bind bind_of(const char *prefix, uint16_t first, uint16_t last)
{
	struct config_bind bind = { .first = first, .last = last };

	if (*prefix)
		assert_int_equal(prefix_parse(prefix, &bind.address), 0);
	return bind;
}

static void sockets_add_up_over_the_groups_of_a_set(void **state)
{
	struct config_bind of_db[] = { bind_of("", 5432, 5432), bind_of("10.0.0.0/8", 80, 90) };
	struct config_bind of_back[] = { bind_of("", 5432, 5432), bind_of("", 85, 99) };
	struct config_sockets entries[] = {
		{ .group = BACK, .deny = POLICY_SOCKET_RAW, .audit = true },
		{ .group = DB, .deny = POLICY_SOCKET_RAW | POLICY_SOCKET_SCTP, .binds = of_db,
		  .bind_count = 2 },
		{ .group = BACK, .binds = of_back, .bind_count = 2 },
	};
	const struct policy_sockets *both, *new, *back;

	(void)state;
	ground_make();
	ground.policy.sockets = entries;
	ground.policy.socket_count = 3;
	ground_compile();
	both = &ground.tables->sockets[set_named("db+back")];
	assert_int_equal(both->deny, POLICY_SOCKET_RAW | POLICY_SOCKET_SCTP);
	assert_int_equal(both->verdict[CONFIG_SOCKET_RAW],
			 POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 1));
	assert_int_equal(both->verdict[CONFIG_SOCKET_SCTP],
			 POLICY_VERDICT(POLICY_RULE_SOCKETS - 1, POLICY_DENY, 0));
	assert_int_equal(both->bind_count, 3);
	assert_int_equal(both->bind_verdict,
			 POLICY_VERDICT(POLICY_RULE_SOCKETS - 1, POLICY_DENY, 0));
	back = &ground.tables->sockets[set_named("back")];
	assert_int_equal(back->deny, POLICY_SOCKET_RAW);
	assert_int_equal(back->bind_count, 2);
	/* The strictest of all: what both lists allow, and an enforced refusal. */
	new = &ground.tables->sockets[POLICY_SET_NEW];
	assert_int_equal(new->verdict[CONFIG_SOCKET_RAW],
			 POLICY_VERDICT(POLICY_RULE_SOCKETS - 1, POLICY_DENY, 0));
	assert_int_equal(new->bind_count, 2);
	assert_int_equal(new->bind[0].first, 5432);
	assert_int_equal(new->bind[1].first, 85);
	assert_int_equal(new->bind[1].last, 90);
	assert_int_equal(new->bind[1].prefix_len, 104);
	assert_int_equal(ground.tables->sockets[set_named("front")].deny, 0);
	assert_int_equal(ground.tables->sockets[POLICY_SET_NONE].deny, 0);
}

static void groups_that_share_no_bind_leave_none_to_the_new(void **state)
{
	struct config_bind of_db = bind_of("", 5432, 5432), of_front = bind_of("", 80, 80);
	struct config_sockets entries[] = {
		{ .group = DB, .binds = &of_db, .bind_count = 1 },
		{ .group = FRONT, .binds = &of_front, .bind_count = 1 },
	};
	const struct policy_sockets *new;

	(void)state;
	ground_make();
	ground.policy.sockets = entries;
	ground.policy.socket_count = 2;
	ground_compile();
	new = &ground.tables->sockets[POLICY_SET_NEW];
	assert_int_equal(new->bind_count, 1);
	assert_true(new->bind[0].first > new->bind[0].last);
	assert_int_equal(new->bind_verdict, POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0));
}

static void first_entry_of_tcp_tunes_a_set(void **state)
{
	struct config_policy_tcp entries[] = {
		{ .group = BACK, .congestion = "bbr", .initial_window = 20, .pacing = 8000 },
		{ .group = DB, .congestion = "adaptive", .min_rto_us = 5000 },
	};
	const struct policy_tables *tables;

	(void)state;
	ground_make();
	ground.policy.tcp = entries;
	ground.policy.tcp_count = 2;
	ground_compile();
	tables = ground.tables;
	assert_int_equal(tables->sockets[set_named("db+back")].tcp, 1);
	assert_int_equal(tables->sockets[set_named("db")].tcp, 2);
	assert_int_equal(tables->sockets[set_named("front")].tcp, 0);
	assert_int_equal(tables->sockets[POLICY_SET_NEW].tcp, 0);
	assert_string_equal(tables->tcp[0].congestion, "bbr");
	assert_true(tables->tcp[0].pacing == 1000 && tables->tcp[0].initial_window == 20);
	assert_true(tables->tcp[1].adaptive && !tables->tcp[1].congestion[0]);
	assert_int_equal(tables->tcp[1].min_rto_us, 5000);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void assert_too_big(const char *sentence)
{
	struct policy_tables *untouched = ground.tables, *tables = untouched;

	assert_int_equal(policy_compile(&ground.config, &ground.subjects, &tables, &ground.diag),
			 -E2BIG);
	assert_ptr_equal(tables, untouched);
	assert_int_equal(ground.diag.count, 1);
	assert_string_equal(ground.diag.entries[0].text, sentence);
}

static void too_many_depths_are_told(void **state)
{
	(void)state;
	ground_make();
	subject_add("d4", "jobs/a/3/4", 41, 0, NULL);
	subject_add("d5", "jobs/a/3/4/5", 42, 0, NULL);
	subject_add("d6", "jobs/a/3/4/5/6", 43, 0, NULL);
	assert_too_big("policy: depths of cgroups in groups: 5, at most 4");
}

static void too_many_binds_are_told(void **state)
{
	struct config_bind binds[POLICY_BINDS + 1];
	struct config_sockets entry = { .group = FRONT, .binds = binds,
					.bind_count = POLICY_BINDS + 1 };

	(void)state;
	for (uint16_t i = 0; i <= POLICY_BINDS; i++)
		binds[i] = bind_of("", 100 + i, 100 + i);
	ground_make();
	ground.policy.sockets = &entry;
	ground.policy.socket_count = 1;
	assert_too_big("policy: binds of front: 33, at most 32");
}

static void too_many_combinations_are_told(void **state)
{
	static char text[9][4], *all[512][9];

	(void)state;
	ground_make();
	ground.subjects.count = 0;
	ground.policy.group_count = 0;
	for (unsigned int g = 0; g < CONFIG_GROUPS_MAX; g++)
		group_add("g", CONFIG_GROUP_LABEL, "none");
	for (unsigned int b = 0; b < 9; b++) {
		snprintf(text[b], sizeof(text[b]), "l%u", b);
		ground.groups[b].pattern = text[b];
	}
	/* 2 and 256 sets leave room for 254 combinations; nine labels make 502 of two or more. */
	ground_compile();
	assert_int_equal(ground.tables->dims.set_count, 2 + CONFIG_GROUPS_MAX);
	ground.subjects.list = calloc(512, sizeof(struct subject));
	for (unsigned int i = 0; i < 512; i++) {
		struct subject *subject = &ground.subjects.list[ground.subjects.count++];

		subject->name = "x";
		subject->cgroup_id = 100 + i;
		subject->level = 2;
		subject->labels = all[i];
		for (unsigned int b = 0; b < 9; b++)
			if (i >> b & 1)
				subject->labels[subject->label_count++] = text[b];
	}
	assert_too_big("policy: groups and combinations of them that occur: 760, at most 512");
	free(ground.subjects.list);
	ground.subjects.list = ground.list;
	ground.subjects.count = 0;
}

/* A rule, that is a row and a column; and nothing is one of both. */
static void rule_for_network(unsigned int number)
{
	char rule[64];

	snprintf(rule, sizeof(rule), "10.%u.%u.0/24 10.%u.%u.0/24 any - deny", number >> 8,
		 number & 255, number >> 8, number & 255);
	rules_add(rule);
}

static void too_many_cells_are_told(void **state)
{
	(void)state;
	ground_make();
	for (unsigned int r = 0; r < 2047; r++)
		rule_for_network(r);
	ground_compile();
	assert_int_equal(ground.tables->rows, 2048);
	assert_int_equal(ground.tables->dims.columns, 2048);
	rule_for_network(2047);
	assert_too_big("policy: classes of initiators times those of responders, so far: 4198401,"
		       " at most 4194304");
}

/* ---- as large as it gets --------------------------------------------------------------------- */

#define MANY_PREFIXES	20000
#define MANY_SUBJECTS	500
#define MANY_RULES	200

static void many_groups_and_prefixes(struct prefix *prefixes, char names[][16])
{
	ground.policy.group_count = 0;
	for (unsigned int g = 0; g < 50; g++) {
		snprintf(names[g], 16, "app-%u-*", g);
		group_add(names[g], CONFIG_GROUP_CONTAINER, names[g]);
	}
	for (unsigned int i = 0; i < MANY_PREFIXES; i++)
		prefixes[i] = (struct prefix){
			.addr = { .byte = { [10] = 0xff, [11] = 0xff, [12] = (i & 7) << 4 | 1,
					    [13] = i >> 11, [14] = i >> 3 & 0xff } },
			.len = 120,
		};
	for (unsigned int g = 0; g < 8; g++) {
		struct config_group *group = &ground.groups[50 + g];

		group_add("net", CONFIG_GROUP_CIDR, NULL);
		group->cidr = prefixes + g * (MANY_PREFIXES / 8);
		group->cidr_count = MANY_PREFIXES / 8;
	}
}

static void many_subjects(struct subject *list, struct addr *addresses, char names[][16])
{
	ground.subjects.list = list;
	ground.subjects.count = MANY_SUBJECTS;
	for (unsigned int i = 0; i < MANY_SUBJECTS; i++) {
		snprintf(names[i], 16, "app-%u-%u", i % 50, i);
		addresses[i] = addr_of("172.17.0.0");
		addresses[i].byte[14] = i >> 8;
		addresses[i].byte[15] = i & 0xff;
		list[i] = (struct subject){
			.name = names[i], .container = true, .cgroup = names[i],
			.cgroup_id = 100 + i, .level = 2, .cookie = COOKIE(100 + i),
			.addresses = &addresses[i], .address_count = 1,
		};
	}
}

static void many_rules(void)
{
	for (unsigned int r = 0; r < MANY_RULES; r++) {
		struct config_rule *rule = &ground.rules[ground.policy.rule_count++];

		*rule = (struct config_rule){
			.from = { .kind = CONFIG_GROUP, .index = r % 50 },
			.to = { .kind = CONFIG_GROUP, .index = (7 * r + 3) % 58 },
			.protocol = r % 3 ? IPPROTO_TCP : CONFIG_PROTOCOL_ANY,
			.ports = ground.rule_ports[r], .port_count = r % 3 ? 1 : 0,
			.action = r % 2 ? CONFIG_ALLOW : CONFIG_DENY, .file = "lb.conf",
		};
		ground.rule_ports[r][0] = (struct config_ports){ 1000 + r, 1010 + r, 0 };
	}
}

/* 13 ms on the development machine; a daemon must not stand still for it. */
static void large_policy_compiles_at_once(void **state)
{
	static struct prefix prefixes[MANY_PREFIXES];
	static struct subject list[MANY_SUBJECTS];
	static struct addr addresses[MANY_SUBJECTS];
	static char names[50][16], subject_names[MANY_SUBJECTS][16];
	struct timespec before, after;
	double ms;

	(void)state;
	ground_make();
	many_groups_and_prefixes(prefixes, names);
	many_subjects(list, addresses, subject_names);
	many_rules();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	ground_compile();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
	     (double)(after.tv_nsec - before.tv_nsec) / 1e6;
	printf("# %zu prefixes, %zu cgroups, %u rows, %u columns, %zu spans: %.1f ms\n",
	       ground.tables->prefix_count, ground.tables->cgroup_count, ground.tables->rows,
	       ground.tables->dims.columns, ground.tables->span_count, ms);
	assert_true(ground.tables->prefix_count >= MANY_PREFIXES + MANY_SUBJECTS);
	assert_true(ms < 100);
}

/* ---- for people ------------------------------------------------------------------------------ */

static void verdicts_have_a_text(void **state)
{
	struct config_sockets entry = { .group = FRONT, .file = "more.conf", .line = 7 };
	char text[128];

	(void)state;
	ground_make();
	rules_add("front db any - deny; any service:web any - reject~; 10.0.0.0/8 2001:db8::1 any "
		  "- allow");
	ground.policy.sockets = &entry;
	ground.policy.socket_count = 1;
	assert_string_equal(policy_rule_text(&ground.config, POLICY_VERDICT(0, POLICY_DENY, 0),
					     text, sizeof(text)),
			    "lb.conf:10 (front → db, deny)");
	assert_string_equal(policy_rule_text(&ground.config, POLICY_VERDICT(1, POLICY_REJECT, 1),
					     text, sizeof(text)),
			    "lb.conf:11 (any → service:web, reject, audit)");
	assert_string_equal(policy_rule_text(&ground.config, POLICY_VERDICT(2, POLICY_ALLOW, 0),
					     text, sizeof(text)),
			    "lb.conf:12 (10.0.0.0/8 → 2001:db8::1, allow)");
	assert_string_equal(policy_rule_text(&ground.config,
					     POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_DENY, 0),
					     text, sizeof(text)), "policy.default (deny)");
	assert_string_equal(policy_rule_text(&ground.config,
					     POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0),
					     text, sizeof(text)),
			    "more.conf:7 (sockets of front, deny)");
	assert_string_equal(policy_rule_text(&ground.config, POLICY_VERDICT(9, POLICY_DENY, 0),
					     text, sizeof(text)),
			    "rule 9, which the config no longer has (deny)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_named_and_numbered_in_order),
		cmocka_unit_test(known_container_in_no_group_is_entered),
		cmocka_unit_test(levels_are_deepest_first),
		cmocka_unit_test(prefixes_are_in_order_and_say_whose_they_are),
		cmocka_unit_test(subjects_come_and_go_within_the_tables),
		cmocka_unit_test(new_combination_or_rule_is_a_swap),
		cmocka_unit_test(sockets_add_up_over_the_groups_of_a_set),
		cmocka_unit_test(groups_that_share_no_bind_leave_none_to_the_new),
		cmocka_unit_test(first_entry_of_tcp_tunes_a_set),
		cmocka_unit_test(too_many_depths_are_told),
		cmocka_unit_test(too_many_binds_are_told),
		cmocka_unit_test(too_many_combinations_are_told),
		cmocka_unit_test(too_many_cells_are_told),
		cmocka_unit_test(large_policy_compiles_at_once),
		cmocka_unit_test(verdicts_have_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, ground_leave);
}
