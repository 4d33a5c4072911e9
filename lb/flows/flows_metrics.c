/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows for Prometheus. Labels are the names of containers, of which there are as many as
 * account.h allows; those of one name (a container that was made anew, a runtime beside another)
 * are one series. */
#include <inttypes.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/model/label.h"

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP edgelb_%s %s\n# TYPE edgelb_%s %s\n", name, help, name, type);
}

/* "edgelb_NAME{container="...": the caller closes it. */
static void sample_begin(FILE *to, const char *name, const struct account_container *container)
{
	fprintf(to, "edgelb_%s{container=\"", name);
	label_write(to, container->owner.name);
	putc('"', to);
}

/* ---- one series a name ----------------------------------------------------------------------- */

static void sum(uint64_t *to, const uint64_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] += from[i];
}

static void container_merge(struct account_container *to, const struct account_container *from)
{
	to->packets_in += from->packets_in;
	to->packets_out += from->packets_out;
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->retransmits += from->retransmits;
	sum(to->flows_in, from->flows_in, 3);
	sum(to->flows_out, from->flows_out, 3);
	sum(to->ended, from->ended, FLOW_OUTCOMES);
	sum(to->size_in, from->size_in, FLOW_SIZES);
	sum(to->size_out, from->size_out, FLOW_SIZES);
	sum(to->last_in, from->last_in, FLOW_SIZES);
	sum(to->last_out, from->last_out, FLOW_SIZES);
	to->live += from->live;
	to->rtt_sum_us += from->rtt_sum_us;
	to->rtt_count += from->rtt_count;
	if (from->seen_ns > to->seen_ns)
		to->seen_ns = from->seen_ns;
}

struct account_container *flows_by_name(struct flows *flows, size_t *ret_count)
{
	size_t count, kept = 0;
	const struct account_container *const *all = accounts_containers(flows->accounts, &count);
	struct account_container *list = mem_array(count, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		if (kept && !strcmp(list[kept - 1].owner.name, all[i]->owner.name))
			container_merge(&list[kept - 1], all[i]);
		else
			list[kept++] = *all[i];
	*ret_count = kept;
	return list;
}

/* ---- containers ------------------------------------------------------------------------------ */

static void directions_write(FILE *to, const char *name, const struct account_container *container,
			     uint64_t in, uint64_t out)
{
	sample_begin(to, name, container);
	fprintf(to, ",direction=\"in\"} %" PRIu64 "\n", in);
	sample_begin(to, name, container);
	fprintf(to, ",direction=\"out\"} %" PRIu64 "\n", out);
}

static void packets_write(FILE *to, const struct account_container *container)
{
	directions_write(to, "container_packets_total", container, container->packets_in,
			 container->packets_out);
}

static void bytes_write(FILE *to, const struct account_container *container)
{
	directions_write(to, "container_bytes_total", container, container->bytes_in,
			 container->bytes_out);
}

static void begun_write(FILE *to, const struct account_container *container)
{
	for (unsigned int protocol = 0; protocol < 3; protocol++) {
		const char *name = account_protocol_name(protocol);

		sample_begin(to, "container_flows_total", container);
		fprintf(to, ",direction=\"in\",protocol=\"%s\"} %" PRIu64 "\n", name,
			container->flows_in[protocol]);
		sample_begin(to, "container_flows_total", container);
		fprintf(to, ",direction=\"out\",protocol=\"%s\"} %" PRIu64 "\n", name,
			container->flows_out[protocol]);
	}
}

static void failures_write(FILE *to, const struct account_container *container)
{
	for (int outcome = 0; outcome < FLOW_OUTCOMES; outcome++) {
		if (!flow_outcome_is_failure((enum flow_outcome)outcome))
			continue;
		sample_begin(to, "container_failures_total", container);
		fprintf(to, ",reason=\"%s\"} %" PRIu64 "\n",
			flow_outcome_name((enum flow_outcome)outcome), container->ended[outcome]);
	}
}

static void retransmits_write(FILE *to, const struct account_container *container)
{
	sample_begin(to, "container_retransmits_total", container);
	fprintf(to, "} %" PRIu64 "\n", container->retransmits);
}

static void live_write(FILE *to, const struct account_container *container)
{
	sample_begin(to, "container_live_flows", container);
	fprintf(to, "} %" PRIu64 "\n", container->live);
}

static void rtt_write(FILE *to, const struct account_container *container)
{
	if (!container->rtt_count)
		return;
	sample_begin(to, "container_rtt_seconds", container);
	fprintf(to, "} %.6f\n",
		(double)container->rtt_sum_us / (double)container->rtt_count / 1e6);
}

static void histogram_write(FILE *to, const struct account_container *container,
			    const char *direction, const uint64_t *sizes, uint64_t bytes)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < FLOW_SIZES; i++) {
		count += sizes[i];
		sample_begin(to, "container_message_size_bytes_bucket", container);
		if (i + 1 < FLOW_SIZES)
			fprintf(to, ",direction=\"%s\",le=\"%u\"} %" PRIu64 "\n", direction,
				(2U << i) - 1, count);
		else
			fprintf(to, ",direction=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", direction,
				count);
	}
	sample_begin(to, "container_message_size_bytes_sum", container);
	fprintf(to, ",direction=\"%s\"} %" PRIu64 "\n", direction, bytes);
	sample_begin(to, "container_message_size_bytes_count", container);
	fprintf(to, ",direction=\"%s\"} %" PRIu64 "\n", direction, count);
}

static void sizes_write(FILE *to, const struct account_container *container)
{
	histogram_write(to, container, "in", container->size_in, container->bytes_in);
	histogram_write(to, container, "out", container->size_out, container->bytes_out);
}

static const struct {
	const char *name, *type, *help;
	void (*write)(FILE *to, const struct account_container *container);
} container_metrics[] = {
	{ "container_packets_total", "counter", "TCP segments and datagrams of its flows.",
	  packets_write },
	{ "container_bytes_total", "counter", "Payload of its flows.", bytes_write },
	{ "container_flows_total", "counter", "Flows that began.", begun_write },
	{ "container_failures_total", "counter",
	  "Flows that did not come about, or that the other end reset.", failures_write },
	{ "container_retransmits_total", "counter", "TCP segments that were sent again.",
	  retransmits_write },
	{ "container_live_flows", "gauge", "Flows that live.", live_write },
	{ "container_rtt_seconds", "gauge", "Mean of the smoothed RTT of its live TCP flows.",
	  rtt_write },
	{ "container_message_size_bytes", "histogram",
	  "Payload of what its sockets sent and received at a time.", sizes_write },
};

/* ---- the whole ------------------------------------------------------------------------------- */

static void other_write(FILE *to, const struct flows *flows)
{
	struct flow_other other = { 0 };

	flow_kernel_other(flows->kernel, &other);
	head(to, "flows_other_total", "counter", "Flows for which there was no record.");
	fprintf(to, "edgelb_flows_other_total %" PRIu64 "\n", (uint64_t)other.flows);
	head(to, "flows_other_packets_total", "counter", "Their packets.");
	fprintf(to, "edgelb_flows_other_packets_total{direction=\"in\"} %" PRIu64 "\n"
		"edgelb_flows_other_packets_total{direction=\"out\"} %" PRIu64 "\n",
		(uint64_t)other.packets_in, (uint64_t)other.packets_out);
	head(to, "flows_other_bytes_total", "counter", "Their payload.");
	fprintf(to, "edgelb_flows_other_bytes_total{direction=\"in\"} %" PRIu64 "\n"
		"edgelb_flows_other_bytes_total{direction=\"out\"} %" PRIu64 "\n",
		(uint64_t)other.bytes_in, (uint64_t)other.bytes_out);
}

void flows_metrics(struct flows *flows, FILE *to)
{
	struct account_container *list;
	size_t count;

	if (!flows->kernel)
		return;
	flows_sample(flows);
	list = flows_by_name(flows, &count);
	for (size_t i = 0; i < sizeof(container_metrics) / sizeof(*container_metrics); i++) {
		head(to, container_metrics[i].name, container_metrics[i].type,
		     container_metrics[i].help);
		for (size_t j = 0; j < count; j++)
			container_metrics[i].write(to, &list[j]);
	}
	free(list);
	other_write(to, flows);
	head(to, "flows_live", "gauge", "Records of flows that live.");
	fprintf(to, "edgelb_flows_live %zu\n", flows->live);
	head(to, "flows_records", "gauge", "Records that there are.");
	fprintf(to, "edgelb_flows_records %zu\n", flows->record_count);
	head(to, "flows_ended_forgotten_total", "counter",
	     "Flows that ended, and that \"lbctl flows --since\" does not tell of any more.");
	fprintf(to, "edgelb_flows_ended_forgotten_total %" PRIu64 "\n", flows->ended.forgotten);
	head(to, "flows_sample_seconds", "gauge", "What the last sample took.");
	fprintf(to, "edgelb_flows_sample_seconds %.6f\n", (double)flows->sample_ns / 1e9);
	if (flows->influx)
		influx_metrics(flows->influx, to);
}
