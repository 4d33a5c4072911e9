/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config file on its way to the daemon, and the plan that comes back. Called by cmd_plan.c and
 * cmd_reload.c. The file is read here, not by the daemon: it is the caller's rights that count,
 * and the caller's directory that its name is relative to. */
#include "lb/ctl/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/slurp.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/table.h"

int change_body(const char *file, struct json_object **ret_body, struct diag *diag)
{
	struct json_object *body;
	char *text = NULL;

	if (file) {
		int error = slurp(file, false, &text);

		if (error) {
			diag_add(diag, file, 0, "cannot read it: %s", slurp_error(error));
			return error;
		}
	}
	body = json_object_new_object();
	if (file) {
		json_object_object_add(body, "file", json_object_new_string(file));
		json_object_object_add(body, "text", json_object_new_string(text));
		free(text);
	}
	*ret_body = body;
	return 0;
}

static void print_operations(struct json_object *operations, FILE *to)
{
	size_t count = list_length(operations);

	if (!count) {
		fputs("nothing to do: the kernel has it like this already\n", to);
		return;
	}
	fprintf(to, "%zu operation%s\n", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < count; i++)
		fprintf(to, "  %s\n", json_object_get_string(list_at(operations, i)));
}

/* Null is what nobody could count. */
static void count_or_nothing(struct table *table, struct json_object *service, const char *key)
{
	if (field(service, key))
		table_cell_count(table, field_count(service, key));
	else
		table_cell(table, "%s", "");
}

static void print_services(struct json_object *services, FILE *to)
{
	static const struct table_column columns[] = {
		{ "SERVICE", TABLE_LEFT },
		{ "NEW FLOWS MOVED", TABLE_RIGHT },
		{ "SLOTS MOVED", TABLE_RIGHT },
		{ "OF", TABLE_RIGHT },
		{ "START MOVING", TABLE_RIGHT },
		{ "LIVE FLOWS", TABLE_RIGHT },
		{ "OF THEM LOST", TABLE_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *service = list_at(services, i);

		table_cell(table, "%s", field_text(service, "name"));
		table_cell_share(table, field_share(service, "share_moved"));
		table_cell_count(table, field_count(service, "slots_moved"));
		table_cell_count(table, field_count(service, "slots"));
		table_cell_count(table, field_count(service, "slots_moving"));
		count_or_nothing(table, service, "live_connections");
		count_or_nothing(table, service, "connections_lost");
	}
	if (list_length(services))
		fputc('\n', to);
	table_print(table, to);
	table_free(table);
}

static void print_breaks(struct json_object *services, FILE *to)
{
	for (size_t i = 0; i < list_length(services); i++) {
		struct json_object *service = list_at(services, i);

		if (field_true(service, "breaks"))
			fprintf(to, "\nservice %s loses its live flows: %s\n",
				field_text(service, "name"), field_text(service, "why"));
	}
}

void change_print(struct json_object *plan, FILE *to)
{
	struct json_object *services = field(plan, "services");
	uint64_t overrides = field_count(plan, "overrides");

	print_operations(field(plan, "operations"), to);
	print_services(services, to);
	print_breaks(services, to);
	if (overrides)
		fprintf(to, "\n%" PRIu64 " override%s over the config, see lbctl show\n", overrides,
			overrides == 1 ? " stands" : "s stand");
}
