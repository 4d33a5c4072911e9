/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes the values of vetted flows into struct config_flows. Called by load.c after build.c. */
#include "config/chain.h"
#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"
#include "config/value.h"

static void build_cgroups(const config_setting_t *setting, struct config_flows *flows)
{
	struct value *values = value_read_array(schema_find(IN_FLOWS, "cgroups"), setting,
						&flows->cgroup_count);

	flows->cgroups = mem_array(flows->cgroup_count, sizeof(*flows->cgroups));
	for (size_t i = 0; i < flows->cgroup_count; i++)
		flows->cgroups[i] = mem_text(values[i].text);
	free(values);
}

void load_build_flows(struct load *load)
{
	struct chain chain = { .in = IN_FLOWS };
	struct config_flows *flows;

	if (!load->flows)
		return;
	flows = load->config->flows = mem_array(1, sizeof(*flows));
	chain_push(&chain, load->flows);
	flows->interval_ms = (unsigned int)chain_number(&chain, "interval");
	flows->idle_ms = (unsigned int)chain_number(&chain, "idle");
	flows->records = (uint32_t)chain_number(&chain, "records");
	flows->keep = (uint32_t)chain_number(&chain, "keep");
	build_cgroups(chain_find(&chain, "cgroups"), flows);
	flows->influxdb = chain_text(&chain, "influxdb");
	flows->influxdb_token = chain_text(&chain, "influxdb_token");
	flows->line = load_line(load, load->flows);
}
