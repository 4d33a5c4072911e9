/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the steps, and what becomes of what they make. The daemon calls policy_compile()
 * with every change of config or subjects, and compares what comes out with what it has. */
#include "policy/compiler.h"

int limit_told(const struct compiler *compiler, const char *what, size_t count, size_t most)
{
	diag_add(compiler->diag, compiler->config->file, 0, "policy: %s: %zu, at most %zu", what,
		 count, most);
	return -E2BIG;
}

static void compiler_clear(struct compiler *compiler)
{
	for (size_t i = 0; i < compiler->matcher_count; i++)
		free(compiler->matchers[i].intervals);
	free(compiler->matchers);
	for (size_t i = 0; i < compiler->owned_count; i++)
		free(compiler->owned[i]);
	free(compiler->owned);
	for (enum role role = INITIATOR; role <= RESPONDER; role++) {
		free(compiler->anyone[role]);
		free(compiler->group_fits[role]);
	}
	free(compiler->cgroups.list);
	free(compiler->namespaces.list);
	free(compiler->hosts);
	free(compiler->complete);
	free(compiler->named);
	free(compiler->place_sets);
	intern_clear(&compiler->sets);
	intern_clear(&compiler->classes);
}

int policy_compile(const struct config *config, const struct subjects *subjects,
		   struct policy_tables **ret_tables, struct diag *diag)
{
	static int (*const steps[])(struct compiler *) = {
		members_build, sets_build, matchers_build, places_build, cells_build,
		sockets_build,
	};
	static const struct config_policy nothing;
	struct compiler compiler = {
		.config = config, .policy = config->policy ? config->policy : &nothing,
		.subjects = subjects, .diag = diag,
		.tables = mem_array(1, sizeof(*compiler.tables)),
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !error; i++)
		error = steps[i](&compiler);
	compiler_clear(&compiler);
	if (error)
		policy_tables_free(compiler.tables);
	else
		*ret_tables = compiler.tables;
	return error;
}

void policy_tables_free(struct policy_tables *tables)
{
	if (!tables)
		return;
	for (uint32_t s = 0; s < tables->dims.set_count && tables->set_names; s++)
		free(tables->set_names[s]);
	free(tables->set_names);
	free(tables->prefixes);
	free(tables->cgroups);
	free(tables->namespaces);
	free(tables->parents);
	free(tables->pairs);
	free(tables->unions);
	free(tables->cells);
	free(tables->spans);
	free(tables->sockets);
	free(tables->tcp);
	free(tables);
}

bool policy_tables_same_rules(const struct policy_tables *a, const struct policy_tables *b)
{
	size_t sets = a->dims.set_count;

	if (memcmp(&a->dims, &b->dims, sizeof(a->dims)) || a->rows != b->rows ||
	    a->span_count != b->span_count || a->tcp_count != b->tcp_count ||
	    a->parent_count != b->parent_count)
		return false;
	for (size_t s = 0; s < sets; s++)
		if (strcmp(a->set_names[s], b->set_names[s]))
			return false;
	return !memcmp(a->parents, b->parents, a->parent_count * sizeof(*a->parents)) &&
	       !memcmp(a->pairs, b->pairs, sets * sets * sizeof(*a->pairs)) &&
	       !memcmp(a->unions, b->unions, sets * a->dims.class_count * sizeof(*a->unions)) &&
	       !memcmp(a->cells, b->cells,
		       (size_t)a->rows * a->dims.columns * sizeof(*a->cells)) &&
	       !memcmp(a->spans, b->spans, a->span_count * sizeof(*a->spans)) &&
	       !memcmp(a->sockets, b->sockets, sets * sizeof(*a->sockets)) &&
	       !memcmp(a->tcp, b->tcp, a->tcp_count * sizeof(*a->tcp));
}
