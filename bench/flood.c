/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many packets a second go through a running lbd, over veth: from a generator (live frames)
 * through lb on the far end of its veth to a sink at the end of another. Beside it, round by
 * round, others on the same way between veths of their own: the bare program, a program that drops
 * at once, and what an operator would otherwise use (rivals.c). Everything happens on the CPU to
 * which this process is bound: the kernel does the receivers' work where the sender ran. Packets
 * count where they arrive. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/flood.h"
#include "bench/rivals.h"
#include "bench/run.h"
#include "bench/served.h"
#include "build/bench/bare.skel.h"
#include "build/bench/flood.skel.h"

#define BATCH	       64	/* frames between two flushes: what a NIC's poll takes at most */
#define ARRIVE_MS      100	/* longer than anything stays on the way */
#define LOST_MAX       0.5
#define RIVAL_PART     4	/* a router takes so many times as long for a packet, or longer */
#define UNRECORDED_MAX 0.01	/* of the flows in moving slots */

struct flood {
	const struct pace *pace;
	struct flood_bpf *ends;
	struct bare_bpf *bare;
	struct rivals rivals;
	struct served served;
	struct race race;
	unsigned int ifindex[WAYS];	/* where the generator sends to; 0: there is no such way */
	int cpus;
};

/* ---- set up ---------------------------------------------------------------------------------- */

static int program_attach(const struct bpf_program *program, const char *device)
{
	return bpf_xdp_attach(if_nametoindex(device), bpf_program__fd(program),
			      XDP_FLAGS_DRV_MODE, NULL);
}

static int sinks_attach(const struct flood *flood)
{
	static const char *const sinks[] = { "inside-end", "link-end", "bareout-end" };
	char name[IF_NAMESIZE];
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(sinks) / sizeof(sinks[0]); i++)
		err = program_attach(flood->ends->progs.sink, sinks[i]);
	for (enum rival rival = 0; !err && rival < RIVALS; rival++) {
		snprintf(name, sizeof(name), "%s-end", rival_names[rival]);
		if (flood->rivals.stands[rival])
			err = program_attach(flood->ends->progs.sink, name);
	}
	return err;
}

static void ways_find(struct flood *flood)
{
	static const enum way ways[RIVALS] = { BY_FORWARD, BY_NFT, BY_NUMGEN };
	char name[IF_NAMESIZE];

	flood->ifindex[BY_LBD] = if_nametoindex("front-gen");
	flood->ifindex[BY_BARE] = if_nametoindex("barein-gen");
	flood->ifindex[BY_DROP] = if_nametoindex("drop-gen");
	for (enum rival rival = 0; rival < RIVALS; rival++) {
		snprintf(name, sizeof(name), "%s-gen", rival_names[rival]);
		if (flood->rivals.stands[rival])
			flood->ifindex[ways[rival]] = if_nametoindex(name);
	}
}

static int ends_open(struct flood *flood)
{
	flood->ends = flood_bpf__open_and_load();
	if (!flood->ends)
		return -errno;
	ways_find(flood);
	return sinks_attach(flood);
}

/* In the edge namespace, whose devices the devmap is to know. */
static int bare_open(struct flood *flood)
{
	__u32 zero = 0, ifindex = if_nametoindex("bareout");
	int err;

	flood->bare = bare_bpf__open_and_load();
	if (!flood->bare)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(flood->bare->maps.bare_devices), &zero, &ifindex, 0))
		return -errno;
	err = program_attach(flood->bare->progs.bare, "barein");
	return err ? err : program_attach(flood->ends->progs.sink, "drop");
}

static int flood_open(struct flood *flood, const struct ground *ground, struct diag *diag)
{
	int err;

	flood->cpus = libbpf_num_possible_cpus();
	flood->served.ground = ground;
	err = rivals_open(ground, &flood->rivals, diag);
	if (!err)
		err = ends_open(flood);
	if (!err)
		err = ground_enter_edge(ground);
	if (!err) {
		err = bare_open(flood);
		ground_leave_edge(ground);
	}
	if (err)
		diag_add(diag, NULL, 0, "cannot set up the generator and the sinks: %s",
			 strerror(-err));
	return err;
}

static void flood_close(struct flood *flood)
{
	served_stop(&flood->served);
	rivals_close(&flood->rivals);
	bare_bpf__destroy(flood->bare);
	flood_bpf__destroy(flood->ends);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static uint64_t arrived_count(const struct flood *flood)
{
	uint64_t counts[flood->cpus], sum = 0;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(flood->ends->maps.arrived), &zero, counts))
		return 0;
	for (int i = 0; i < flood->cpus; i++)
		sum += counts[i];
	return sum;
}

/* What of `sent` has arrived since the count was `before`; waits for the last of them. */
static uint64_t arrived_since(const struct flood *flood, uint64_t before, uint64_t sent)
{
	const struct timespec rest = { .tv_nsec = 1000 * 1000 };
	uint64_t arrived = 0;

	for (int ms = 0; ms < ARRIVE_MS; ms++) {
		arrived = arrived_count(flood) - before;
		if (arrived >= sent)
			break;
		nanosleep(&rest, NULL);
	}
	return arrived;
}

/* Millions of packets a second that arrived, and the share of those sent that did not. */
struct passage {
	double mpps, lost;
};

static int packets_send(const struct flood *flood, const struct bpf_program *generator,
			unsigned int packets, struct passage *ret_passage)
{
	struct bench_run *run = &flood->ends->bss->run;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->frame,
		    .data_size_in = scenario_frame(flood->race.scenario, run),
		    .repeat = packets + 1, .batch_size = BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	double arrived;
	int tries = 0;

	do {
		uint64_t before = arrived_count(flood);

		run_begin(run, packets);
		if (bpf_prog_test_run_opts(bpf_program__fd(generator), &options))
			return -errno;
		arrived = (double)arrived_since(flood, before, options.repeat) / options.repeat;
	} while (run_disturbed(run, options.duration) && ++tries < RUN_RETRIES);
	*ret_passage = (struct passage){ 1000 / run_ns(run) * arrived, 1 - arrived };
	return 0;
}

static bool is_router(enum way way)
{
	return way >= BY_FORWARD;
}

/* Some frames may be lost where this process was stopped in between; if most are, what was
 * measured is not forwarding. */
static int way_run(const struct flood *flood, enum way way, unsigned int packets,
		   struct passage *ret_passage)
{
	struct passage passage = { 0 };
	int err;

	flood->ends->bss->flood_ifindex = flood->ifindex[way];
	err = packets_send(flood, flood->ends->progs.generate, packets, &passage);
	*ret_passage = passage;
	return !err && passage.lost > LOST_MAX ? -EPROTO : err;
}

/* Each flow once, so that who remembers flows knows them all, caches are warm and pools are full;
 * those who do not remember are done after a few. */
static int way_warm(const struct flood *flood, enum way way)
{
	unsigned int packets = flood->pace->packets;
	struct passage unheeded;

	if (way == BY_NFT || way == BY_NUMGEN)
		packets = flood->race.scenario->flows;
	return way_run(flood, way, packets, &unheeded);
}

static int rounds_run(struct flood *flood)
{
	struct race *race = &flood->race;
	int err = 0;

	for (enum way way = 0; !err && way < WAYS; way++)
		if (race->runs[way])
			err = way_warm(flood, way);
	for (unsigned int round = 0; !err && round < flood->pace->rounds; round++)
		for (enum way way = 0; !err && way < WAYS; way++) {
			unsigned int packets = flood->pace->packets;
			struct passage passage = { 0 };

			if (!race->runs[way])
				continue;
			err = way_run(flood, way, is_router(way) ? packets / RIVAL_PART : packets,
				      &passage);
			samples_add(&race->mpps[way], passage.mpps);
			samples_add(&race->lost[way], passage.lost);
		}
	return err;
}

/* ---- scenarios ------------------------------------------------------------------------------- */

/* Whom it makes sense to hold against lbd: nftables translates, and so does nat; what the kernel
 * forwards goes on as it is, but for MACs, and so does dsr. */
static void ways_choose(struct flood *flood, const struct scenario *scenario)
{
	bool settled = scenario->traffic == TRAFFIC_SERVICE && scenario->family == IPV4 &&
		       !scenario->moving && !scenario->services && !scenario->backends;
	bool dsr = settled && scenario->forward == CONFIG_DSR;
	bool nat = settled && scenario->forward == CONFIG_NAT &&
		   scenario->flows < flood->rivals.flows_max;
	bool runs[WAYS] = { [BY_LBD] = true, [BY_BARE] = true, [BY_DROP] = dsr,
			    [BY_FORWARD] = dsr, [BY_NFT] = nat, [BY_NUMGEN] = nat };

	flood->race = (struct race){ .scenario = scenario };
	for (enum way way = 0; way < WAYS; way++)
		flood->race.runs[way] = runs[way] && flood->ifindex[way];
}

/* Every flow of the moving slots gets its record; then one packet of each tells whether it has. */
static int flows_record(struct flood *flood, struct diag *diag)
{
	const uint32_t flows = flood->race.scenario->flows;
	struct passage passage;
	uint64_t before = 0, after = 0;
	int err;

	flood->ends->bss->run.sequence = 0; /* an even one: it begins with a SYN */
	flood->ends->bss->flood_ifindex = flood->ifindex[BY_LBD];
	err = packets_send(flood, flood->ends->progs.generate_opening, 2 * flows, &passage);
	if (!err)
		err = served_unrecorded(&flood->served, &before, diag);
	if (!err)
		err = way_run(flood, BY_LBD, flows, &passage);
	if (!err)
		err = served_unrecorded(&flood->served, &after, diag);
	if (err || (double)(after - before) <= UNRECORDED_MAX * flows)
		return err;
	diag_add(diag, NULL, 0, "of %u flows in moving slots %llu have no record", flows,
		 (unsigned long long)(after - before));
	return -ENODATA;
}

static int scenario_race(struct flood *flood, const struct scenario *scenario, struct diag *diag)
{
	bool fresh;
	int err = served_switch(&flood->served, scenario, &fresh, diag);

	if (err)
		return err;
	ways_choose(flood, scenario);
	if (scenario->zipf)
		scenario_draw(scenario, flood->ends->bss->draws);
	if (scenario->moving)
		err = flows_record(flood, diag);
	return err ? err : rounds_run(flood);
}

static int flood_measure(const struct pace *pace, const struct ground *ground,
			 struct report *report, struct diag *diag)
{
	struct flood flood = { .pace = pace };
	struct races races = { 0 };
	int err = flood_open(&flood, ground, diag);

	for (size_t i = 0; !err && i < scenario_count; i++) {
		char name[SCENARIO_NAME_MAX];

		if (!scenario_is_in(&scenarios[i], IN_MPPS, pace->extent == FULL))
			continue;
		progress("mpps", scenario_name(&scenarios[i], name));
		err = scenario_race(&flood, &scenarios[i], diag);
		if (err == -EPROTO)
			diag_add(diag, NULL, 0, "%s: most of the packets did not arrive", name);
		else if (err)
			diag_add(diag, NULL, 0, "%s: not measured: %s", name, strerror(-err));
		else
			race_figures_add(&flood.race, &races, report);
	}
	if (!err)
		room_add(flood.rivals.flows_max, report);
	flood_close(&flood);
	return err;
}

const struct part mpps_part = {
	.name = "mpps",
	.help = "packets a second over veth, through lbd",
	.pace = { [QUICK] = { 1, 20000 }, [USUAL] = { 9, 1 << 18 }, [FULL] = { 9, 1 << 19 } },
	.measure = flood_measure,
	.print = flood_print,
};
