/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schema as the reference table of lb.conf, in Markdown; the documentation is made from it,
 * so that it cannot say anything else than the program does. */
#include <stdio.h>

#include "config/value.h"

static const struct {
	unsigned int place;
	const char *name;
} places[] = {
	{ IN_FILE, "(file)" },	       { IN_INTERFACE, "interfaces" }, { IN_DEFAULTS, "defaults" },
	{ IN_SERVICE, "services" },    { IN_BACKEND, "backends" },     { IN_CHECK, "check" },
	{ IN_API, "api" },	       { IN_TUNING, "tuning" },
	{ IN_CONTAINERS, "containers" }, { IN_POLICY, "policy" },      { IN_GROUP, "groups" },
	{ IN_RULE, "rules" },	       { IN_SOCKETS, "sockets" },      { IN_POLICY_TCP, "tcp" },
	{ IN_FLOWS, "flows" },
};

static void print_places(unsigned int in, FILE *to)
{
	const char *before = "";

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].place & in) {
			fprintf(to, "%s%s", before, places[i].name);
			before = ", ";
		}
}

static void print_built(const struct schema_key *key, FILE *to)
{
	const char *before = "not yet: ";

	if (key->later)
		fputs("not yet", to);
	for (int i = 0; key->words && key->words[i].word; i++)
		if (key->words[i].later) {
			fprintf(to, "%s%s", before, key->words[i].word);
			before = ", ";
		}
}

void schema_print(FILE *to)
{
	fputs("| in | key | wants | default | built | |\n"
	      "| --- | --- | --- | --- | --- | --- |\n", to);
	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];

		fputs("| ", to);
		print_places(key->in, to);
		fprintf(to, " | `%s` | ", key->name);
		value_print_wanted(key, to);
		fprintf(to, " | %s | ", key->required ? "required" :
				key->fallback ? key->fallback : "");
		print_built(key, to);
		fprintf(to, " | %s |\n", key->help);
	}
}
