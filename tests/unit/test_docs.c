/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of docs/ that the program itself writes, so that they cannot say anything else than
 * it does. Each stands between a line "<!-- begin NAME: ... -->" and a line "<!-- end NAME -->".
 * As a test: that they are up to date. With --write (`make docs`): brings them up to date.
 * Run from the root of the project. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/slurp.h"
#include "lb/kernel/replay.h"
#include "xdp/lb_abi.h"

static void verdicts_print(FILE *to)
{
	fputs("| verdict | action | because |\n| --- | --- | --- |\n", to);
	for (int i = 0; i < LB_VERDICT_COUNT; i++) {
		enum lb_verdict verdict = (enum lb_verdict)i;

		fprintf(to, "| `%s` | %s | %s |\n", verdict_name(verdict),
			action_name(verdict_action(verdict)), verdict_text(verdict));
	}
}

static void limits_print(FILE *to)
{
	fprintf(to,
		"| of | at most |\n| --- | --- |\n"
		"| services | %d |\n"
		"| backends, over all services; one with two addresses counts twice | %d |\n"
		"| pairs of vip and port, ranges counted out, over all services | %d |\n"
		"| slots of one ring | %d |\n"
		"| slots of all rings, unless `tuning.max_slots` says otherwise | %d |\n"
		"| interfaces that packets are sent to | %d |\n"
		"| networks and addresses that replies reach untranslated | %d |\n"
		"| groups of policy | %d |\n"
		"| rules of policy | %d |\n"
		"| entries of policy's sockets | %d |\n"
		"| entries of bind in one of these | %d |\n"
		"| entries of policy's tcp | %d |\n"
		"| entries of flows' cgroups | %d |\n"
		"| bytes of a name | %d |\n",
		LB_MAX_SERVICES - 1, LB_MAX_BACKENDS - 1, CONFIG_VIP_PORTS_MAX, CONFIG_RING_MAX,
		CONFIG_MAX_SLOTS, LB_MAX_DEVICES, LB_MAX_DIRECT,
		CONFIG_GROUPS_MAX, CONFIG_RULES_MAX, CONFIG_SOCKETS_MAX, CONFIG_BINDS_MAX,
		CONFIG_POLICY_TCP_MAX, CONFIG_FLOW_CGROUPS_MAX, LB_NAME_MAX - 1);
}

static const struct table {
	const char *file, *name;
	void (*print)(FILE *to);
} tables[] = {
	{ "docs/config.md", "keys", schema_print },
	{ "docs/config.md", "limits", limits_print },
	{ "docs/packet.md", "verdicts", verdicts_print },
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* Where a table's lines begin and end in the text of its file. */
static bool table_find(const char *text, const char *name, const char **ret_begin,
		       const char **ret_end)
{
	char begin[64], end[64];
	const char *at;

	snprintf(begin, sizeof(begin), "\n<!-- begin %s: ", name);
	snprintf(end, sizeof(end), "\n<!-- end %s -->\n", name);
	at = strstr(text, begin);
	at = at ? strchr(at + 1, '\n') : NULL;
	if (!at)
		return false;
	*ret_begin = at + 1;
	*ret_end = strstr(at, end);
	if (!*ret_end)
		return false;
	++*ret_end;
	return true;
}

static char *table_text(const struct table *table)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	table->print(to);
	fclose(to);
	return text;
}

static void every_table_says_what_the_program_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLES; i++) {
		char *wanted = table_text(&tables[i]), *text, *found;
		const char *begin, *end;

		print_message("  %s, %s\n", tables[i].file, tables[i].name);
		assert_non_null(wanted);
		assert_int_equal(slurp(tables[i].file, false, &text), 0);
		if (!table_find(text, tables[i].name, &begin, &end))
			fail_msg("%s has no place for it", tables[i].file);
		found = strndup(begin, (size_t)(end - begin));
		if (strcmp(found, wanted))
			fail_msg("is out of date: make docs");
		free(found);
		free(text);
		free(wanted);
	}
}

static int table_write(const struct table *table)
{
	const char *begin, *end;
	char *text, *wanted;
	FILE *file = NULL;
	int err = slurp(table->file, false, &text);

	if (err)
		return err;
	wanted = table_text(table);
	err = -EINVAL;
	if (wanted && table_find(text, table->name, &begin, &end))
		file = fopen(table->file, "we");
	if (file) {
		fprintf(file, "%.*s%s%s", (int)(begin - text), text, wanted, end);
		err = fclose(file) ? -errno : 0;
	}
	free(wanted);
	free(text);
	return err;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_says_what_the_program_does),
	};

	if (argc < 2 || strcmp(argv[1], "--write") != 0)
		return cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < TABLES; i++) {
		int err = table_write(&tables[i]);

		if (err) {
			fprintf(stderr, "%s, %s: %s\n", tables[i].file, tables[i].name,
				strerror(-err));
			return 1;
		}
	}
	return 0;
}
