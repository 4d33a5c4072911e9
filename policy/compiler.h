/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps of policy_compile() leave for the next: compile.c calls them in this order.
 *
 *	members_build   subjects → groups of each cgroup, namespace, address   identity.c, members.c
 *	sets_build      groups of somebody → sets and their numbers            sets.c
 *	matchers_build  rules → matchers, and which of them fit a group        matchers.c
 *	places_build    prefixes → classes of addresses                        places.c
 *	cells_build     sets, classes of addresses → rows, columns, cells      cells.c, spans.c
 *	sockets_build   sockets and tcp by set                                 socket_rules.c
 *
 * A matcher is one rule, or one of the ways in which a rule to a service is met: its vips at its
 * ports, its backends at one port of theirs. Whatever fits the same matchers in a role is one class
 * in that role: so a class is a bitmap over matchers, and a cell is what two of them share. */
#ifndef POLICY_COMPILER_H
#define POLICY_COMPILER_H

#include <errno.h>

#include "config/mem.h"
#include "policy/compile.h"
#include "policy/intern.h"

#define BIT_WORDS(bits)	(((bits) + 63) / 64)
#define GROUP_WORDS	BIT_WORDS(CONFIG_GROUPS_MAX)
#define SPACE_LAST	POLICY_POINT(255, 65535)

static inline void bit_set(uint64_t *bits, size_t bit)
{
	bits[bit / 64] |= 1ULL << bit % 64;
}

static inline bool bit_get(const uint64_t *bits, size_t bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

static inline void bits_add(uint64_t *bits, const uint64_t *more, size_t words)
{
	for (size_t i = 0; i < words; i++)
		bits[i] |= more[i];
}

static inline bool bits_any(const uint64_t *bits, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (bits[i])
			return true;
	return false;
}

/* Of enforced kinds alone: addresses are no identity. */
struct group_set {
	uint64_t fresh;		/* 1: POLICY_SET_NEW, which has no bits */
	uint64_t bits[GROUP_WORDS];
};
#define SET_WORDS (sizeof(struct group_set) / sizeof(uint64_t))

/* Who is found by the id of a cgroup, or by a cookie. */
struct member {
	uint64_t id;
	struct group_set groups;
	unsigned int level;	/* of a cgroup */
	bool roams;		/* its processes can be in any namespace that has a name */
};

struct members {		/* in the order of ids; unique */
	struct member *list;
	size_t count;
};

/* An address that a namespace has to itself, or shares with a namespace elsewhere. */
struct host {
	struct addr address;
	uint64_t cookie;	/* 0: several have it */
	struct group_set groups;
};

struct interval {		/* of points, inclusive */
	uint32_t first, last;
};

struct matcher {
	uint32_t verdict;
	struct interval *intervals;
	size_t interval_count;
};

/* Which matchers fit whatever stands in a prefix. */
struct named_prefix {
	struct prefix prefix;
	const uint64_t *fits[2]; /* by role; NULL: none */
};

enum role { INITIATOR, RESPONDER };

struct compiler {
	const struct config *config;
	const struct config_policy *policy;
	const struct subjects *subjects;
	struct diag *diag;
	struct policy_tables *tables;

	struct members cgroups, namespaces;
	struct host *hosts;	/* in the order of addresses; unique */
	size_t host_count;
	struct intern sets;	/* struct group_set; its numbers are those of the tables */

	struct matcher *matchers; /* in the order of rules; those of one rule are neighbours */
	size_t matcher_count, words; /* words of a bitmap over them */
	uint64_t *complete;	/* those that fit every protocol and port */
	uint64_t *anyone[2];	/* by role: those that fit whoever it is */
	uint64_t *group_fits[2]; /* by role: `words` for each group */
	struct named_prefix *named;
	size_t named_count, named_room;
	uint64_t **owned;	/* bitmaps that `named` points to */
	size_t owned_count;

	struct intern classes;	/* of addresses: bitmaps of both roles, one behind the other */
	uint16_t *place_sets;	/* by prefix of the tables: the groups of whoever has it */
};

static inline bool group_is_enforced(const struct config_group *group)
{
	return group->kind != CONFIG_GROUP_CIDR;
}

/* Each returns 0 or -E2BIG with its sentence. */
int members_build(struct compiler *compiler);
int sets_build(struct compiler *compiler);
int matchers_build(struct compiler *compiler);
int places_build(struct compiler *compiler);
int cells_build(struct compiler *compiler);
int sockets_build(struct compiler *compiler);

/* -E2BIG and "policy: WHAT: N, at most M". */
int limit_told(const struct compiler *compiler, const char *what, size_t count, size_t most);

/* The groups of each subject, by its index, those above it in the tree of cgroups included. */
struct group_set *identity_groups(const struct compiler *compiler);

/* The groups of each subject's namespace that netns groups name; where its cookie is not known,
 * what is known by its name. */
struct group_set *identity_namespaces(const struct compiler *compiler);

/* What fits in this role whatever stands in the prefix; NULL: nothing. */
void named_add(struct compiler *compiler, const struct prefix *prefix, enum role role,
	       const uint64_t *fits);

/* The place with the longest prefix around this address; NULL: none. */
const struct policy_prefix *prefix_longest(const struct policy_prefix *prefixes, size_t count,
					   const struct addr *addr);

#endif
