/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accounts of eight slots, three containers and four edges: what they are told, and what they have
 * of it as text. */
#ifndef TESTS_UNIT_ACCOUNT_GROUND_H
#define TESTS_UNIT_ACCOUNT_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "lb/flows/account.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SLOTS 8

static struct accounts *accounts;
static uint64_t started;	/* flows so far: each starts at another time */

static inline int accounts_set(void **state)
{
	(void)state;
	accounts = accounts_new_bounded(SLOTS, 3, 4);
	started = 0;
	return 0;
}

static inline int accounts_clear(void **state)
{
	(void)state;
	accounts_free(accounts);
	return 0;
}

/* ---- what is told ---------------------------------------------------------------------------- */

static inline struct flow_owner owner_of(const char *name)
{
	struct flow_owner owner = { .name = "" };

	snprintf(owner.name, sizeof(owner.name), "%s", name);
	snprintf(owner.cgroup, sizeof(owner.cgroup), "docker/%.100s", name);
	snprintf(owner.id, sizeof(owner.id), "id-%.70s", name);
	return owner;
}

static inline struct flow_node node_of(enum flow_node_kind kind, const char *name)
{
	struct flow_node node = { .kind = kind };

	snprintf(node.name, sizeof(node.name), "%s", name);
	return node;
}

static inline struct flow_ends ends_of(const char *owner, const char *to, const char *service)
{
	return (struct flow_ends){ .owner = owner_of(owner),
				   .from = node_of(FLOW_CONTAINER, owner),
				   .to = node_of(FLOW_CONTAINER, to), .service = service,
				   .port = 80 };
}

static inline struct flow_record record_of(uint8_t protocol)
{
	return (struct flow_record){ .flow = { .life = FLOW_LIVE, .protocol = protocol,
					       .direction = FLOW_OUT, .start_ns = ++started } };
}

static inline void tell(size_t slot, const struct flow_record *record, const struct flow_ends *ends,
		 uint64_t now)
{
	account_flow(accounts, slot, record, ends, now);
}

static inline void flow_end(size_t slot, struct flow_record *record, enum flow_outcome outcome,
		     uint64_t now)
{
	record->flow.life = FLOW_ENDED;
	record->flow.outcome = (__u8)outcome;
	account_flow(accounts, slot, record, NULL, now);
}

/* ---- what is there --------------------------------------------------------------------------- */

static inline const struct account_container *container(const char *name)
{
	size_t count;
	const struct account_container *const *list = accounts_containers(accounts, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i]->owner.name, name))
			return list[i];
	fail_msg("there is no container %s", name);
	return NULL;
}

/* "kind from → kind to protocol port: connections failures bytes", a line an edge. */
static inline const char *edges_text(void)
{
	static char text[8192];
	size_t count, at = 0;
	const struct account_edge *const *list = accounts_edges(accounts, &count);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s %s → %s %s %u %u: %llu %llu %llu\n",
				       flow_node_kind_name(list[i]->from.kind), list[i]->from.name,
				       flow_node_kind_name(list[i]->to.kind), list[i]->to.name,
				       list[i]->protocol, list[i]->port,
				       (unsigned long long)list[i]->connections,
				       (unsigned long long)list[i]->failures,
				       (unsigned long long)list[i]->bytes);
	return text;
}

static inline const char *containers_text(void)
{
	static char text[4096];
	size_t count, at = 0;
	const struct account_container *const *list = accounts_containers(accounts, &count);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %llu\n",
				       list[i]->owner.name,
				       (unsigned long long)list[i]->bytes_out);
	return text;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, accounts_set, accounts_clear)

#endif
