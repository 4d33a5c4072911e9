/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers and edges that flows are added to: found, sorted, turned over and forgotten. What
 * goes is added to "other", so that the sums over all rows stay what they were. */
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/account_private.h"
#include "lb/model/siphash.h"

void account_containers_unsort(struct accounts *accounts)
{
	free(accounts->container_list);
	accounts->container_list = NULL;
}

static void edges_unsort(struct accounts *accounts)
{
	free(accounts->edge_list);
	accounts->edge_list = NULL;
}

void account_rows_clear(struct accounts *accounts)
{
	void *row;

	account_containers_unsort(accounts);
	edges_unsort(accounts);
	for (size_t at = 0; (row = hash_next(&accounts->containers, &at));)
		free(row);
	for (size_t at = 0; (row = hash_next(&accounts->edges, &at));)
		free(row);
	hash_clear(&accounts->containers);
	hash_clear(&accounts->edges);
}

/* ---- containers ------------------------------------------------------------------------------ */

/* What makes two owners the same one. */
static const char *owner_key(const struct flow_owner *owner)
{
	if (*owner->id)
		return owner->id;
	return *owner->cgroup ? owner->cgroup : owner->name;
}

static bool container_is(const void *item, const void *key)
{
	const struct flow_owner *own = &((const struct container_row *)item)->sums.owner;
	const struct flow_owner *owner = key;

	return !*own->id == !*owner->id && !*own->cgroup == !*owner->cgroup &&
	       !strcmp(owner_key(own), owner_key(owner));
}

static struct container_row *container_other(struct accounts *accounts)
{
	if (!accounts->other.used)
		account_containers_unsort(accounts);
	accounts->other.used = true;
	return &accounts->other;
}

struct container_row *account_container_row(struct accounts *accounts,
					    const struct flow_owner *owner)
{
	const char *key = owner_key(owner);
	uint64_t code = siphash(accounts->key, key, strlen(key));
	struct container_row *container =
		hash_find(&accounts->containers, code, container_is, owner);

	if (container)
		return container;
	if (accounts->containers.count >= accounts->container_max)
		return container_other(accounts);
	account_containers_unsort(accounts);
	container = mem_array(1, sizeof(*container));
	container->sums.owner = *owner;
	container->code = code;
	hash_add(&accounts->containers, code, container);
	return container;
}

/* The runtime has told who it is, or has given it another name. */
void account_container_rename(struct accounts *accounts, struct container_row *container,
			      const struct flow_owner *owner)
{
	if (!container_is(container, owner) ||
	    !strcmp(container->sums.owner.name, owner->name))
		return;
	container->sums.owner = *owner;
	account_containers_unsort(accounts);
}

/* ---- edges ----------------------------------------------------------------------------------- */

bool account_node_is(const struct flow_node *a, const struct flow_node *b)
{
	return a->kind == b->kind && !strcmp(a->name, b->name);
}

static bool edge_is(const void *item, const void *key)
{
	const struct account_edge *own = &((const struct edge_row *)item)->sums;
	const struct edge_key *edge = key;

	return own->port == edge->port && own->protocol == edge->protocol &&
	       account_node_is(&own->from, edge->from) && account_node_is(&own->to, edge->to);
}

static uint64_t edge_hash(const struct accounts *accounts, const struct edge_key *key)
{
	const uint64_t parts[] = {
		siphash(accounts->key, key->from->name, strlen(key->from->name)),
		siphash(accounts->key, key->to->name, strlen(key->to->name)),
		(uint64_t)key->from->kind << 32 | (uint64_t)key->to->kind << 24 |
			(uint64_t)key->protocol << 16 | key->port,
	};

	return siphash(accounts->key, parts, sizeof(parts));
}

static struct edge_row *edge_other(struct accounts *accounts)
{
	if (!accounts->other_edge.used)
		edges_unsort(accounts);
	accounts->other_edge.used = true;
	return &accounts->other_edge;
}

struct edge_row *account_edge_row(struct accounts *accounts, const struct edge_key *key)
{
	uint64_t code = edge_hash(accounts, key);
	struct edge_row *edge = hash_find(&accounts->edges, code, edge_is, key);

	if (edge)
		return edge;
	if (accounts->edges.count >= accounts->edge_max)
		return edge_other(accounts);
	edges_unsort(accounts);
	edge = mem_array(1, sizeof(*edge));
	edge->sums.from = *key->from;
	edge->sums.to = *key->to;
	edge->sums.protocol = key->protocol;
	edge->sums.port = key->port;
	edge->code = code;
	hash_add(&accounts->edges, code, edge);
	return edge;
}

void account_edge_take(struct accounts *accounts, struct edge_row *edge)
{
	hash_remove(&accounts->edges, edge->code, edge);
	edges_unsort(accounts);
}

struct edge_row *account_edge_put(struct accounts *accounts, struct edge_row *edge)
{
	const struct account_edge *sums = &edge->sums;
	const struct edge_key key = { &sums->from, &sums->to, sums->protocol, sums->port };
	struct edge_row *there;

	edge->code = edge_hash(accounts, &key);
	there = hash_find(&accounts->edges, edge->code, edge_is, &key);
	if (!there)
		hash_add(&accounts->edges, edge->code, edge);
	return there;
}

/* ---- intervals ------------------------------------------------------------------------------- */

static void sizes_turn(const uint64_t sums[FLOW_SIZES], uint64_t turned[FLOW_SIZES],
		       uint64_t last[FLOW_SIZES])
{
	for (unsigned int k = 0; k < FLOW_SIZES; k++) {
		last[k] = sums[k] - turned[k];
		turned[k] = sums[k];
	}
}

static void container_turn(struct container_row *container)
{
	struct account_container *sums = &container->sums;

	sizes_turn(sums->size_in, container->turned_in, sums->last_in);
	sizes_turn(sums->size_out, container->turned_out, sums->last_out);
}

void accounts_turn(struct accounts *accounts)
{
	struct container_row *container;

	for (size_t at = 0; (container = hash_next(&accounts->containers, &at));)
		container_turn(container);
	container_turn(&accounts->other);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static void counts_add(uint64_t *to, const uint64_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] += from[i];
}
#define COUNTS_ADD(to, from, member) \
	counts_add((to)->member, (from)->member, sizeof((to)->member) / sizeof((to)->member[0]))

/* Of one that has no live flow. */
static void container_add(struct container_row *to, const struct container_row *from)
{
	struct account_container *sums = &to->sums;
	const struct account_container *more = &from->sums;

	sums->packets_in += more->packets_in;
	sums->packets_out += more->packets_out;
	sums->bytes_in += more->bytes_in;
	sums->bytes_out += more->bytes_out;
	sums->retransmits += more->retransmits;
	COUNTS_ADD(sums, more, flows_in);
	COUNTS_ADD(sums, more, flows_out);
	COUNTS_ADD(sums, more, ended);
	COUNTS_ADD(sums, more, size_in);
	COUNTS_ADD(sums, more, size_out);
	COUNTS_ADD(sums, more, last_in);
	COUNTS_ADD(sums, more, last_out);
	COUNTS_ADD(to, from, turned_in);
	COUNTS_ADD(to, from, turned_out);
	if (sums->seen_ns < more->seen_ns)
		sums->seen_ns = more->seen_ns;
	to->used = true;
}

void account_edge_add(struct edge_row *to, const struct edge_row *from)
{
	to->sums.connections += from->sums.connections;
	to->sums.failures += from->sums.failures;
	to->sums.bytes += from->sums.bytes;
	if (to->sums.seen_ns < from->sums.seen_ns)
		to->sums.seen_ns = from->sums.seen_ns;
	to->used = true;
}

static void containers_forget(struct accounts *accounts, uint64_t before_ns)
{
	struct container_row **gone =
		mem_array(accounts->containers.count, sizeof(struct container_row *));
	struct container_row *container;
	size_t count = 0;

	for (size_t at = 0; (container = hash_next(&accounts->containers, &at));)
		if (!container->sums.live && container->sums.seen_ns < before_ns)
			gone[count++] = container;
	for (size_t i = 0; i < count; i++) {
		hash_remove(&accounts->containers, gone[i]->code, gone[i]);
		container_add(&accounts->other, gone[i]);
		free(gone[i]);
	}
	free(gone);
	if (count)
		account_containers_unsort(accounts);
}

static void edges_forget(struct accounts *accounts, uint64_t before_ns)
{
	struct edge_row **gone = mem_array(accounts->edges.count, sizeof(struct edge_row *));
	struct edge_row *edge;
	size_t count = 0;

	for (size_t at = 0; (edge = hash_next(&accounts->edges, &at));)
		if (!edge->live && edge->sums.seen_ns < before_ns)
			gone[count++] = edge;
	for (size_t i = 0; i < count; i++) {
		hash_remove(&accounts->edges, gone[i]->code, gone[i]);
		account_edge_add(&accounts->other_edge, gone[i]);
		free(gone[i]);
	}
	free(gone);
	if (count)
		edges_unsort(accounts);
}

void accounts_forget(struct accounts *accounts, uint64_t before_ns)
{
	containers_forget(accounts, before_ns);
	edges_forget(accounts, before_ns);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Names can be equal, of a container and of one before it: the cgroup tells them apart. */
static int compare_containers(const void *a, const void *b)
{
	const struct account_container *one = *(const struct account_container *const *)a;
	const struct account_container *other = *(const struct account_container *const *)b;
	int order = strcmp(one->owner.name, other->owner.name);

	return order ? order : strcmp(one->owner.cgroup, other->owner.cgroup);
}

static int compare_nodes(const struct flow_node *a, const struct flow_node *b)
{
	int order = strcmp(a->name, b->name);

	return order ? order : (int)a->kind - (int)b->kind;
}

static int compare_edges(const void *a, const void *b)
{
	const struct account_edge *one = *(const struct account_edge *const *)a;
	const struct account_edge *other = *(const struct account_edge *const *)b;
	int order = compare_nodes(&one->from, &other->from);

	if (!order)
		order = compare_nodes(&one->to, &other->to);
	if (!order)
		order = one->protocol - other->protocol;
	return order ? order : one->port - other->port;
}

const struct account_container *const *accounts_containers(struct accounts *accounts,
							   size_t *ret_count)
{
	const struct container_row *container;
	size_t count = 0;

	*ret_count = accounts->containers.count + accounts->other.used;
	if (accounts->container_list)
		return accounts->container_list;
	accounts->container_list = mem_array(*ret_count, sizeof(*accounts->container_list));
	for (size_t at = 0; (container = hash_next(&accounts->containers, &at));)
		accounts->container_list[count++] = &container->sums;
	if (accounts->other.used)
		accounts->container_list[count++] = &accounts->other.sums;
	qsort(accounts->container_list, count, sizeof(*accounts->container_list),
	      compare_containers);
	return accounts->container_list;
}

const struct account_edge *const *accounts_edges(struct accounts *accounts, size_t *ret_count)
{
	const struct edge_row *edge;
	size_t count = 0;

	*ret_count = accounts->edges.count + accounts->other_edge.used;
	if (accounts->edge_list)
		return accounts->edge_list;
	accounts->edge_list = mem_array(*ret_count, sizeof(*accounts->edge_list));
	for (size_t at = 0; (edge = hash_next(&accounts->edges, &at));)
		accounts->edge_list[count++] = &edge->sums;
	if (accounts->other_edge.used)
		accounts->edge_list[count++] = &accounts->other_edge.sums;
	qsort(accounts->edge_list, count, sizeof(*accounts->edge_list), compare_edges);
	return accounts->edge_list;
}
