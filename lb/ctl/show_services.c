/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The views of services and backends. The first is for somebody who was woken up: one line a
 * service, then every backend that is not simply up, with the reason. */
#include <stdio.h>
#include <string.h>

#include "lb/ctl/fields.h"
#include "lb/ctl/show.h"
#include "lb/ctl/table.h"
#include "lb/ctl/tally.h"

#define COUNT(columns) (sizeof(columns) / sizeof((columns)[0]))

/* "a, b, c" of a list's texts and numbers into text[size]; "..." where there is more. */
static const char *list_text(struct json_object *list, const char *none, char *text, size_t size)
{
	size_t used = 0;

	if (!list_length(list))
		return none;
	for (size_t i = 0; i < list_length(list); i++) {
		const char *item = json_object_get_string(list_at(list, i));

		if (used + strlen(item) + sizeof(", ...") > size) {
			snprintf(text + used, size - used, "%s...", i ? ", " : "");
			break;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", item);
	}
	return text;
}

/* "1,021 for 12m" */
static void moving_cell(struct table *table, struct json_object *service)
{
	uint64_t slots = field_count(service, "slots_moving");
	char count[NUMBER_TEXT_MAX], since[NUMBER_TEXT_MAX];

	if (!slots || !field(service, "moving_since_s"))
		table_cell_count(table, slots);
	else
		table_cell(table, "%s for %s", count_format(slots, count),
			   duration_format(field_count(service, "moving_since_s"), since));
}

static void service_row(struct table *table, struct json_object *service)
{
	struct tally tally = tally_rows(field(service, "backends"));
	char vips[160], ports[64];

	table_cell(table, "%s", field_text(service, "name"));
	table_cell(table, "%s", field_text(service, "state"));
	table_cell(table, "%zu of %zu", tally.up, tally.backends);
	moving_cell(table, service);
	table_cell_count(table, tally.packets);
	table_cell_bytes(table, tally.bytes);
	table_cell(table, "%s", field_text(service, "forward"));
	table_cell(table, "%s", field_text(service, "protocol"));
	table_cell(table, "%s", list_text(field(service, "ports"), "any", ports, sizeof(ports)));
	table_cell(table, "%s", list_text(field(service, "vips"), "", vips, sizeof(vips)));
	table_cell(table, "%s", field_text(service, "reason"));
}

/* The address as it is dialled: brackets only where a port follows. A container may have none. */
static void address_cell(struct table *table, struct json_object *row)
{
	const char *address = field_text(row, "address");
	unsigned int port = (unsigned int)field_count(row, "port");

	if (!port || !*address)
		table_cell(table, "%s", address);
	else if (strchr(address, ':'))
		table_cell(table, "[%s]:%u", address, port);
	else
		table_cell(table, "%s:%u", address, port);
}

/* Marks what was set at run time; print_override_note() explains the mark. */
static void state_cell(struct table *table, struct json_object *row)
{
	table_cell(table, "%s%s", field_text(row, "state"), field_true(row, "override") ? "*" : "");
}

static void name_cell(struct table *table, struct json_object *service, struct json_object *row)
{
	table_cell(table, "%s/%s", field_text(service, "name"), field_text(row, "name"));
}

/* One that drains is done when it holds no slot any more. */
static void reason_cell(struct table *table, struct json_object *row)
{
	uint64_t held = field_count(row, "slots_in_use");
	const char *reason = field_text(row, "reason");
	char count[NUMBER_TEXT_MAX];

	if (strcmp(field_text(row, "state"), "drain") || !held)
		table_cell(table, "%s", reason);
	else
		table_cell(table, "%s%s%s slot%s held", reason, *reason ? ", " : "",
			   count_format(held, count), held == 1 ? "" : "s");
}

/* `any`: some row has the mark. */
static void print_override_note(bool any, struct json_object *orphans, FILE *to)
{
	if (any)
		fputs("\n* set at run time; lbctl reset SERVICE/BACKEND takes it back\n", to);
	if (list_length(orphans))
		fputs("\noverrides of backends that the config does not name:\n", to);
	for (size_t i = 0; i < list_length(orphans); i++) {
		struct json_object *orphan = list_at(orphans, i);
		const char *state = field_text(orphan, "state");

		fprintf(to, "  %s/%s", field_text(orphan, "service"),
			field_text(orphan, "backend"));
		if (*state)
			fprintf(to, " %s", state);
		if (field(orphan, "weight"))
			fprintf(to, " weight %s", field_text(orphan, "weight"));
		fputc('\n', to);
	}
}

/* Not simply up: down, drained, off, overridden, or up with something to say. */
static bool row_wants_a_look(struct json_object *row)
{
	return !tally_is_up(row) || field_true(row, "override") || *field_text(row, "reason");
}

static void print_attention(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "BACKEND", TABLE_LEFT }, { "ADDRESS", TABLE_LEFT }, { "STATE", TABLE_LEFT },
		{ "WEIGHT", TABLE_RIGHT }, { "SHARE", TABLE_RIGHT },  { "REASON", TABLE_LEFT },
	};
	struct table *table = table_new(columns, COUNT(columns));
	struct json_object *services = field(reply, "services");
	bool any = false, overrides = false;

	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *service = list_at(services, i);
		struct json_object *rows = field(service, "backends");

		for (size_t j = 0; j < list_length(rows); j++) {
			struct json_object *row = list_at(rows, j);

			if (!row_wants_a_look(row))
				continue;
			any = true;
			overrides |= field_true(row, "override");
			name_cell(table, service, row);
			address_cell(table, row);
			state_cell(table, row);
			table_cell(table, "%s", field_text(row, "weight"));
			table_cell_share(table, field_share(row, "share"));
			reason_cell(table, row);
		}
	}
	if (any)
		fputc('\n', to);
	table_print(table, to);
	table_free(table);
	print_override_note(overrides, field(reply, "orphan_overrides"), to);
}

void show_services(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "SERVICE", TABLE_LEFT },  { "STATE", TABLE_LEFT },	{ "UP", TABLE_RIGHT },
		{ "MOVING", TABLE_RIGHT },  { "PACKETS", TABLE_RIGHT }, { "BYTES", TABLE_RIGHT },
		{ "FORWARD", TABLE_LEFT }, { "PROTOCOL", TABLE_LEFT }, { "PORTS", TABLE_LEFT },
		{ "ADDRESSES", TABLE_LEFT }, { "REASON", TABLE_LEFT },
	};
	struct table *table = table_new(columns, COUNT(columns));
	struct json_object *services = field(reply, "services");

	for (size_t i = 0; i < list_length(services); i++)
		service_row(table, list_at(services, i));
	if (!list_length(services))
		fputs("no services\n", to);
	table_print(table, to);
	table_free(table);
	print_attention(reply, to);
	show_interface_trouble(reply, to);
	show_local_trouble(reply, to);
}

static void weight_cell(struct table *table, struct json_object *row)
{
	uint64_t weight = field_count(row, "weight");
	uint64_t effective = field_count(row, "effective_weight");

	if (tally_is_up(row) && effective != weight)
		table_cell(table, "%s of %s", field_text(row, "effective_weight"),
			   field_text(row, "weight"));
	else
		table_cell(table, "%s", field_text(row, "weight"));
}

static void backend_row(struct table *table, struct json_object *service, struct json_object *row)
{
	name_cell(table, service, row);
	address_cell(table, row);
	state_cell(table, row);
	weight_cell(table, row);
	table_cell_share(table, field_share(row, "share"));
	if (field(row, "new_flows"))
		table_cell_count(table, field_count(row, "new_flows"));
	else
		table_cell(table, "%s", "");
	table_cell_count(table, field_count(row, "packets"));
	table_cell_bytes(table, field_count(row, "bytes"));
	table_cell(table, "%s", field_text(row, "interface"));
	table_cell(table, "%s", field_text(row, "mac"));
	reason_cell(table, row);
}

void show_backends(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "BACKEND", TABLE_LEFT },    { "ADDRESS", TABLE_LEFT },   { "STATE", TABLE_LEFT },
		{ "WEIGHT", TABLE_RIGHT },    { "SHARE", TABLE_RIGHT },
		{ "NEW FLOWS", TABLE_RIGHT }, { "PACKETS", TABLE_RIGHT }, { "BYTES", TABLE_RIGHT },
		{ "INTERFACE", TABLE_LEFT }, { "MAC", TABLE_LEFT },	  { "REASON", TABLE_LEFT },
	};
	struct table *table = table_new(columns, COUNT(columns));
	struct json_object *services = field(reply, "services");
	bool any = false, overrides = false;

	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *service = list_at(services, i);
		struct json_object *rows = field(service, "backends");

		for (size_t j = 0; j < list_length(rows); j++) {
			any = true;
			overrides |= field_true(list_at(rows, j), "override");
			backend_row(table, service, list_at(rows, j));
		}
	}
	if (!any)
		fputs("no backends\n", to);
	table_print(table, to);
	table_free(table);
	print_override_note(overrides, field(reply, "orphan_overrides"), to);
}
