/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk that the programs make, over the same tables in user space: set, places, cell, span. */
#include "policy/compiler.h"

#include <netinet/in.h>

#define UNTOUCHED POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_ALLOW, 0)

static bool member_find(const struct policy_member *members, size_t count, uint64_t id,
			uint16_t *ret_set)
{
	size_t low = 0, high = count;

	while (id && low < high) {
		size_t middle = low + (high - low) / 2;

		if (members[middle].id == id) {
			*ret_set = members[middle].set;
			return true;
		}
		if (members[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

uint16_t policy_set_of(const struct policy_tables *tables, uint64_t cgroup, uint64_t cookie,
		       bool below_parent)
{
	uint16_t of_cgroup = POLICY_SET_NONE, of_netns = POLICY_SET_NONE;

	if (!member_find(tables->cgroups, tables->cgroup_count, cgroup, &of_cgroup) &&
	    below_parent)
		of_cgroup = POLICY_SET_NEW;
	member_find(tables->namespaces, tables->namespace_count, cookie, &of_netns);
	return tables->pairs[(size_t)of_cgroup * tables->dims.set_count + of_netns];
}

static const struct policy_place *place_find(const struct policy_tables *tables,
					     const struct addr *addr)
{
	static const struct policy_place nowhere;
	const struct policy_prefix *found =
		prefix_longest(tables->prefixes, tables->prefix_count, addr);

	return found ? &found->place : &nowhere;
}

/* Not bound yet: of either family. */
static bool is_unknown(const struct addr *addr)
{
	static const struct addr none, none_of_ipv4 = { .byte = { [10] = 0xff, [11] = 0xff } };

	return addr_equal(addr, &none) || addr_equal(addr, &none_of_ipv4);
}

static bool is_loopback(const struct addr *addr)
{
	static const struct addr localhost = { .byte = { [15] = 1 } };

	return addr_equal(addr, &localhost) || (addr_is_ipv4(addr) && addr->byte[12] == 127);
}

static uint32_t span_find(const struct policy_tables *tables, const struct policy_cell *cell,
			  uint32_t point)
{
	size_t low = cell->first, high = cell->first + cell->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (tables->spans[middle].from <= point)
			low = middle;
		else
			high = middle;
	}
	return tables->spans[low].verdict;
}

uint32_t policy_decide(const struct policy_tables *tables, const struct policy_question *question)
{
	uint8_t protocol = question->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP
								: question->protocol;
	uint16_t set = policy_set_of(tables, question->cgroup, question->cookie,
				     question->below_parent);
	const struct policy_place *remote;
	uint32_t class = 0;
	struct policy_class own;
	size_t row, column;

	if (set == POLICY_SET_NONE || is_loopback(&question->remote))
		return UNTOUCHED;
	if (!is_unknown(&question->local) && addr_equal(&question->local, &question->remote))
		return UNTOUCHED; /* by lo, which the programs pass */
	remote = place_find(tables, &question->remote);
	if (remote->netns && remote->netns == (uint32_t)question->cookie)
		return UNTOUCHED;
	if (!is_unknown(&question->local))
		class = place_find(tables, &question->local)->class;
	own = tables->unions[(size_t)set * tables->dims.class_count + class];
	row = question->initiates ? own.initiator : remote->as.initiator;
	column = question->initiates ? remote->as.responder : own.responder;
	return span_find(tables, &tables->cells[row * tables->dims.columns + column],
			 POLICY_POINT(protocol, question->port));
}
