/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The graph in graphviz's language. Nodes are numbered, and their names stand in labels alone, so
 * that no name can end a statement or meet another's. Within a label graphviz reads \ and & as the
 * beginning of something (escString, entities of HTML). */
#include "lb/ctl/graph.h"

#include <inttypes.h>
#include <string.h>

#include "config/utf8.h"
#include "lb/ctl/table.h"

/* The inside of a quoted string that is drawn as `text`, whatever that is. */
static void label_print(const char *text, FILE *to)
{
	while (*text) {
		size_t length = utf8_length(text);

		if (*text == '"')
			fputs("\\\"", to);
		else if (*text == '\\')
			fputs("\\\\", to);
		else if (*text == '&')
			fputs("&amp;", to);
		else if (*text == '\n')
			fputs("\\n", to);
		else if (!length || utf8_is_control(text))
			fputs("\xef\xbf\xbd", to); /* U+FFFD: something that cannot be drawn */
		else
			fwrite(text, 1, length, to);
		text += length ? length : 1;
	}
}

static const char *shape_of(const char *kind)
{
	if (!strcmp(kind, "container"))
		return "box";
	return strcmp(kind, "service") ? "ellipse" : "hexagon";
}

static void node_print(const struct graph *graph, size_t i, FILE *to)
{
	const struct graph_node *node = &graph->nodes[i];

	fprintf(to, "\tn%zu [shape=%s, label=\"", i, shape_of(node->kind));
	label_print(node->name, to);
	fputs("\", tooltip=\"", to);
	label_print(node->kind, to);
	fputs("\"];\n", to);
}

/* In tenths: one for nothing, and 0.4 more for each digit: 3 for 100 kB, 5.4 for 100 GB. */
static unsigned int width_of(uint64_t bytes)
{
	unsigned int tenths = 10;

	for (; bytes >= 10; bytes /= 10)
		tenths += 4;
	return tenths;
}

static void edge_print(const struct graph_edge *edge, FILE *to)
{
	char link[GRAPH_LINK_MAX], number[NUMBER_TEXT_MAX];
	unsigned int tenths = width_of(edge->bytes);

	fprintf(to, "\tn%zu -> n%zu [label=\"", edge->from, edge->to);
	label_print(graph_link_format(edge, link), to);
	fprintf(to, " · %s", count_format(edge->connections, number));
	if (edge->failures)
		fprintf(to, " · %s failed", count_format(edge->failures, number));
	fprintf(to, " · %s\", penwidth=%u.%u", bytes_format(edge->bytes, number), tenths / 10,
		tenths % 10);
	if (edge->failures)
		fputs(", color=red, fontcolor=red", to);
	fputs("];\n", to);
}

void graph_dot_print(const struct graph *graph, FILE *to)
{
	fputs("digraph edgelb {\n"
	      "\tgraph [rankdir=LR, charset=\"UTF-8\"];\n"
	      "\tnode [fontname=\"sans-serif\"];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=10];\n", to);
	for (size_t i = 0; i < graph->node_count; i++)
		node_print(graph, i, to);
	for (size_t i = 0; i < graph->edge_count; i++)
		edge_print(&graph->edges[i], to);
	fputs("}\n", to);
}
