/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reload would change in isolation: the policy is compiled for the subjects that are there,
 * and compared with what judges. */
#include <stdio.h>

#include "config/mem.h"
#include "lb/isolation_private.h"

/* The tables that a policy makes of the subjects that are there now. */
static int tables_preview(struct isolation *isolation, const struct config *config,
			  struct policy_tables **ret_tables, struct diag *diag)
{
	const struct container *containers = NULL;
	struct who *who = isolation->who;
	enum containers_known known = CONTAINERS_ALL;
	struct found found = { 0 };
	size_t count = 0;
	int err = who ? 0 : who_open(&who, diag);

	/* Of a runtime that nobody watches nothing is known before the reload itself. */
	if (isolation_wants_runtime(config))
		containers = containers_watched(isolation->manager, config, &count, &known);
	if (!err)
		err = who_find(who, config->policy, containers, count, known == CONTAINERS_ALL,
			       &found);
	if (!err)
		err = policy_compile(config, &found.subjects, ret_tables, diag);
	found_clear(&found);
	if (!isolation->who)
		who_close(who);
	return err;
}

static char *plan_text(const struct config_policy *policy, bool first)
{
	char *text;

	if (asprintf(&text, "policy: %s %zu rule%s for %zu group%s%s",
		     first ? "none →" : "another list:", policy->rule_count,
		     policy->rule_count == 1 ? "" : "s", policy->group_count,
		     policy->group_count == 1 ? "" : "s",
		     policy->audit ? ", audited"
				   : "; live connections that it forbids are cut") < 0)
		return NULL;
	return text;
}

int isolation_plan(struct isolation *isolation, const struct config *config, char **ret_text,
		   struct diag *diag)
{
	struct policy_tables *tables = NULL;
	int err;

	*ret_text = NULL;
	if (!config->policy) {
		if (isolation->now.tables)
			*ret_text = mem_text("policy: in force → none");
		return 0;
	}
	err = tables_preview(isolation, config, &tables, diag);
	if (!err && (!isolation->now.tables ||
		     !policy_tables_same_rules(isolation->now.tables, tables)))
		*ret_text = plan_text(config->policy, !isolation->now.tables);
	policy_tables_free(tables);
	return err;
}
