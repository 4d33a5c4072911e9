/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One batch of points at the end of each interval: what flows add up to, and the balancer's
 * services and backends with the counters of show. All counters count from the daemon's start or
 * longer; what did nothing in an interval has a point once a minute. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"
#include "lb/flows/flows_private.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/stats.h"
#include "lb/model/resolve.h"

#define ALL_NS (60 * NS_PER_S)

struct batch {
	FILE *to;
	char host[256];
	struct timespec when;
	uint64_t from_ns;	/* what was seen since then has a point; 0: everything */
};

static void point_begin(const struct batch *batch, const char *measurement)
{
	influx_measure(batch->to, measurement);
	influx_tag(batch->to, "host", batch->host);
}

static void sizes_put(const struct batch *batch, const struct account_container *container,
		      const char *direction, const uint64_t *sizes)
{
	char key[16];

	point_begin(batch, "edgelb_message_size");
	influx_tag(batch->to, "container", container->owner.name);
	influx_tag(batch->to, "direction", direction);
	for (unsigned int i = 0; i < FLOW_SIZES; i++) {
		snprintf(key, sizeof(key), "from_%u", 1U << i);
		influx_count(batch->to, key, sizes[i]);
	}
	influx_time(batch->to, batch->when);
}

static void container_put(const struct batch *batch, const struct account_container *container)
{
	uint64_t failures = 0, begun = 0;

	for (int outcome = 0; outcome < FLOW_OUTCOMES; outcome++)
		if (flow_outcome_is_failure((enum flow_outcome)outcome))
			failures += container->ended[outcome];
	for (int protocol = 0; protocol < 3; protocol++)
		begun += container->flows_in[protocol] + container->flows_out[protocol];
	point_begin(batch, "edgelb_container");
	influx_tag(batch->to, "container", container->owner.name);
	influx_count(batch->to, "packets_in", container->packets_in);
	influx_count(batch->to, "packets_out", container->packets_out);
	influx_count(batch->to, "bytes_in", container->bytes_in);
	influx_count(batch->to, "bytes_out", container->bytes_out);
	influx_count(batch->to, "flows", begun);
	influx_count(batch->to, "live_flows", container->live);
	influx_count(batch->to, "failures", failures);
	influx_count(batch->to, "retransmits", container->retransmits);
	if (container->rtt_count)
		influx_count(batch->to, "rtt_us", container->rtt_sum_us / container->rtt_count);
	influx_time(batch->to, batch->when);
	sizes_put(batch, container, "in", container->last_in);
	sizes_put(batch, container, "out", container->last_out);
}

static void containers_put(const struct batch *batch, struct flows *flows)
{
	size_t count;
	struct account_container *list = flows_by_name(flows, &count);

	for (size_t i = 0; i < count; i++)
		if (list[i].seen_ns >= batch->from_ns)
			container_put(batch, &list[i]);
	free(list);
}

static void edges_put(const struct batch *batch, struct flows *flows)
{
	size_t count;
	const struct account_edge *const *edges = accounts_edges(flows->accounts, &count);
	char protocol[8], port[8];

	for (size_t i = 0; i < count; i++) {
		const struct account_edge *edge = edges[i];

		if (edge->seen_ns < batch->from_ns)
			continue;
		snprintf(port, sizeof(port), "%u", edge->port);
		point_begin(batch, "edgelb_edge");
		influx_tag(batch->to, "from", edge->from.name);
		influx_tag(batch->to, "from_kind", flow_node_kind_name(edge->from.kind));
		influx_tag(batch->to, "to", edge->to.name);
		influx_tag(batch->to, "to_kind", flow_node_kind_name(edge->to.kind));
		influx_tag(batch->to, "protocol", flow_protocol_name(edge->protocol, protocol));
		influx_tag(batch->to, "port", port);
		influx_count(batch->to, "connections", edge->connections);
		influx_count(batch->to, "failures", edge->failures);
		influx_count(batch->to, "bytes", edge->bytes);
		influx_time(batch->to, batch->when);
	}
}

static void flows_put(const struct batch *batch, const struct flows *flows)
{
	struct flow_other other = { 0 };

	flow_kernel_other(flows->kernel, &other);
	point_begin(batch, "edgelb_flows");
	influx_count(batch->to, "live", flows->live);
	influx_count(batch->to, "records", flows->record_count);
	influx_count(batch->to, "forgotten", flows->ended.forgotten);
	influx_count(batch->to, "other_flows", other.flows);
	influx_count(batch->to, "other_packets_in", other.packets_in);
	influx_count(batch->to, "other_packets_out", other.packets_out);
	influx_count(batch->to, "other_bytes_in", other.bytes_in);
	influx_count(batch->to, "other_bytes_out", other.bytes_out);
	influx_number(batch->to, "sample_seconds", (double)flows->sample_ns / (double)NS_PER_S);
	influx_time(batch->to, batch->when);
}

/* ---- the balancer ---------------------------------------------------------------------------- */

static void backend_put(const struct batch *batch, const struct manager *manager,
			const struct service *service, const struct backend *backend)
{
	struct lb_counters counters = { 0 };
	char address[ADDR_TEXT_MAX] = "";

	if (!addr_is_nobody(&backend->identity.address))
		addr_format(&backend->identity.address, address);
	stats_backend(manager->dataplane, backend->id, &counters);
	point_begin(batch, "edgelb_backend");
	influx_tag(batch->to, "service", service->name);
	influx_tag(batch->to, "backend", backend->name);
	influx_tag(batch->to, "address", address);
	influx_count(batch->to, "up", backend->state == BACKEND_UP);
	influx_count(batch->to, "weight", backend->effective_weight);
	influx_count(batch->to, "packets", counters.packets);
	influx_count(batch->to, "bytes", counters.bytes);
	influx_count(batch->to, "new_flows", counters.new_flows);
	influx_count(batch->to, "local_connections", stats_local(manager->dataplane, backend->id));
	influx_time(batch->to, batch->when);
}

static void service_put(const struct batch *batch, const struct manager *manager,
			const struct service *service)
{
	uint64_t drops = 0;

	for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		drops += stats_drops(manager->dataplane, service->id, verdict);
	point_begin(batch, "edgelb_service");
	influx_tag(batch->to, "service", service->name);
	influx_count(batch->to, "up", service->up);
	influx_count(batch->to, "slots_moving", slots_moving(manager->dataplane, service));
	influx_count(batch->to, "drops", drops);
	influx_time(batch->to, batch->when);
	for (size_t i = 0; i < service->backend_count; i++)
		backend_put(batch, manager, service, &service->backends[i]);
}

void flows_export(struct flows *flows)
{
	const struct state *actual = flows->manager->actual;
	uint64_t now_ns = clock_ns();
	bool all = now_ns - flows->exported_all_ns >= ALL_NS;
	struct batch batch = { .from_ns = all ? 0 : flows->exported_ns };

	if (!flows->influx)
		return;
	batch.to = influx_begin(flows->influx);
	clock_gettime(CLOCK_REALTIME, &batch.when);
	gethostname(batch.host, sizeof(batch.host) - 1);
	flows_put(&batch, flows);
	containers_put(&batch, flows);
	edges_put(&batch, flows);
	for (size_t i = 0; i < actual->service_count; i++)
		service_put(&batch, flows->manager, &actual->services[i]);
	influx_end(flows->influx);
	flows->exported_ns = now_ns;
	if (all)
		flows->exported_all_ns = now_ns;
}
