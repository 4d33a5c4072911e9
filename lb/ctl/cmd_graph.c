/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl graph: who depends on whom, with connections, failures and bytes on each edge. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/flow_query.h"
#include "lb/ctl/graph.h"

int cmd_graph(struct ctl *ctl, int argc, char **argv)
{
	const char *since = NULL;
	bool dot = false;
	const struct ctl_option options[] = {
		{ "--since", .value = &since },
		{ "--dot", .flag = &dot },
		{ 0 },
	};
	_cleanup_diag_ struct diag diag = { 0 };
	int code = ctl_options(ctl, &argc, argv, options);
	struct json_object *reply;
	uint64_t seconds = 0;
	struct graph graph;
	char path[64];

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage(ctl, "graph takes no names");
	if (dot && ctl->json)
		return ctl_usage(ctl, "--dot and --json are two forms of the same: one of them");
	if (since && since_parse(since, &seconds, &diag))
		return ctl_usage(ctl, "%s", diag.entries[0].text);
	snprintf(path, sizeof(path), seconds ? "/v1/graph?since=%" PRIu64 : "/v1/graph", seconds);
	code = ctl_call(ctl, "GET", path, NULL, &reply);
	if (code)
		return code;
	if (ctl->json) {
		ctl_print_json(reply);
	} else {
		graph_read(reply, &graph);
		if (dot)
			graph_dot_print(&graph, stdout);
		else
			graph_print(&graph, stdout);
		graph_clear(&graph);
	}
	json_object_put(reply);
	return CTL_DONE;
}
