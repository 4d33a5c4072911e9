/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl decap: on a host of encapsulated backends. It asks no daemon: what it sets up stands by
 * itself under --pin DIR/decap, and `unload` leaves it alone. */
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/table.h"
#include "lb/kernel/decap.h"

#define MSS_MIN 536
#define MSS_MAX 65495

static const char *prefix_text(const struct prefix *prefix, char *text, size_t size)
{
	bool ipv4 = addr_is_ipv4(&prefix->addr) && prefix->len >= 96;
	char addr[ADDR_TEXT_MAX];

	snprintf(text, size, "%s/%u", addr_format(&prefix->addr, addr),
		 ipv4 ? prefix->len - 96 : prefix->len);
	return text;
}

/* ---- what stands ---------------------------------------------------------------------------- */

static void print_interfaces(const struct decap_view *view)
{
	static const struct table_column columns[] = {
		{ "INTERFACE", TABLE_LEFT }, { "MODE", TABLE_LEFT }, { "MSS", TABLE_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < view->interface_count; i++) {
		table_cell(table, "%s", view->interfaces[i].name);
		table_cell(table, "%s", view->interfaces[i].generic ? "generic" : "native");
		if (view->interfaces[i].mss)
			table_cell(table, "%u", view->mss);
		else
			table_cell(table, "%s", "");
	}
	table_print(table, stdout);
	table_free(table);
}

static void print_rules(const struct decap_view *view)
{
	char text[ADDR_TEXT_MAX + 4];

	fputs("\ntaken out for", stdout);
	for (size_t i = 0; i < view->address_count; i++)
		printf("%s %s", i ? "," : "", addr_format(&view->addresses[i], text));
	fputs("\nfrom", stdout);
	for (size_t i = 0; i < view->source_count; i++)
		printf("%s %s", i ? "," : "", prefix_text(&view->sources[i], text, sizeof(text)));
	puts(view->source_count ? "\n" : " anybody\n");
}

static void print_exits(const struct decap_view *view)
{
	static const struct table_column columns[] = {
		{ "PACKETS", TABLE_RIGHT }, { "EXIT", TABLE_LEFT }, { "PACKET WAS", TABLE_LEFT },
		{ "BECAUSE", TABLE_LEFT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (int number = 0; number < DECAP_EXIT_COUNT; number++) {
		if (!view->exits[number])
			continue;
		table_cell_count(table, view->exits[number]);
		table_cell(table, "%s", decap_exit_name(number));
		table_cell(table, "%s", decap_exit_passes(number) ? "passed" : "dropped");
		table_cell(table, "%s", decap_exit_text(number));
	}
	table_print(table, stdout);
	table_free(table);
}

static void print_json(const struct decap_view *view)
{
	struct json_object *object = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();
	struct json_object *addresses = json_object_new_array();
	struct json_object *from = json_object_new_array();
	struct json_object *exits = json_object_new_object();
	char text[ADDR_TEXT_MAX + 4];

	for (size_t i = 0; i < view->interface_count; i++) {
		const struct decap_interface *interface = &view->interfaces[i];
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "name", json_object_new_string(interface->name));
		json_object_object_add(row, "mode", json_object_new_string(
			interface->generic ? "generic" : "native"));
		json_object_object_add(row, "mss", json_object_new_boolean(interface->mss));
		json_object_array_add(interfaces, row);
	}
	for (size_t i = 0; i < view->address_count; i++)
		json_object_array_add(addresses, json_object_new_string(
			addr_format(&view->addresses[i], text)));
	for (size_t i = 0; i < view->source_count; i++)
		json_object_array_add(from, json_object_new_string(
			prefix_text(&view->sources[i], text, sizeof(text))));
	for (int number = 0; number < DECAP_EXIT_COUNT; number++)
		json_object_object_add(exits, decap_exit_name(number),
				       json_object_new_int64((int64_t)view->exits[number]));
	json_object_object_add(object, "interfaces", interfaces);
	json_object_object_add(object, "addresses", addresses);
	json_object_object_add(object, "from", from);
	json_object_object_add(object, "mss", view->mss ? json_object_new_int((int)view->mss)
							: NULL);
	json_object_object_add(object, "exits", exits);
	ctl_print_json(object);
	json_object_put(object);
}

static int show(const struct ctl *ctl, const char *pin)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct decap_view view;

	if (decap_read(pin, &view, &diag))
		return ctl_report(ctl, &diag);
	if (ctl->json) {
		print_json(&view);
	} else if (!view.interface_count) {
		puts("decap stands on no interface");
	} else {
		print_interfaces(&view);
		print_rules(&view);
		print_exits(&view);
	}
	decap_view_clear(&view);
	return CTL_DONE;
}

/* ---- changing it ---------------------------------------------------------------------------- */

static int turn_off(const struct ctl *ctl, const char *pin, const char *interface)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (decap_detach(pin, interface, &diag))
		return ctl_report(ctl, &diag);
	if (ctl->json)
		return show(ctl, pin);
	printf("interface %s: decap detached\n", interface);
	return CTL_DONE;
}

static int turn_on(const struct ctl *ctl, const char *pin, const char *interface,
		   const struct decap_rules *rules)
{
	_cleanup_diag_ struct diag diag = { 0 };
	bool generic;

	if (decap_attach(pin, interface, rules, &generic, &diag))
		return ctl_report(ctl, &diag);
	if (ctl->json)
		return show(ctl, pin);
	printf("interface %s: decap attached%s\n", interface,
	       generic ? ", by generic XDP, several times slower than native" : "");
	return CTL_DONE;
}

static int rules_parse(const struct ctl *ctl, const struct ctl_values *from, const char *mss,
		       struct prefix *sources, struct decap_rules *ret_rules)
{
	char *end = NULL;

	for (size_t i = 0; i < from->count; i++)
		if (prefix_parse(from->text[i], &sources[i]))
			return ctl_usage(ctl, "--from wants a prefix such as \"192.0.2.0/28\", not "
					 "\"%s\"", from->text[i]);
	ret_rules->sources = sources;
	ret_rules->source_count = from->count;
	ret_rules->mss = mss ? strtoul(mss, &end, 10) : 0;
	if (mss && (*end || strspn(mss, "0123456789") != strlen(mss) ||
		    ret_rules->mss < MSS_MIN || ret_rules->mss > MSS_MAX))
		return ctl_usage(ctl, "--mss wants an integer from %d to %d, not \"%s\"", MSS_MIN,
				 MSS_MAX, mss);
	return CTL_DONE;
}

int cmd_decap(struct ctl *ctl, int argc, char **argv)
{
	bool off = false;
	const char *mss = NULL;
	struct ctl_values from = { 0 };
	const struct ctl_option options[] = { { "--off", .flag = &off },
					      { "--mss", .value = &mss },
					      { "--from", .values = &from },
					      { 0 } };
	struct prefix sources[CTL_VALUES_MAX];
	struct decap_rules rules = { 0 };
	char pin[PATH_MAX];
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage(ctl, "decap takes one interface");
	if ((off && (mss || from.count)) || (argc < 2 && (off || mss || from.count)))
		return ctl_usage(ctl, off && argc == 2 ? "--off takes it away: no other option fits"
						       : "which interface?");
	code = rules_parse(ctl, &from, mss, sources, &rules);
	if (code)
		return code;
	if ((size_t)snprintf(pin, sizeof(pin), "%s/decap", ctl->pin) >= sizeof(pin))
		return ctl_usage(ctl, "--pin is too long");
	if (argc < 2)
		return show(ctl, pin);
	return off ? turn_off(ctl, pin, argv[1]) : turn_on(ctl, pin, argv[1], &rules);
}
