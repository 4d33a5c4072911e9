/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's graph as sorted arrays, and as rows for people. */
#include "lb/ctl/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/addr.h"
#include "config/mem.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flows_text.h"
#include "lb/ctl/table.h"

static int node_compare(const void *a, const void *b)
{
	const struct graph_node *x = a, *y = b;
	int order = strcmp(x->kind, y->kind);

	return order ? order : strcmp(x->name, y->name);
}

static int edge_compare(const void *a, const void *b)
{
	const struct graph_edge *x = a, *y = b;
	int order = (x->from > y->from) - (x->from < y->from);

	if (!order)
		order = (x->to > y->to) - (x->to < y->to);
	if (!order)
		order = strcmp(x->protocol, y->protocol);
	return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* Sorts, and leaves one of each. */
static size_t nodes_unite(struct graph_node *nodes, size_t count)
{
	size_t kept = 0;

	qsort(nodes, count, sizeof(*nodes), node_compare);
	for (size_t i = 0; i < count; i++)
		if (!kept || node_compare(&nodes[kept - 1], &nodes[i]))
			nodes[kept++] = nodes[i];
	return kept;
}

static struct graph_node end_of(struct json_object *edge, const char *kind, const char *name)
{
	return (struct graph_node){ field_text(edge, kind), field_text(edge, name) };
}

static size_t node_find(const struct graph *graph, const struct graph_node *node)
{
	const struct graph_node *found = bsearch(node, graph->nodes, graph->node_count,
						 sizeof(*node), node_compare);

	return (size_t)(found - graph->nodes); /* graph_read() took every end in */
}

static struct graph_edge edge_read(const struct graph *graph, struct json_object *edge)
{
	const struct graph_node from = end_of(edge, "from_kind", "from");
	const struct graph_node to = end_of(edge, "to_kind", "to");

	return (struct graph_edge){
		.from = node_find(graph, &from),
		.to = node_find(graph, &to),
		.protocol = field_text(edge, "protocol"),
		.port = field_count(edge, "port"),
		.connections = field_count(edge, "connections"),
		.failures = field_count(edge, "failures"),
		.bytes = field_count(edge, "bytes"),
	};
}

void graph_read(struct json_object *reply, struct graph *ret_graph)
{
	struct json_object *nodes = field(reply, "nodes"), *edges = field(reply, "edges");
	size_t count = 0;

	ret_graph->edge_count = list_length(edges);
	ret_graph->nodes = mem_array(list_length(nodes) + 2 * ret_graph->edge_count,
				     sizeof(*ret_graph->nodes));
	ret_graph->edges = mem_array(ret_graph->edge_count, sizeof(*ret_graph->edges));
	for (size_t i = 0; i < list_length(nodes); i++)
		ret_graph->nodes[count++] = end_of(list_at(nodes, i), "kind", "name");
	for (size_t i = 0; i < ret_graph->edge_count; i++) {
		ret_graph->nodes[count++] = end_of(list_at(edges, i), "from_kind", "from");
		ret_graph->nodes[count++] = end_of(list_at(edges, i), "to_kind", "to");
	}
	ret_graph->node_count = nodes_unite(ret_graph->nodes, count);
	for (size_t i = 0; i < ret_graph->edge_count; i++)
		ret_graph->edges[i] = edge_read(ret_graph, list_at(edges, i));
	qsort(ret_graph->edges, ret_graph->edge_count, sizeof(*ret_graph->edges), edge_compare);
}

void graph_clear(struct graph *graph)
{
	free(graph->nodes);
	free(graph->edges);
	*graph = (struct graph){ 0 };
}

const char *graph_link_format(const struct graph_edge *edge, char text[GRAPH_LINK_MAX])
{
	if (edge->port)
		snprintf(text, GRAPH_LINK_MAX, "%.10s/%" PRIu64, edge->protocol, edge->port);
	else
		snprintf(text, GRAPH_LINK_MAX, "%.31s", edge->protocol);
	return text;
}

/* As lb.conf's rules write it. A network without a name of its own says itself that it is one. */
static char *node_text(const struct graph_node *node)
{
	struct prefix prefix;
	bool bare = !strcmp(node->kind, "container") || !*node->kind ||
		    (!strcmp(node->kind, "network") && !prefix_parse(node->name, &prefix));
	char *text;

	if (asprintf(&text, "%s%s%s", bare ? "" : node->kind, bare ? "" : ":", node->name) < 0)
		abort();
	return text;
}

static void node_cell(struct table *table, const struct graph_node *node)
{
	char *text = node_text(node);

	name_cell(table, text);
	free(text);
}

void graph_print(const struct graph *graph, FILE *to)
{
	static const struct table_column columns[] = {
		{ "FROM", TABLE_LEFT },		{ "", TABLE_LEFT },
		{ "TO", TABLE_LEFT },		{ "PORT", TABLE_LEFT },
		{ "CONNECTIONS", TABLE_RIGHT }, { "FAILURES", TABLE_RIGHT },
		{ "BYTES", TABLE_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char text[GRAPH_LINK_MAX];

	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct graph_edge *edge = &graph->edges[i];

		if (i && edge[-1].from == edge->from)
			table_cell(table, "%s", "");
		else
			node_cell(table, &graph->nodes[edge->from]);
		table_cell(table, "→");
		node_cell(table, &graph->nodes[edge->to]);
		table_cell(table, "%s", graph_link_format(edge, text));
		table_cell_count(table, edge->connections);
		table_cell_count(table, edge->failures);
		table_cell_bytes(table, edge->bytes);
	}
	if (!graph->edge_count)
		fputs("no flows\n", to);
	table_print(table, to);
	table_free(table);
}
