/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The views of what is not a service's: the interfaces that the programs stand on, and the
 * reasons for which packets left. */
#include <stdio.h>
#include <string.h>

#include "lb/ctl/fields.h"
#include "lb/ctl/show.h"
#include "lb/ctl/table.h"
#include "xdp/lb_verdicts.h"

static bool is(const char *text, const char *word)
{
	return !strcmp(text, word);
}

/* "auto" says nothing that is not seen in what it came to. */
static void mode_cell(struct table *table, struct json_object *interface)
{
	const char *mode = field_text(interface, "mode");
	const char *wanted = field_text(interface, "configured_mode");

	if (*mode && *wanted && !is(wanted, "auto") && !is(wanted, mode))
		table_cell(table, "%s, not %s", mode, wanted);
	else
		table_cell(table, "%s", mode);
}

void show_interfaces(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "INTERFACE", TABLE_LEFT }, { "INDEX", TABLE_RIGHT },
		{ "STATE", TABLE_LEFT },     { "MODE", TABLE_LEFT },
		{ "FOR", TABLE_LEFT },	     { "FRAMES LOST", TABLE_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct json_object *interfaces = field(reply, "interfaces");

	for (size_t i = 0; i < list_length(interfaces); i++) {
		struct json_object *interface = list_at(interfaces, i);

		table_cell(table, "%s", field_text(interface, "name"));
		table_cell(table, "%s", field_text(interface, "ifindex"));
		table_cell(table, "%s", field_text(interface, "state"));
		mode_cell(table, interface);
		table_cell(table, "%s", field_true(interface, "front") ? "clients" : "backends");
		table_cell_count(table, field_count(interface, "redirect_drops"));
	}
	if (!list_length(interfaces))
		fputs("no interfaces\n", to);
	table_print(table, to);
	table_free(table);
}

void show_interface_trouble(struct json_object *reply, FILE *to)
{
	struct json_object *interfaces = field(reply, "interfaces");

	for (size_t i = 0; i < list_length(interfaces); i++) {
		struct json_object *interface = list_at(interfaces, i);
		const char *name = field_text(interface, "name");
		const char *state = field_text(interface, "state");
		char lost[NUMBER_TEXT_MAX];

		if (!is(state, "up"))
			fprintf(to, "\ninterface %s is %s\n", name, state);
		if (field_count(interface, "redirect_drops"))
			fprintf(to, "\ninterface %s lost %s frames that were sent to it; "
				"lbctl doctor may know why\n", name,
				count_format(field_count(interface, "redirect_drops"), lost));
	}
}

void show_local_trouble(struct json_object *reply, FILE *to)
{
	const char *reason = field_text(field(reply, "local_clients"), "reason");

	if (*reason)
		fprintf(to, "\nlocal clients of a vip are not balanced: %s\n", reason);
}

struct verdict_row {
	const char *name, *text;
	enum lb_action action;
};

#define VERDICT_ROW(name, action, text) { #name, text, action },
static const struct verdict_row verdicts[] = { LB_VERDICTS(VERDICT_ROW) };
#undef VERDICT_ROW

static const char *const action_words[] = {
	[LB_PASS] = "to the stack",
	[LB_DROP] = "dropped",
	[LB_TX] = "sent on",
	[LB_REDIRECT] = "sent on",
};

static void verdict_row(struct table *table, const char *name, uint64_t packets)
{
	const struct verdict_row *known = NULL;

	for (size_t i = 0; i < LB_VERDICT_COUNT; i++)
		if (!strcmp(verdicts[i].name, name))
			known = &verdicts[i];
	table_cell_count(table, packets);
	table_cell(table, "%s", name);
	table_cell(table, "%s", known ? action_words[known->action] : "");
	table_cell(table, "%s", known ? known->text : "the daemon knows it, this lbctl does not");
}

/* Only what has happened; what never did is told as a number. */
void show_verdicts(struct json_object *reply, FILE *to)
{
	static const struct table_column columns[] = {
		{ "PACKETS", TABLE_RIGHT },
		{ "VERDICT", TABLE_LEFT },
		{ "PACKET WAS", TABLE_LEFT },
		{ "BECAUSE", TABLE_LEFT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct json_object *counts = field(reply, "verdicts");
	size_t seen = 0, silent = 0;

	if (json_object_is_type(counts, json_type_object)) {
		json_object_object_foreach(counts, name, count) {
			uint64_t packets = json_object_get_uint64(count);

			if (packets)
				verdict_row(table, name, packets);
			seen += packets > 0;
			silent += !packets;
		}
	}
	if (!seen)
		fputs("no packets yet\n", to);
	table_print(table, to);
	table_free(table);
	if (seen && silent)
		fprintf(to, "\n%zu other verdict%s never happened\n", silent,
			silent == 1 ? "" : "s");
}
