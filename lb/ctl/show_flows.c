/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl show flows: what the flows of each container add up to. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flows_text.h"
#include "lb/ctl/show.h"
#include "lb/ctl/table.h"

struct sum {
	struct json_object *container;
	uint64_t bytes;
};

static int sum_compare(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	int order = (x->bytes < y->bytes) - (x->bytes > y->bytes);

	return order ? order
		     : strcmp(field_text(x->container, "name"), field_text(y->container, "name"));
}

static void sum_row(struct table *table, struct json_object *container)
{
	name_cell(table, field_text(container, "name"));
	table_cell(table, "%s", field_text(container, "group"));
	table_cell_count(table, field_count(container, "flows"));
	table_cell_count(table, field_count(container, "new_flows"));
	table_cell_count(table, field_count(container, "failures"));
	table_cell_count(table, field_count(container, "packets_in"));
	table_cell_count(table, field_count(container, "packets_out"));
	table_cell_bytes(table, field_count(container, "bytes_in"));
	table_cell_bytes(table, field_count(container, "bytes_out"));
	table_cell_count(table, field_count(container, "retransmits"));
	micros_cell(table, field(container, "rtt_us"));
}

void show_flows(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "CONTAINER", TABLE_LEFT },	{ "GROUP", TABLE_LEFT },
		{ "LIVE", TABLE_RIGHT },	{ "IN ALL", TABLE_RIGHT },
		{ "FAILURES", TABLE_RIGHT },	{ "PACKETS IN", TABLE_RIGHT },
		{ "PACKETS OUT", TABLE_RIGHT }, { "BYTES IN", TABLE_RIGHT },
		{ "BYTES OUT", TABLE_RIGHT },	{ "RETRANSMITS", TABLE_RIGHT },
		{ "RTT", TABLE_RIGHT },
	};
	struct json_object *containers = field(reply, "containers");
	size_t count = list_length(containers);
	struct sum *sums = mem_array(count, sizeof(*sums));
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < count; i++) {
		sums[i].container = list_at(containers, i);
		sums[i].bytes = field_count(sums[i].container, "bytes_in") +
				field_count(sums[i].container, "bytes_out");
	}
	qsort(sums, count, sizeof(*sums), sum_compare);
	for (size_t i = 0; i < count; i++)
		sum_row(table, sums[i].container);
	if (!count)
		fputs("no flows\n", to);
	table_print(table, to);
	flows_lack_print(reply, "\n", to);
	table_free(table);
	free(sums);
}
