/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reload would change in the seeing of flows, in words. */
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"

static void number_plan(FILE *to, const char *name, uint64_t from, uint64_t now, const char *unit)
{
	if (from != now)
		fprintf(to, "; %s %llu%s → %llu%s", name, (unsigned long long)from, unit,
			(unsigned long long)now, unit);
}

static bool stands_differ(const struct config_flows *a, const struct config_flows *b)
{
	bool differ = a->cgroup_count != b->cgroup_count;

	for (size_t i = 0; !differ && i < a->cgroup_count; i++)
		differ = strcmp(a->cgroups[i], b->cgroups[i]) != 0;
	return differ;
}

/* The address of a target may have a password in it, and is not told. */
static void changes_plan(FILE *to, const struct config_flows *from, const struct config_flows *now)
{
	number_plan(to, "records", from->records, now->records, "");
	if (from->records != now->records)
		fputs(" (what is known of live flows is lost)", to);
	number_plan(to, "interval", from->interval_ms, now->interval_ms, " ms");
	number_plan(to, "idle", from->idle_ms, now->idle_ms, " ms");
	number_plan(to, "keep", from->keep, now->keep, "");
	if (stands_differ(from, now))
		fputs("; other cgroups", to);
	if (flows_target_differs(from, now))
		fputs(!now->influxdb   ? "; no target for lines any more"
		      : from->influxdb ? "; another target for lines"
				       : "; a target for lines", to);
}

char *flows_plan(const struct flows *flows, const struct config *config)
{
	const struct config_flows *from = flows->config, *now = config->flows;
	char *changes = NULL, *text = NULL;
	size_t size = 0;
	FILE *to;

	if (!from || !now)
		return !from == !now ? NULL
				     : mem_text(now ? "flows: none → seen" : "flows: seen → none");
	to = mem_must(open_memstream(&changes, &size));
	changes_plan(to, from, now);
	fclose(to);
	if (size && asprintf(&text, "flows: %s", changes + strlen("; ")) < 0)
		text = NULL;
	free(changes);
	return text;
}
