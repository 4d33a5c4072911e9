/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.sockets and policy.tcp by set. What a set's groups are denied adds up, and so does what
 * they may bind; the entry that stands first in the file answers for it. Somebody new gets the
 * strictest of all groups: as in cells.c, what the first entry for a combination says, it says for
 * one of its groups alone. */
#include "policy/compiler.h"

#include <stdio.h>

_Static_assert(1U << CONFIG_SOCKET_OTHER == POLICY_SOCKET_OTHER &&
	       CONFIG_SOCKET_OTHER + 1 == POLICY_SOCKET_BITS, "bits of both are the same");
_Static_assert(CONFIG_SOCKETS_MAX <= POLICY_SOCKETS_MAX && CONFIG_RULES_MAX + POLICY_SOCKETS_MAX <=
	       POLICY_RULE_SOCKETS, "numbers of rules and of entries do not meet");

static uint32_t entry_verdict(const struct compiler *compiler, size_t entry)
{
	return POLICY_VERDICT(POLICY_RULE_SOCKETS - entry, POLICY_DENY,
			      compiler->policy->sockets[entry].audit || compiler->policy->audit);
}

static bool entry_holds(const struct config_sockets *entry, const struct group_set *set)
{
	return set->fresh || bit_get(set->bits, entry->group);
}

/* ---- kinds of sockets ------------------------------------------------------------------------ */

static void deny_build(const struct compiler *compiler, const struct group_set *set,
		       struct policy_sockets *sockets)
{
	for (size_t e = 0; e < compiler->policy->socket_count; e++) {
		const struct config_sockets *entry = &compiler->policy->sockets[e];
		uint32_t verdict = entry_verdict(compiler, e);

		for (unsigned int bit = 0; bit < POLICY_SOCKET_BITS; bit++) {
			if (!entry_holds(entry, set) || !(entry->deny >> bit & 1))
				continue;
			if (!(sockets->deny >> bit & 1))
				sockets->verdict[bit] = verdict;
			else if (set->fresh && sockets->verdict[bit] & POLICY_VERDICT_AUDIT &&
				 !(verdict & POLICY_VERDICT_AUDIT))
				sockets->verdict[bit] = verdict;
			sockets->deny |= 1U << bit;
		}
	}
}

/* ---- binds ----------------------------------------------------------------------------------- */

struct binds {
	struct config_bind *list;
	size_t count;
};

static bool bind_equal(const struct config_bind *a, const struct config_bind *b)
{
	return addr_equal(&a->address.addr, &b->address.addr) &&
	       a->address.len == b->address.len && a->first == b->first && a->last == b->last;
}

static void binds_add(struct binds *binds, const struct config_bind *bind)
{
	for (size_t i = 0; i < binds->count; i++)
		if (bind_equal(&binds->list[i], bind))
			return;
	binds->list = mem_must(reallocarray(binds->list, binds->count + 1, sizeof(*bind)));
	binds->list[binds->count++] = *bind;
}

static bool bind_common(const struct config_bind *a, const struct config_bind *b,
			struct config_bind *ret_both)
{
	const struct config_bind *narrow = a->address.len >= b->address.len ? a : b;
	const struct config_bind *wide = narrow == a ? b : a;

	*ret_both = (struct config_bind){
		.address = narrow->address,
		.first = a->first > b->first ? a->first : b->first,
		.last = a->last < b->last ? a->last : b->last,
	};
	return prefix_contains(&wide->address, &narrow->address.addr) &&
	       ret_both->first <= ret_both->last;
}

/* What both allow; nothing is a list too, with a bind that no port meets. */
static void binds_narrow(struct binds *binds, const struct binds *more)
{
	static const struct config_bind never = { .first = 1, .last = 0 };
	struct config_bind both;
	struct binds common = { 0 };

	for (size_t i = 0; i < binds->count; i++)
		for (size_t k = 0; k < more->count; k++)
			if (bind_common(&binds->list[i], &more->list[k], &both))
				binds_add(&common, &both);
	if (!common.count)
		binds_add(&common, &never);
	free(binds->list);
	*binds = common;
}

/* Of all entries for this set that have binds; returns false where there is none. */
static bool binds_unite(const struct compiler *compiler, const struct group_set *set,
			struct binds *ret_binds, uint32_t *ret_verdict)
{
	bool any = false;

	for (size_t e = 0; e < compiler->policy->socket_count; e++) {
		const struct config_sockets *entry = &compiler->policy->sockets[e];

		if (!entry->bind_count || !entry_holds(entry, set))
			continue;
		for (size_t b = 0; b < entry->bind_count; b++)
			binds_add(ret_binds, &entry->binds[b]);
		if (!any)
			*ret_verdict = entry_verdict(compiler, e);
		any = true;
	}
	return any;
}

static bool binds_of_group(const struct compiler *compiler, size_t group,
			   struct binds *ret_binds, uint32_t *ret_verdict)
{
	struct group_set single = { 0 };

	bit_set(single.bits, group);
	return binds_unite(compiler, &single, ret_binds, ret_verdict);
}

static bool binds_are_enforced(const struct compiler *compiler)
{
	bool enforced = false;

	for (size_t g = 0; g < compiler->policy->group_count && !enforced; g++) {
		struct binds binds = { 0 };
		uint32_t verdict = 0;

		enforced = binds_of_group(compiler, g, &binds, &verdict) &&
			   !(verdict & POLICY_VERDICT_AUDIT);
		free(binds.list);
	}
	return enforced;
}

/* Somebody new may bind what every group may; groups whose refusals are only told count where there
 * is no other. A list that gets too long is cut, which is the safe side. */
static void binds_of_new(const struct compiler *compiler, struct binds *ret_binds,
			 uint32_t *ret_verdict)
{
	bool enforced = binds_are_enforced(compiler);

	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		struct binds binds = { 0 };
		uint32_t verdict = 0;

		if (!binds_of_group(compiler, g, &binds, &verdict))
			continue;
		if (enforced && verdict & POLICY_VERDICT_AUDIT) {
			free(binds.list);
			continue;
		}
		if (!ret_binds->count) {
			*ret_binds = binds;
		} else {
			binds_narrow(ret_binds, &binds);
			free(binds.list);
		}
		/* Entries are numbered from the top: the first has the largest number. */
		if (verdict > *ret_verdict)
			*ret_verdict = verdict;
	}
	if (ret_binds->count > POLICY_BINDS)
		ret_binds->count = POLICY_BINDS;
}

static int binds_build(const struct compiler *compiler, const struct group_set *set,
		       uint32_t number, struct policy_sockets *sockets)
{
	struct binds binds = { 0 };
	int error = 0;

	if (set->fresh)
		binds_of_new(compiler, &binds, &sockets->bind_verdict);
	else
		binds_unite(compiler, set, &binds, &sockets->bind_verdict);
	sockets->bind_count = (uint32_t)binds.count;
	if (binds.count > POLICY_BINDS) {
		diag_add(compiler->diag, compiler->config->file, 0,
			 "policy: binds of %s: %zu, at most %d",
			 compiler->tables->set_names[number], binds.count, POLICY_BINDS);
		error = -E2BIG;
	}
	for (size_t b = 0; b < binds.count && !error; b++) {
		struct policy_bind *bind = &sockets->bind[b];

		memcpy(bind->address, binds.list[b].address.addr.byte, sizeof(bind->address));
		bind->prefix_len = binds.list[b].address.len;
		bind->first = binds.list[b].first;
		bind->last = binds.list[b].last;
	}
	free(binds.list);
	return error;
}

/* ---- tuning ---------------------------------------------------------------------------------- */

static void tcp_build(const struct compiler *compiler)
{
	const struct config_policy *policy = compiler->policy;
	struct policy_tables *tables = compiler->tables;

	tables->tcp_count = policy->tcp_count;
	tables->tcp = mem_array(policy->tcp_count, sizeof(*tables->tcp));
	for (size_t t = 0; t < policy->tcp_count; t++) {
		const struct config_policy_tcp *from = &policy->tcp[t];
		struct policy_tcp *tcp = &tables->tcp[t];

		tcp->adaptive = from->congestion && !strcmp(from->congestion, "adaptive");
		if (from->congestion && !tcp->adaptive)
			snprintf(tcp->congestion, sizeof(tcp->congestion), "%s", from->congestion);
		tcp->initial_window = from->initial_window;
		tcp->min_rto_us = from->min_rto_us;
		tcp->pacing = from->pacing / 8;
	}
}

/* Tuning protects nobody: somebody new is left as the system has it. */
static uint32_t tcp_of(const struct compiler *compiler, const struct group_set *set)
{
	for (size_t t = 0; t < compiler->policy->tcp_count; t++)
		if (bit_get(set->bits, compiler->policy->tcp[t].group))
			return (uint32_t)t + 1;
	return 0;
}

int sockets_build(struct compiler *compiler)
{
	struct policy_tables *tables = compiler->tables;

	if (compiler->policy->tcp_count > POLICY_TCP_MAX)
		return limit_told(compiler, "entries of tcp", compiler->policy->tcp_count,
				  POLICY_TCP_MAX);
	tcp_build(compiler);
	tables->sockets = mem_array(tables->dims.set_count, sizeof(*tables->sockets));
	for (uint32_t s = 0; s < tables->dims.set_count; s++) {
		const struct group_set *set = (const void *)intern_words(&compiler->sets, s);
		int error;

		deny_build(compiler, set, &tables->sockets[s]);
		error = binds_build(compiler, set, s, &tables->sockets[s]);
		if (error)
			return error;
		tables->sockets[s].tcp = tcp_of(compiler, set);
	}
	return 0;
}
