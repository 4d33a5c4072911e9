/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus text format 0.0.4. Labels come from the config and from the list of verdicts only,
 * so their number is bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lb/api/api.h"
#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/replay.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/stats.h"
#include "lb/model/label.h"
#include "lb/model/resolve.h"
#include "lb/version.h"
#include "lb/watch/netlink.h"

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP edgelb_%s %s\n# TYPE edgelb_%s %s\n", name, help, name, type);
}

/* A backend with addresses of both families is one row a family: the label set says which. It is
 * empty for a container without an address. */
static void backend_labels(FILE *to, const char *metric, const struct service *service,
			   const struct backend *backend)
{
	char addr[ADDR_TEXT_MAX] = "";

	if (!addr_is_nobody(&backend->identity.address))
		addr_format(&backend->identity.address, addr);
	fprintf(to, "edgelb_%s{service=\"%s\",backend=\"", metric, service->name);
	label_write(to, backend->name); /* of a container: the runtime's word */
	fprintf(to, "\",address=\"%s\"", addr);
}

typedef void backend_function(FILE *to, const struct manager *manager,
			      const struct service *service, const struct backend *backend);

static void each_backend(FILE *to, const struct manager *manager, backend_function *write)
{
	for (size_t s = 0; s < manager->actual->service_count; s++)
		for (size_t b = 0; b < manager->actual->services[s].backend_count; b++)
			write(to, manager, &manager->actual->services[s],
			      &manager->actual->services[s].backends[b]);
}

static struct lb_counters counters_of(const struct manager *manager, const struct backend *backend)
{
	struct lb_counters counters = { 0 };

	stats_backend(manager->dataplane, backend->id, &counters);
	return counters;
}

static void packets_write(FILE *to, const struct manager *manager, const struct service *service,
			  const struct backend *backend)
{
	backend_labels(to, "backend_packets_total", service, backend);
	fprintf(to, "} %llu\n", (unsigned long long)counters_of(manager, backend).packets);
}

static void bytes_write(FILE *to, const struct manager *manager, const struct service *service,
			const struct backend *backend)
{
	backend_labels(to, "backend_bytes_total", service, backend);
	fprintf(to, "} %llu\n", (unsigned long long)counters_of(manager, backend).bytes);
}

static void flows_write(FILE *to, const struct manager *manager, const struct service *service,
			const struct backend *backend)
{
	backend_labels(to, "backend_new_flows_total", service, backend);
	fprintf(to, "} %llu\n", (unsigned long long)counters_of(manager, backend).new_flows);
}

static void local_write(FILE *to, const struct manager *manager, const struct service *service,
			const struct backend *backend)
{
	backend_labels(to, "backend_local_connections_total", service, backend);
	fprintf(to, "} %llu\n",
		(unsigned long long)stats_local(manager->dataplane, backend->id));
}

static void state_write(FILE *to, const struct manager *manager, const struct service *service,
			const struct backend *backend)
{
	(void)manager;
	for (int state = BACKEND_UP; state <= BACKEND_OFF; state++) {
		backend_labels(to, "backend_state", service, backend);
		fprintf(to, ",state=\"%s\"} %d\n", backend_state_name((enum backend_state)state),
			(int)backend->state == state);
	}
}

static void weight_write(FILE *to, const struct manager *manager, const struct service *service,
			 const struct backend *backend)
{
	(void)manager;
	backend_labels(to, "backend_weight", service, backend);
	fprintf(to, "} %u\n", backend->effective_weight);
}

static void shares_write(FILE *to, const struct manager *manager)
{
	uint32_t *owned = calloc(LB_MAX_BACKENDS, sizeof(*owned));

	head(to, "backend_share", "gauge", "Part of the service's ring that the backend owns.");
	for (size_t s = 0; owned && s < manager->actual->service_count; s++) {
		const struct service *service = &manager->actual->services[s];

		slots_owned(manager->dataplane, service, owned);
		for (size_t b = 0; b < service->backend_count; b++) {
			const struct backend *backend = &service->backends[b];
			uint32_t slots = backend_ring_slots(service, backend);

			backend_labels(to, "backend_share", service, backend);
			fprintf(to, "} %g\n", slots ? (double)owned[backend->id] / slots : 0);
		}
	}
	free(owned);
}

static void backends_write(FILE *to, const struct manager *manager)
{
	head(to, "backend_packets_total", "counter", "Packets sent to the backend.");
	each_backend(to, manager, packets_write);
	head(to, "backend_bytes_total", "counter", "Layer 2 bytes sent to the backend.");
	each_backend(to, manager, bytes_write);
	head(to, "backend_new_flows_total", "counter", "TCP SYNs sent to the backend.");
	each_backend(to, manager, flows_write);
	head(to, "backend_local_connections_total", "counter",
	     "Connections of local clients, and peers of their unconnected UDP sockets.");
	each_backend(to, manager, local_write);
	head(to, "backend_state", "gauge", "1 for the state that the backend is in.");
	each_backend(to, manager, state_write);
	head(to, "backend_weight", "gauge", "Weight in the ring, 0 while not up.");
	each_backend(to, manager, weight_write);
	shares_write(to, manager);
}

static void services_write(FILE *to, const struct manager *manager)
{
	const struct state *actual = manager->actual;

	head(to, "service_up", "gauge", "1 while at least min_up backends take new flows.");
	for (size_t s = 0; s < actual->service_count; s++) {
		fprintf(to, "edgelb_service_up{service=\"%s\"} %d\n", actual->services[s].name,
			actual->services[s].up);
	}
	head(to, "slots_moving", "gauge", "Slots in motion.");
	for (size_t s = 0; s < actual->service_count; s++)
		fprintf(to, "edgelb_slots_moving{service=\"%s\"} %u\n", actual->services[s].name,
			slots_moving(manager->dataplane, &actual->services[s]));
	head(to, "records_lost_total", "counter",
	     "Flows of moving slots that found no room to be recorded.");
	fprintf(to, "edgelb_records_lost_total %llu\n",
		(unsigned long long)records_lost(manager->dataplane));
	head(to, "service_drops_total", "counter", "Packets for the service that were dropped.");
	for (size_t s = 0; s < actual->service_count; s++)
		for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
			uint64_t drops = stats_drops(manager->dataplane, actual->services[s].id,
						     verdict);

			if (drops)
				fprintf(to,
					"edgelb_service_drops_total{service=\"%s\",verdict=\"%s\"}"
					" %llu\n",
					actual->services[s].name,
					verdict_name((enum lb_verdict)verdict),
					(unsigned long long)drops);
		}
}

static void verdicts_write(FILE *to, const struct manager *manager)
{
	uint64_t counts[LB_VERDICT_COUNT];

	stats_verdicts(manager->dataplane, counts);
	head(to, "verdict_packets_total", "counter", "Packets by the way they left.");
	for (int verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		fprintf(to, "edgelb_verdict_packets_total{verdict=\"%s\"} %llu\n",
			verdict_name((enum lb_verdict)verdict),
			(unsigned long long)counts[verdict]);
}

/* A name of a link may hold nearly any byte. */
static void interface_label(FILE *to, const char *metric, const char *name)
{
	fprintf(to, "edgelb_%s{interface=\"", metric);
	label_write(to, name);
	fputs("\"}", to);
}

static void losses_write(FILE *to, const struct manager *manager, unsigned int ifindex)
{
	const struct net_link *link = net_view_link(&manager->view, ifindex);

	if (!link)
		return;
	interface_label(to, "redirect_drops_total", link->name);
	fprintf(to, " %llu\n", (unsigned long long)losses_read(manager->dataplane, ifindex));
}

static void interfaces_write(FILE *to, const struct manager *manager)
{
	const struct state *actual = manager->actual;

	head(to, "interface_attached", "gauge", "1 while lb stands on the interface.");
	for (size_t i = 0; i < manager->config->interface_count; i++) {
		const char *name = manager->config->interfaces[i].name;
		const struct net_link *link = net_view_link_by_name(&manager->view, name);
		bool generic;

		interface_label(to, "interface_attached", name);
		fprintf(to, " %d\n",
			link && front_is_ours(manager->dataplane, link->ifindex, &generic));
	}
	head(to, "redirect_drops_total", "counter",
	     "Frames that the kernel lost after they were redirected to the interface.");
	for (size_t i = 0; i < actual->device_count; i++)
		losses_write(to, manager, actual->devices[i]);
}

/* The names are those of Prometheus' own client libraries, behind our prefix. */
static void process_write(FILE *to, const struct manager *manager)
{
	struct rusage usage = { 0 };
	long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm) {
		if (fscanf(statm, "%*s %ld", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	getrusage(RUSAGE_SELF, &usage);
	head(to, "process_cpu_seconds_total", "counter", "Time of CPUs that lbd has used.");
	fprintf(to, "edgelb_process_cpu_seconds_total %.6f\n",
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	head(to, "process_resident_memory_bytes", "gauge",
	     "Memory of lbd, mapped tables included.");
	fprintf(to, "edgelb_process_resident_memory_bytes %ld\n",
		pages * sysconf(_SC_PAGESIZE));
	head(to, "process_start_time_seconds", "gauge", "When lbd was started.");
	fprintf(to, "edgelb_process_start_time_seconds %lld.%03ld\n",
		(long long)manager->started.tv_sec, manager->started.tv_nsec / 1000000);
}

static void daemon_write(FILE *to, const struct manager *manager)
{
	struct utsname kernel;

	uname(&kernel);
	head(to, "reloads_total", "counter", "Reloads of the config by result.");
	fprintf(to,
		"edgelb_reloads_total{result=\"done\"} %llu\n"
		"edgelb_reloads_total{result=\"refused\"} %llu\n",
		(unsigned long long)manager->reloads_done,
		(unsigned long long)manager->reloads_refused);
	head(to, "config_last_reload_success_timestamp_seconds", "gauge",
	     "When the config in use was loaded.");
	fprintf(to, "edgelb_config_last_reload_success_timestamp_seconds %lld\n",
		(long long)manager->loaded.tv_sec);
	head(to, "overrides", "gauge", "Run-time overrides that stand.");
	fprintf(to, "edgelb_overrides %zu\n", manager->overrides.count);
	head(to, "build_info", "gauge", "Version of edgelb and release of the kernel.");
	fprintf(to, "edgelb_build_info{version=\"%s\",kernel=\"%s\"} 1\n", LB_VERSION,
		kernel.release);
}

char *metrics_text(struct manager *manager)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	backends_write(to, manager);
	services_write(to, manager);
	verdicts_write(to, manager);
	interfaces_write(to, manager);
	daemon_write(to, manager);
	process_write(to, manager);
	isolation_metrics(manager->isolation, to);
	flows_metrics(manager->flows, to);
	fclose(to);
	return text;
}
