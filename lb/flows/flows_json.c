/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The graph, what containers have done, and how much there is, for lbctl. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/isolation.h"
#include "lb/watch/cgroup_fs.h"

#define ADD(object, key, value) json_object_object_add(object, key, value)

static struct json_object *number_json(uint64_t number)
{
	return json_object_new_uint64(number);
}

struct json_object *flows_other_json(const struct flows *flows)
{
	struct json_object *object = json_object_new_object();
	struct flow_other other = { 0 };

	flow_kernel_other(flows->kernel, &other);
	ADD(object, "flows", number_json(other.flows));
	ADD(object, "packets_in", number_json(other.packets_in));
	ADD(object, "packets_out", number_json(other.packets_out));
	ADD(object, "bytes_in", number_json(other.bytes_in));
	ADD(object, "bytes_out", number_json(other.bytes_out));
	ADD(object, "no_memory", number_json(other.no_memory));
	return object;
}

/* ---- the graph ------------------------------------------------------------------------------- */

static struct json_object *node_json(const struct flow_node *node)
{
	struct json_object *object = json_object_new_object();

	ADD(object, "name", json_object_new_string(node->name));
	ADD(object, "kind", json_object_new_string(flow_node_kind_name(node->kind)));
	return object;
}

static struct json_object *edge_json(const struct account_edge *edge)
{
	struct json_object *object = json_object_new_object();
	char protocol[8];

	ADD(object, "from", json_object_new_string(edge->from.name));
	ADD(object, "from_kind", json_object_new_string(flow_node_kind_name(edge->from.kind)));
	ADD(object, "to", json_object_new_string(edge->to.name));
	ADD(object, "to_kind", json_object_new_string(flow_node_kind_name(edge->to.kind)));
	ADD(object, "protocol",
	    json_object_new_string(flow_protocol_name(edge->protocol, protocol)));
	ADD(object, "port", edge->port ? json_object_new_int(edge->port) : NULL);
	ADD(object, "connections", number_json(edge->connections));
	ADD(object, "failures", number_json(edge->failures));
	ADD(object, "bytes", number_json(edge->bytes));
	return object;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct flow_node *one = *(const struct flow_node *const *)a;
	const struct flow_node *other = *(const struct flow_node *const *)b;
	int order = strcmp(one->name, other->name);

	return order ? order : (int)one->kind - (int)other->kind;
}

/* Each that an edge touches, once. */
static struct json_object *nodes_json(const struct flow_node **nodes, size_t count)
{
	struct json_object *list = json_object_new_array();

	qsort(nodes, count, sizeof(struct flow_node *), compare_nodes);
	for (size_t i = 0; i < count; i++)
		if (!i || compare_nodes(&nodes[i - 1], &nodes[i]))
			json_object_array_add(list, node_json(nodes[i]));
	return list;
}

struct json_object *flows_graph_json(struct flows *flows, uint64_t since_s)
{
	uint64_t from_ns = since_s ? flows_ns_before(since_s) : 0;
	const struct account_edge *const *edges;
	struct json_object *object, *list;
	const struct flow_node **nodes;
	size_t count, node_count = 0;

	if (!flows->kernel)
		return NULL;
	flows_sample(flows);
	edges = accounts_edges(flows->accounts, &count);
	nodes = mem_array(2 * count, sizeof(*nodes));
	list = json_object_new_array();
	for (size_t i = 0; i < count; i++) {
		if (edges[i]->seen_ns < from_ns)
			continue;
		nodes[node_count++] = &edges[i]->from;
		nodes[node_count++] = &edges[i]->to;
		json_object_array_add(list, edge_json(edges[i]));
	}
	object = json_object_new_object();
	ADD(object, "nodes", nodes_json(nodes, node_count));
	ADD(object, "edges", list);
	free(nodes);
	return object;
}

/* ---- containers ------------------------------------------------------------------------------ */

static struct json_object *sizes_json(const uint64_t *sizes)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < FLOW_SIZES; i++)
		json_object_array_add(list, number_json(sizes[i]));
	return list;
}

static struct json_object *protocols_json(const uint64_t *flows)
{
	struct json_object *object = json_object_new_object();

	for (unsigned int i = 0; i < 3; i++)
		ADD(object, account_protocol_name(i), number_json(flows[i]));
	return object;
}

static uint64_t failures_of(const struct account_container *container)
{
	uint64_t sum = 0;

	for (int outcome = 0; outcome < FLOW_OUTCOMES; outcome++)
		if (flow_outcome_is_failure((enum flow_outcome)outcome))
			sum += container->ended[outcome];
	return sum;
}

static uint64_t begun(const struct account_container *container)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 3; i++)
		sum += container->flows_in[i] + container->flows_out[i];
	return sum;
}

/* The groups of the cgroup alone: flows of one can be in several namespaces. */
static const char *groups_of(const struct flows *flows, const char *root, const char *cgroup)
{
	uint64_t line[PLACES_LINE_MAX];
	size_t count = places_line_read(root, cgroup, line);

	return isolation_groups(flows->manager->isolation, line, count, 0);
}

static struct json_object *container_json(const struct flows *flows, const char *root,
					  const struct account_container *container)
{
	struct json_object *object = json_object_new_object();
	const char *cgroup = *container->owner.cgroup ? container->owner.cgroup : NULL;
	const char *groups = cgroup ? groups_of(flows, root, cgroup) : NULL;

	ADD(object, "name", json_object_new_string(container->owner.name));
	ADD(object, "cgroup", cgroup ? json_object_new_string(cgroup) : NULL);
	ADD(object, "group", groups ? json_object_new_string(groups) : NULL);
	ADD(object, "flows", number_json(container->live));
	ADD(object, "new_flows", number_json(begun(container)));
	ADD(object, "flows_in", protocols_json(container->flows_in));
	ADD(object, "flows_out", protocols_json(container->flows_out));
	ADD(object, "packets_in", number_json(container->packets_in));
	ADD(object, "packets_out", number_json(container->packets_out));
	ADD(object, "bytes_in", number_json(container->bytes_in));
	ADD(object, "bytes_out", number_json(container->bytes_out));
	ADD(object, "failures", number_json(failures_of(container)));
	ADD(object, "retransmits", number_json(container->retransmits));
	ADD(object, "rtt_us",
	    container->rtt_count ? number_json(container->rtt_sum_us / container->rtt_count)
				 : NULL);
	ADD(object, "sizes_in", sizes_json(container->last_in));
	ADD(object, "sizes_out", sizes_json(container->last_out));
	return object;
}

struct json_object *flows_containers_json(struct flows *flows)
{
	const struct account_container *const *containers;
	struct json_object *object, *list;
	char root[CGROUP_PATH_MAX];
	size_t count;

	if (!flows->kernel)
		return NULL;
	if (cgroup_fs_root(root))
		root[0] = '\0';
	flows_sample(flows);
	object = json_object_new_object();
	ADD(object, "monotonic_ns", number_json(clock_ns())); /* as show has it, for rates */
	containers = accounts_containers(flows->accounts, &count);
	list = json_object_new_array();
	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, container_json(flows, root, containers[i]));
	ADD(object, "containers", list);
	ADD(object, "interval_ms", number_json(flows->config->interval_ms));
	ADD(object, "other", flows_other_json(flows));
	return object;
}

/* ---- show ------------------------------------------------------------------------------------ */

static struct json_object *stands_json(const struct flows *flows)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < flows->config->cgroup_count; i++)
		if (flows->stands[i])
			json_object_array_add(list,
					      json_object_new_string(flows->config->cgroups[i]));
	if (!flows->config->cgroup_count)
		json_object_array_add(list, json_object_new_string("/"));
	return list;
}

static struct json_object *influx_json(const struct flows *flows)
{
	struct json_object *object = json_object_new_object();
	struct influx_counts counts = { 0 };

	influx_counts(flows->influx, &counts);
	ADD(object, "written", number_json(counts.written));
	ADD(object, "refused", number_json(counts.refused));
	ADD(object, "dropped", number_json(counts.dropped));
	ADD(object, "waiting_bytes", number_json(counts.waiting));
	return object;
}

struct json_object *flows_show_json(const struct flows *flows)
{
	struct json_object *object;

	if (!flows->kernel)
		return NULL;
	object = json_object_new_object();
	ADD(object, "attached", stands_json(flows));
	ADD(object, "interval_ms", number_json(flows->config->interval_ms));
	ADD(object, "idle_ms", number_json(flows->config->idle_ms));
	ADD(object, "records", number_json(flows->record_count));
	ADD(object, "live", number_json(flows->live));
	ADD(object, "ended_kept", number_json(ended_kept(&flows->ended)));
	ADD(object, "keep", number_json(flows->ended.room));
	ADD(object, "forgotten", number_json(flows->ended.forgotten));
	ADD(object, "other", flows_other_json(flows));
	ADD(object, "influxdb", flows->influx ? influx_json(flows) : NULL);
	return object;
}
