/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of lb.conf into the tables of policy_abi.h: a pure function, without I/O. */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include "config/config.h"
#include "policy/policy_abi.h"
#include "policy/subject.h"

struct policy_prefix {
	struct prefix prefix;
	struct policy_place place;
};

struct policy_member {
	uint64_t id;		/* of the cgroup, or the cookie */
	uint16_t set;
};

/* One generation; every array is the caller's to read. */
struct policy_tables {
	struct policy_dims dims;
	struct policy_prefix *prefixes;	/* in the order of addresses, then lengths; unique */
	size_t prefix_count;
	struct policy_member *cgroups, *namespaces; /* in the order of ids; unique */
	size_t cgroup_count, namespace_count;
	uint64_t *parents;		/* governed, in the order of ids */
	size_t parent_count;
	uint16_t *pairs;		/* set_count * set_count */
	struct policy_class *unions;	/* set_count * class_count */
	struct policy_cell *cells;	/* rows * dims.columns */
	uint32_t rows;			/* initiator classes */
	struct policy_span *spans;
	size_t span_count;
	struct policy_sockets *sockets;	/* set_count */
	struct policy_tcp *tcp;
	size_t tcp_count;
	char **set_names;		/* set_count: "front", "front+batch", "(new)", "(none)" */
};

/* Subjects are matched to groups, and groups, prefixes and services to classes. What cannot be held
 * (policy_abi.h's limits) is -E2BIG with a sentence that says what and how much; *ret_tables is
 * untouched then. Two equal inputs give equal tables; subjects that only come or go, in groups and
 * combinations of groups that were there, leave everything but prefixes, cgroups and namespaces as
 * it was. Every single group is such a combination from the start. */
int policy_compile(const struct config *config, const struct subjects *subjects,
		   struct policy_tables **ret_tables, struct diag *diag);
void policy_tables_free(struct policy_tables *tables); /* NULL is fine */

/* Whether b differs from a in prefixes, cgroups and namespaces alone; false: a swap is needed. */
bool policy_tables_same_rules(const struct policy_tables *a, const struct policy_tables *b);

/* One end of a connection, as a hook there sees it. */
struct policy_question {
	uint64_t cgroup;	/* id by which it would be found in policy_cgroups; 0: none */
	uint64_t cookie;	/* of its netns; 0: none */
	bool below_parent;	/* the cgroup stands below a governed parent */
	struct addr local, remote; /* local all zero: not bound yet */
	uint8_t protocol;
	uint16_t port;		/* the responder's */
	bool initiates;		/* the local end began it */
};

/* The set that the programs find by a cgroup's id and a namespace's cookie (0: none). Who is in no
 * cgroup of the tables is new below a governed parent. */
uint16_t policy_set_of(const struct policy_tables *tables, uint64_t cgroup, uint64_t cookie,
		       bool below_parent);

/* The same answer that the programs give, by the same tables: for tests, for cutting connections on
 * kernels that cannot do it themselves, and for "explain". POLICY_ALLOW with the rule
 * POLICY_RULE_DEFAULT where nobody is touched. */
uint32_t policy_decide(const struct policy_tables *tables, const struct policy_question *question);

/* "lb.conf:12 (front → db, deny)": the rule of a verdict, for people; into text[size]. */
const char *policy_rule_text(const struct config *config, uint32_t verdict, char *text,
			     size_t size);

#endif
