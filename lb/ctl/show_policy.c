/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl show policy: what each rule did, who is in which group, and what was told last. */
#include <inttypes.h>

#include "lb/ctl/fields.h"
#include "lb/ctl/show.h"
#include "lb/ctl/table.h"

#define EVENTS_SHOWN 10

static void rules_print(struct json_object *rules, FILE *to)
{
	static const struct table_column columns[] = {
		{ "RULE", TABLE_LEFT }, { "ALLOWED", TABLE_RIGHT }, { "REFUSED", TABLE_RIGHT },
		{ "AUDITED", TABLE_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < list_length(rules); i++) {
		struct json_object *rule = list_at(rules, i);

		table_cell(table, "%s", field_text(rule, "rule"));
		table_cell_count(table, field_count(rule, "allowed"));
		table_cell_count(table, field_count(rule, "refused"));
		table_cell_count(table, field_count(rule, "audited"));
	}
	table_print(table, to);
	table_free(table);
}

static void subjects_print(struct json_object *subjects, FILE *to)
{
	static const struct table_column columns[] = {
		{ "NAME", TABLE_LEFT }, { "KIND", TABLE_LEFT }, { "GROUPS", TABLE_LEFT },
		{ "ADDRESS", TABLE_LEFT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < list_length(subjects); i++) {
		struct json_object *subject = list_at(subjects, i);
		struct json_object *addresses = field(subject, "addresses");
		const char *groups = field_text(subject, "groups");

		table_cell(table, "%s", field_text(subject, "name"));
		table_cell(table, "%s", field_text(subject, "kind"));
		table_cell(table, "%s", groups && *groups ? groups : "-");
		table_cell(table, "%s", list_length(addresses)
						? json_object_get_string(list_at(addresses, 0))
						: "");
	}
	table_print(table, to);
	table_free(table);
}

static void lost_print(struct json_object *lost, FILE *to)
{
	static const char *const kinds[] = { "events", "sockets", "flows" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (field_count(lost, kinds[i]))
			fprintf(to, "no room for %" PRIu64 " %s\n", field_count(lost, kinds[i]),
				kinds[i]);
}

void show_policy(struct json_object *reply, FILE *to)
{
	struct json_object *policy = field(reply, "policy"), *events = field(policy, "events");
	size_t count = list_length(events);

	if (!policy) {
		fputs("no policy\n", to);
		return;
	}
	if (field_true(policy, "waiting")) {
		fputs("policy: what an earlier daemon applied is in force, until the container "
		      "runtime answers or a reload\n", to);
		return;
	}
	fprintf(to, "policy: %s, default %s%s\n\n", field_text(policy, "mode"),
		field_text(policy, "default"),
		field_true(policy, "break_glass")
			? "; audit by lbctl: everything passes until \"lbctl policy enforce\""
			: "");
	rules_print(field(policy, "rules"), to);
	if (list_length(field(policy, "subjects")))
		fputc('\n', to);
	subjects_print(field(policy, "subjects"), to);
	if (field_count(policy, "connections_cut"))
		fprintf(to, "\n%" PRIu64 " live connections cut by new rules\n",
			field_count(policy, "connections_cut"));
	lost_print(field(policy, "lost"), to);
	if (count)
		fputc('\n', to);
	for (size_t i = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0; i < count; i++)
		fprintf(to, "%s  %s\n", field_text(list_at(events, i), "time"),
			field_text(list_at(events, i), "text"));
}
