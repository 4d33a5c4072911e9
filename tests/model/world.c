/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables, time and packets of world.h; the daemon's steps are in daemon.c. */
#include "tests/model/world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/ethernet.h>

#include "build/lb.skel.h"
#include "lb/kernel/sink.h"
#include "lb/model/desired.h"
#include "tests/model/daemon.h"

#define LOOPBACK 1	/* the ifindex by which test runs come in */
#define IDS_MAX 1024	/* more than a schedule can use up */

void world_fail(const char *what, const struct diag *diag)
{
	fprintf(stderr, "the world ended: %s\n", what);
	if (diag)
		diag_print(diag, stderr);
	abort();
}

/* ---- open and close ------------------------------------------------------------------------- */

static struct lb_bpf *program_load(const struct dataplane *dataplane, bool private)
{
	struct lb_bpf *lb = lb_bpf__open();

	if (!lb)
		world_fail("the program cannot be opened", NULL);
	lb->rodata->lb_private = private;
	lb->rodata->lb_test_clock = true;
	if (dataplane_share(dataplane, lb->obj) || lb_bpf__load(lb))
		world_fail("the program cannot be loaded", NULL);
	return lb;
}

struct world *world_open(void)
{
	struct world *world = calloc(1, sizeof(*world));
	_cleanup_diag_ struct diag diag = { 0 };
	struct bpf_devmap_val device = { .ifindex = LOOPBACK };

	libbpf_set_print(NULL); /* it tells of every hook that a restart does not find */
	if (!world || dataplane_open_private(1021, &world->dataplane, &diag))
		world_fail("no tables", &diag);
	world->dataplane->test_clock = &world->dataplane->settings->test_clock;
	/* state_recover() asks whether hooks are pinned here; none are. */
	world->dataplane->pin = strdup("/nonexistent");
	hash_keys_of("records", (uint64_t *)world->dataplane->settings->record_key);
	if (bpf_map_update_elem(world->dataplane->devices, &device.ifindex, &device, BPF_ANY))
		world_fail("no loopback device", NULL);
	world->lb = program_load(world->dataplane, false);
	world->probe = program_load(world->dataplane, true);
	return world;
}

static void configs_free(struct world *world)
{
	for (int i = 0; i < 1 << BACKENDS; i++) {
		config_free(world->configs[i]);
		world->configs[i] = NULL;
	}
}

int world_enter(struct world **ret_world)
{
	if (geteuid() != 0) {
		printf("skipped: running BPF programs needs root\n");
		return 77;
	}
	if (unshare(CLONE_NEWNET)) {
		printf("Bail out! no network namespace\n");
		return 1;
	}
	*ret_world = world_open();
	return 0;
}

void world_close(struct world *world)
{
	state_free(world->actual);
	configs_free(world);
	lb_bpf__destroy(world->lb);
	lb_bpf__destroy(world->probe);
	dataplane_close(world->dataplane);
	free(world);
}

/* ---- time ----------------------------------------------------------------------------------- */

void world_tick(struct world *world, uint32_t ticks)
{
	uint64_t elapsed = world->elapsed + ticks;

	__atomic_store_n(&world->elapsed, elapsed, __ATOMIC_RELEASE);
	__atomic_store_n(&world->dataplane->settings->test_clock,
			 world->setup.clock + (uint32_t)elapsed, __ATOMIC_RELEASE);
}

uint32_t world_now(const struct world *world)
{
	return world->setup.clock +
	       (uint32_t)__atomic_load_n(&world->elapsed, __ATOMIC_ACQUIRE);
}

uint64_t world_now_ms(const struct world *world)
{
	return ticks_ms(world->elapsed + 1);
}

/* ---- packets -------------------------------------------------------------------------------- */

struct __attribute__((packed)) frame {
	struct ether_header eth;
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct udphdr udp;
	};
};

static void frame_fill(struct frame *frame, const struct packet *packet)
{
	bool udp = is_udp(packet->source);

	*frame = (struct frame){
		.eth = { .ether_type = htons(ETHERTYPE_IP) },
		.ip = { .version = 4, .ihl = 5, .ttl = 64,
			.tot_len = htons(sizeof(frame->ip) + sizeof(frame->tcp)),
			.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
			.saddr = htonl(0x0b000000 | (packet->source & 0xffffff)),
			.daddr = inet_addr(VIP) },
	};
	if (udp) {
		frame->udp.source = htons(1024 + (packet->source >> 24));
		frame->udp.dest = htons(UDP_PORT);
		frame->udp.len = htons(sizeof(frame->tcp));
		return;
	}
	frame->tcp.source = htons(1024 + (packet->source >> 24));
	frame->tcp.dest = htons(TCP_PORT);
	frame->tcp.seq = htonl(packet->seq);
	frame->tcp.doff = 5;
	frame->tcp.th_flags = packet->flags;
}

static uint32_t program_run(struct lb_bpf *lb, struct frame *frame, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(*frame),
		    .data_out = out, .data_size_out = sizeof(*out), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(lb->progs.lb), &options))
		world_fail("a test run failed", NULL);
	return options.retval;
}

int world_send(struct world *world, const struct packet *packet)
{
	struct frame frame, out;

	frame_fill(&frame, packet);
	switch (program_run(world->lb, &frame, &out)) {
	case XDP_TX:
		if (out.eth.ether_dhost[4] != is_udp(packet->source))
			world_fail("a packet went to another service's backend", NULL);
		return out.eth.ether_dhost[5];
	case XDP_DROP:
		return NOBODY;
	default:
		world_fail("a packet for a service was passed", NULL);
		return NOBODY;
	}
}

int world_send_late(struct world *world, const struct packet *packet, uint64_t word)
{
	uint32_t slot = world->slots[packet->source] - world->dataplane->slots;
	uint64_t now = world->dataplane->slots[slot];
	int backend;

	slot_write(world->dataplane, slot, word);
	backend = world_send(world, packet);
	slot_write(world->dataplane, slot, now);
	return backend;
}

/* ---- a fresh start -------------------------------------------------------------------------- */

static void records_clear(const struct world *world)
{
	memset(world->dataplane->records, 0,
	       world->setup.buckets * sizeof(*world->dataplane->records));
}

static void tables_clear(struct dataplane *dataplane)
{
	for (uint32_t slot = 0; slot < dataplane->max_slots; slot++)
		slot_write(dataplane, slot, 0);
	memset(dataplane->clocks, 0, dataplane->max_slots * sizeof(*dataplane->clocks));
	memset(dataplane->backends, 0, IDS_MAX * sizeof(*dataplane->backends));
	memset(dataplane->backend_info, 0, IDS_MAX * sizeof(*dataplane->backend_info));
	memset(dataplane->service_info, 0, IDS_MAX * sizeof(*dataplane->service_info));
}

/* A private copy tells where it looked. */
static void slots_find(struct world *world)
{
	struct frame frame, out;

	for (uint32_t client = 0; client < CLIENTS; client++) {
		frame_fill(&frame, &(struct packet){ client, FLAG_ACK, 0 });
		program_run(world->probe, &frame, &out);
		world->slots[client] =
			&world->dataplane->slots[world->dataplane->trace->slot];
	}
}

void world_reset(struct world *world, const struct setup *setup)
{
	_cleanup_diag_ struct diag diag = { 0 };

	state_free(world->actual);
	configs_free(world);
	world->setup = *setup;
	world->elapsed = 0;
	tables_clear(world->dataplane);
	records_clear(world);
	world->dataplane->settings->record_mask = setup->buckets - 1;
	world_tick(world, 0);
	for (int i = 0; i < BACKENDS; i++)
		world->members[i] = (struct member){ true, true, false, CONFIG_UP, 100 };
	world->actual = daemon_desired(world, NULL);
	if (state_write_private(world->dataplane, world->actual, &diag))
		world_fail("tables cannot be written", &diag);
	world_reconcile(world); /* nothing changes; the timers are written */
	slots_find(world);
	records_clear(world); /* of what was just asked */
}
