/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The graph of who depends on whom, as GET /v1/graph gives it, and two ways to print it. */
#ifndef LB_CTL_GRAPH_H
#define LB_CTL_GRAPH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;

struct graph_node {
	const char *kind, *name; /* "container", "service", "network"; two kinds may share a name */
};

struct graph_edge {
	size_t from, to;	/* index of the node */
	const char *protocol;
	uint64_t port;		/* 0: none */
	uint64_t connections, failures, bytes;
};

/* Sorted: nodes by kind and name, edges by their nodes, protocol and port. */
struct graph {
	struct graph_node *nodes;
	size_t node_count;
	struct graph_edge *edges;
	size_t edge_count;
};

/* Never fails: an end of an edge that is missing among the nodes becomes one. Names are the
 * reply's. */
void graph_read(struct json_object *reply, struct graph *ret_graph);
void graph_clear(struct graph *graph);

/* A table, grouped by where edges come from. */
void graph_print(const struct graph *graph, FILE *to);

/* Graphviz's language; lb/ctl/graph_dot.c. */
void graph_dot_print(const struct graph *graph, FILE *to);

#define GRAPH_LINK_MAX 32
/* "tcp/80", "icmp" */
const char *graph_link_format(const struct graph_edge *edge, char text[GRAPH_LINK_MAX]);

#endif
