/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows as rows of a table, for `lbctl flows`. Null is what nobody could know, such as the round
 * trip of datagrams: its cell is empty, and a column of such cells is left out. */
#include "lb/ctl/flows_text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/addr.h"
#include "config/mem.h"
#include "config/utf8.h"
#include "lb/ctl/fields.h"

#define COUNT(columns) (sizeof(columns) / sizeof((columns)[0]))

bool flow_is_over(struct json_object *flow)
{
	static const char *const ends[] = {
		"closed", "reset", "aborted", "refused", "timed-out", "unreachable", "idle", "gone",
	};
	const char *state = field_text(flow, "state");

	for (size_t i = 0; i < COUNT(ends); i++)
		if (!strcmp(state, ends[i]))
			return true;
	return false;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static size_t columns_of(const char *text)
{
	size_t columns = 0;

	for (; *text; columns++) {
		size_t length = utf8_length(text);

		text += length ? length : 1;
	}
	return columns;
}

void name_cell(struct table *table, const char *name)
{
	size_t columns = columns_of(name), skip = columns - NAME_WIDTH + 1;

	if (columns <= NAME_WIDTH) {
		table_cell(table, "%s", name);
		return;
	}
	while (skip--) {
		size_t length = utf8_length(name);

		name += length ? length : 1;
	}
	table_cell(table, "…%s", name);
}

void micros_cell(struct table *table, struct json_object *micros)
{
	uint64_t us = json_object_get_uint64(micros);

	if (!micros)
		table_cell(table, "%s", "");
	else if (us < 1000)
		table_cell(table, "%" PRIu64 "us", us);
	else if (us < 1000000)
		table_cell(table, "%.1fms", (double)us / 1e3);
	else
		table_cell(table, "%.1fs", (double)us / 1e6);
}

static void count_cell(struct table *table, struct json_object *object, const char *key)
{
	if (field(object, key))
		table_cell_count(table, field_count(object, key));
	else
		table_cell(table, "%s", "");
}

/* What is no time at all, as an answer of something else may have it, is left empty. */
static void duration_cell(struct table *table, struct json_object *seconds)
{
	double value = json_object_get_double(seconds);
	char text[NUMBER_TEXT_MAX];

	if (!seconds || !(value >= 0 && value < 1e12))
		table_cell(table, "%s", "");
	else if (value < 0.001)
		table_cell(table, "<1ms");
	else if (value < 1)
		table_cell(table, "%.0fms", value * 1000);
	else
		table_cell(table, "%s", duration_format((uint64_t)value, text));
}

/* ---- rows ----------------------------------------------------------------------------------- */

struct row {
	struct json_object *flow;
	uint64_t bytes;
};

static int row_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = (x->bytes < y->bytes) - (x->bytes > y->bytes);

	if (!order)
		order = strcmp(field_text(x->flow, "start"), field_text(y->flow, "start"));
	if (!order)
		order = strcmp(field_text(x->flow, "local"), field_text(y->flow, "local"));
	return order ? order
		     : strcmp(field_text(x->flow, "remote"), field_text(y->flow, "remote"));
}

/* The caller frees it. */
static struct row *rows_of(struct json_object *flows, size_t count)
{
	struct row *rows = mem_array(count, sizeof(*rows));

	for (size_t i = 0; i < count; i++) {
		rows[i].flow = list_at(flows, i);
		rows[i].bytes = field_count(rows[i].flow, "bytes_in") +
				field_count(rows[i].flow, "bytes_out");
	}
	qsort(rows, count, sizeof(*rows), row_compare);
	return rows;
}

/* The other end by its name, unless that is a network without one, or the service that stands
 * behind it. */
static void peer_cell(struct table *table, struct json_object *flow)
{
	const char *peer = field_text(flow, "peer");
	struct prefix prefix;
	bool said = !prefix_parse(peer, &prefix) || !strcmp(peer, field_text(flow, "service"));

	name_cell(table, said ? "" : peer);
}

static void row_print(struct table *table, struct json_object *flow)
{
	name_cell(table, field_text(flow, "container"));
	table_cell(table, "%s", field_text(flow, "direction"));
	table_cell(table, "%s", field_text(flow, "protocol"));
	table_cell(table, "%s", field_text(flow, "local"));
	table_cell(table, "%s", field_text(flow, "remote"));
	peer_cell(table, flow);
	table_cell(table, "%s", field_text(flow, "service"));
	table_cell(table, "%s", field_text(flow, "state"));
	table_cell_bytes(table, field_count(flow, "bytes_in"));
	table_cell_bytes(table, field_count(flow, "bytes_out"));
	table_cell_count(table, field_count(flow, "packets_in") + field_count(flow, "packets_out"));
	duration_cell(table, field(flow, "duration_s"));
	micros_cell(table, field(flow, "rtt_us"));
	count_cell(table, flow, "retransmits");
}

void flows_print(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "CONTAINER", TABLE_LEFT }, { "DIRECTION", TABLE_LEFT },
		{ "PROTOCOL", TABLE_LEFT },  { "LOCAL", TABLE_LEFT },
		{ "REMOTE", TABLE_LEFT },    { "PEER", TABLE_LEFT },
		{ "SERVICE", TABLE_LEFT },   { "STATE", TABLE_LEFT },
		{ "BYTES IN", TABLE_RIGHT }, { "BYTES OUT", TABLE_RIGHT },
		{ "PACKETS", TABLE_RIGHT },  { "DURATION", TABLE_RIGHT },
		{ "RTT", TABLE_RIGHT },	     { "RETRANSMITS", TABLE_RIGHT },
	};
	struct json_object *flows = field(reply, "flows");
	size_t count = list_length(flows);
	struct row *rows = rows_of(flows, count);
	struct table *table = table_new(columns, COUNT(columns));

	for (size_t i = 0; i < count; i++)
		row_print(table, rows[i].flow);
	table_print(table, to);
	table_free(table);
	free(rows);
}

void flows_lack_print(struct json_object *reply, const char *before, FILE *to)
{
	struct json_object *other = field(reply, "other");
	uint64_t flows = field_count(other, "flows"), sockets = field_count(other, "no_memory");
	uint64_t forgotten = field_count(reply, "forgotten");
	char count[NUMBER_TEXT_MAX], packets[NUMBER_TEXT_MAX], bytes[NUMBER_TEXT_MAX];

	if (flows)
		fprintf(to, "%sother: %s flow%s for which flows.records had no room, with %s "
			"packets and %s\n", before, count_format(flows, count),
			flows == 1 ? "" : "s",
			count_format(field_count(other, "packets_in") +
				     field_count(other, "packets_out"), packets),
			bytes_format(field_count(other, "bytes_in") +
				     field_count(other, "bytes_out"), bytes));
	if (sockets)
		fprintf(to, "%sno memory: %s socket%s whose TCP is not counted at all\n", before,
			count_format(sockets, count), sockets == 1 ? "" : "s");
	if (forgotten)
		fprintf(to, "%sforgotten: %s flow%s that ended and for which flows.keep had no "
			"room\n", before, count_format(forgotten, count),
			forgotten == 1 ? "" : "s");
}

void flows_sum_print(struct json_object *reply, FILE *to)
{
	size_t count = list_length(field(reply, "flows"));
	char text[NUMBER_TEXT_MAX];

	if (count)
		fprintf(to, "%s flow%s\n", count_format(count, text), count == 1 ? "" : "s");
	else
		fputs("no flows\n", to);
	flows_lack_print(reply, "", to);
}
