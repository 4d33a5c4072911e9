/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing of a rig is pinned or attached: it ends with the process. */
#include "bench/rig.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "bench/run.h"
#include "build/bench/bare.skel.h"
#include "build/bench/cost.skel.h"
#include "build/bench/lb_lru.skel.h"
#include "build/lb.skel.h"
#include "lb/kernel/sink.h"
#include "lb/kernel/stats.h"
#include "lb/model/desired.h"

#define TO_DEVICE "front-gen" /* redirected to, never sent: test runs do not flush */

/* ---- tables ---------------------------------------------------------------------------------- */

static int config_make(struct rig *rig, struct diag *diag)
{
	struct scenario_config wanted = { .fronts = { TO_DEVICE },
					  .services = scenario_services(rig->scenario),
					  .backends = scenario_backends(rig->scenario),
					  .before = rig->scenario->moving ? BEFORE_OWNED
									  : NO_BEFORE };
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int err;

	if (!file)
		return -ENOMEM;
	wanted.forward[rig->scenario->forward] = true;
	scenario_config_write(&wanted, file);
	fclose(file);
	err = config_load_text("bench", text, &rig->config, diag);
	free(text);
	return err;
}

/* NAT to containers of this host; DSR to other hosts, which costs the TTL one. */
static struct row_hop *rows_invent(const struct rig *rig, unsigned int ifindex)
{
	size_t count = desired_row_count(rig->config);
	struct row_hop *hops = calloc(count, sizeof(*hops));
	bool ipv6;

	for (size_t i = 0; hops && i < count; i++) {
		hops[i].known = true;
		hops[i].hop.local = rig->scenario->forward == CONFIG_NAT;
		hops[i].hop.ifindex = ifindex;
		hops[i].hop.has_source = true;
		/* Every backend has two rows, IPv4 first; of many services it has that alone. */
		ipv6 = !rig->scenario->services && i % FAMILIES == IPV6;
		addr_parse(ipv6 ? "2001:db8::fe" : "192.0.2.254", &hops[i].hop.source);
		memcpy(hops[i].hop.dst_mac, (const unsigned char[]){ 2, 0, 0, 0, 1, 1 }, 6);
		memcpy(hops[i].hop.src_mac, (const unsigned char[]){ 2, 0, 0, 0, 1, 2 }, 6);
	}
	return hops;
}

static int tables_fill(struct rig *rig, unsigned int ifindex, struct diag *diag)
{
	const struct bpf_devmap_val device = { .ifindex = ifindex };
	const struct overrides none = { 0 };
	const struct net_view nothing = { 0 };
	struct sources sources = { .config = rig->config, .overrides = &none, .view = &nothing };
	int err;

	hash_keys_of(rig->config->hash_seed, sources.hash_key);
	sources.hops = rows_invent(rig, ifindex);
	if (!sources.hops)
		return -ENOMEM;
	err = desired(&sources, NULL, &rig->state);
	free((void *)sources.hops);
	if (!err)
		err = state_write_private(rig->dataplane, rig->state, diag);
	if (!err && bpf_map_update_elem(rig->dataplane->devices, &ifindex, &device, BPF_ANY))
		err = -errno;
	return err;
}

/* ---- programs -------------------------------------------------------------------------------- */

static int lb_load(struct rig *rig)
{
	int err;

	rig->lb = lb_bpf__open();
	if (!rig->lb)
		return -errno;
	err = dataplane_share(rig->dataplane, rig->lb->obj);
	return err ? err : lb_bpf__load(rig->lb);
}

static int lru_load(struct rig *rig)
{
	int err;

	rig->lru = lb_lru_bpf__open();
	if (!rig->lru)
		return -errno;
	err = dataplane_share(rig->dataplane, rig->lru->obj);
	return err ? err : lb_lru_bpf__load(rig->lru);
}

static int target_set(struct rig *rig, __u32 target, const struct bpf_program *program)
{
	int fd = bpf_program__fd(program);

	return bpf_map_update_elem(bpf_map__fd(rig->drivers->maps.targets), &target, &fd,
				   BPF_ANY) ? -errno : 0;
}

static int programs_load(struct rig *rig, unsigned int ifindex)
{
	__u32 zero = 0;
	int err;

	rig->bare = bare_bpf__open_and_load();
	rig->drivers = cost_bpf__open_and_load();
	if (!rig->bare || !rig->drivers)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(rig->bare->maps.bare_devices), &zero, &ifindex, 0))
		return -errno;
	err = lb_load(rig);
	if (!err && rig->scenario->moving)
		err = lru_load(rig);
	if (!err)
		err = target_set(rig, BENCH_LB, rig->lb->progs.lb);
	if (!err && rig->lru)
		err = target_set(rig, BENCH_LRU, rig->lru->progs.lb);
	if (!err)
		err = target_set(rig, BENCH_BARE, rig->bare->progs.bare);
	if (!err)
		err = target_set(rig, BENCH_EMPTY, scenario_wraps(rig->scenario)
							   ? rig->drivers->progs.empty_wrapping
							   : rig->drivers->progs.empty);
	return err;
}

int rig_open(const struct scenario *scenario, struct rig *ret_rig, struct diag *diag)
{
	unsigned int ifindex = if_nametoindex(TO_DEVICE);
	struct rig *rig = ret_rig;
	int err;

	*rig = (struct rig){ .scenario = scenario };
	err = config_make(rig, diag);
	if (!err)
		err = dataplane_open_private(rig->config->max_slots, &rig->dataplane, diag);
	if (!err)
		err = tables_fill(rig, ifindex, diag);
	if (!err)
		err = programs_load(rig, ifindex);
	if (!err && scenario->zipf)
		scenario_draw(scenario, rig->drivers->bss->draws);
	if (!err)
		rig->frame_size = scenario_frame(scenario, &rig->drivers->bss->run);
	if (err)
		diag_add(diag, NULL, 0, "cannot set up the program's cost: %s", strerror(-err));
	return err;
}

void rig_close(struct rig *rig)
{
	cost_bpf__destroy(rig->drivers);
	bare_bpf__destroy(rig->bare);
	lb_lru_bpf__destroy(rig->lru);
	lb_bpf__destroy(rig->lb);
	state_free(rig->state);
	dataplane_close(rig->dataplane);
	config_free(rig->config);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static struct bpf_program *subject_driver(const struct rig *rig, enum subject subject)
{
	bool wraps = scenario_wraps(rig->scenario);

	switch (subject) {
	case LB:
		return wraps ? rig->drivers->progs.drive_lb_wrapping
			     : rig->drivers->progs.drive_lb;
	case LRU:
		return rig->drivers->progs.drive_lru;
	case BARE:
		return rig->drivers->progs.drive_bare;
	case EMPTY:
		return wraps ? rig->drivers->progs.drive_empty_wrapping
			     : rig->drivers->progs.drive_empty;
	default:
		return rig->drivers->progs.harness;
	}
}

static int driver_run(struct rig *rig, enum subject subject, const struct bpf_program *driver,
		      unsigned int packets, unsigned int *ret_duration)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = rig->drivers->bss->run.frame,
		    .data_size_in = rig->frame_size, .repeat = packets);

	if (bpf_prog_test_run_opts(bpf_program__fd(driver), &options))
		return -errno;
	if (subject == LB || subject == LRU)
		rig->balanced += packets;
	*ret_duration = options.duration;
	return 0;
}

int rig_run(struct rig *rig, enum subject subject, unsigned int packets, double *ret_ns,
	    bool *ret_disturbed)
{
	struct bench_run *run = &rig->drivers->bss->run;
	unsigned int duration = 0;
	int err;

	run_begin(run, packets);
	err = driver_run(rig, subject, subject_driver(rig, subject), packets + 1, &duration);
	*ret_ns = run_ns(run);
	*ret_disturbed = run_disturbed(run, duration);
	return err;
}

int rig_open_flows(struct rig *rig, enum subject subject)
{
	const struct bpf_program *driver = subject == LB ? rig->drivers->progs.open_lb
							 : rig->drivers->progs.open_lru;
	unsigned int duration;

	rig->drivers->bss->run.sequence = 0; /* an even one: it begins with a SYN */
	return driver_run(rig, subject, driver, 2 * rig->scenario->flows, &duration);
}

int rig_pass_flows(struct rig *rig, enum subject subject)
{
	unsigned int duration;

	return driver_run(rig, subject, subject_driver(rig, subject), rig->scenario->flows,
			  &duration);
}

/* ---- what became of the packets -------------------------------------------------------------- */

const struct service *rig_service(const struct rig *rig)
{
	return &rig->state->services[0];
}

const struct backend *rig_before(const struct rig *rig)
{
	return service_backend(rig_service(rig), SCENARIO_BEFORE, rig->scenario->family);
}

uint64_t rig_packets_at(const struct rig *rig, const struct backend *backend)
{
	struct lb_counters counters;
	uint64_t packets = 0;

	for (size_t s = 0; s < rig->state->service_count; s++) {
		const struct service *service = &rig->state->services[s];

		for (size_t b = 0; b < service->backend_count; b++)
			if ((!backend || backend == &service->backends[b]) &&
			    !stats_backend(rig->dataplane, service->backends[b].id, &counters))
				packets += counters.packets;
	}
	return packets;
}
