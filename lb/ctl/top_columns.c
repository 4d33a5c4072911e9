/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The columns of lbctl top's views, as tables: one row here is a column on the screen and a member
 * in --json. */
#include <errno.h>
#include <string.h>

#include "lb/ctl/top_model.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct top_column services[] = {
	{ "SERVICE", TOP_TEXT, "name", "name" },
	{ "STATE", TOP_STATE, "state", "state" },
	{ "UP", TOP_TEXT, NULL, "up" },
	{ "MOVING", TOP_COUNT, "slots_moving", "slots_moving" },
	{ "PACKETS/S", TOP_RATE, NULL, "packets_per_s" },
	{ "BIT/S", TOP_BITS, NULL, "bits_per_s" },
	{ "NEW/S", TOP_RATE, NULL, "new_flows_per_s" },
	{ "LOCAL/S", TOP_RATE, NULL, "local_connections_per_s" },
	{ "FORWARD", TOP_TEXT, "forward", "forward" },
	{ "PROTOCOL", TOP_TEXT, "protocol", "protocol" },
	{ "REASON", TOP_TEXT, "reason", "reason" },
};

static const struct top_column backends[] = {
	{ "BACKEND", TOP_TEXT, NULL, "name" },
	{ "ADDRESS", TOP_TEXT, NULL, "address" },
	{ "STATE", TOP_STATE, "state", "state" },
	{ "WEIGHT", TOP_COUNT, "effective_weight", "effective_weight" },
	{ "SHARE", TOP_SHARE, "share", "share" },
	{ "PACKETS/S", TOP_RATE, "packets", "packets_per_s" },
	{ "BIT/S", TOP_BITS, "bytes", "bits_per_s" },
	{ "NEW/S", TOP_RATE, "new_flows", "new_flows_per_s" },
	{ "LOCAL/S", TOP_RATE, "local_connections", "local_connections_per_s" },
	{ "REASON", TOP_TEXT, "reason", "reason" },
};

static const struct top_column containers[] = {
	{ "CONTAINER", TOP_TEXT, "name", "name" },
	{ "GROUP", TOP_TEXT, "group", "group" },
	{ "FLOWS", TOP_COUNT, "flows", "flows" },
	{ "NEW/S", TOP_RATE, "new_flows", "new_flows_per_s" },
	{ "PKT IN/S", TOP_RATE, "packets_in", "packets_in_per_s" },
	{ "PKT OUT/S", TOP_RATE, "packets_out", "packets_out_per_s" },
	{ "BIT IN/S", TOP_BITS, "bytes_in", "bits_in_per_s" },
	{ "BIT OUT/S", TOP_BITS, "bytes_out", "bits_out_per_s" },
	{ "FAIL/S", TOP_RATE, "failures", "failures_per_s" },
	{ "RETRANS/S", TOP_RATE, "retransmits", "retransmits_per_s" },
	{ "RTT", TOP_TIME, "rtt_us", "rtt_us" },
	{ "CGROUP", TOP_TEXT, "cgroup", "cgroup" },
};

_Static_assert(COUNT(services) <= TOP_COLUMNS_MAX && COUNT(backends) <= TOP_COLUMNS_MAX &&
	       COUNT(containers) <= TOP_COLUMNS_MAX, "a row has room for the cells of every view");

static const struct {
	const char *name;
	const struct top_column *columns;
	size_t count;
	const char *sorted; /* at first, by the column of that title */
} views[TOP_VIEWS] = {
	[TOP_SERVICES] = { "services", services, COUNT(services), "PACKETS/S" },
	[TOP_BACKENDS] = { "backends", backends, COUNT(backends), "PACKETS/S" },
	[TOP_CONTAINERS] = { "containers", containers, COUNT(containers), "BIT OUT/S" },
};

const char *top_view_name(enum top_view view)
{
	return views[view].name;
}

int top_view_find(const char *name, enum top_view *ret_view)
{
	for (size_t view = 0; view < TOP_VIEWS; view++) {
		if (strcmp(views[view].name, name))
			continue;
		*ret_view = (enum top_view)view;
		return 0;
	}
	return -ENOENT;
}

const struct top_column *top_columns(enum top_view view, size_t *ret_count)
{
	*ret_count = views[view].count;
	return views[view].columns;
}

size_t top_column_default(enum top_view view)
{
	size_t column = 0;

	while (strcmp(views[view].columns[column].title, views[view].sorted))
		column++;
	return column;
}
