/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real thing, for the model tests: the program lb by BPF_PROG_TEST_RUN over private tables,
 * and the daemon's own steps (desired(), diff(), plan_apply(), settle(), state_recover()) over the
 * same tables. Nothing is imitated but the network, the operator and the clock: backends stand
 * behind the loopback device by which test runs come in, each known by its MAC; what the world
 * and the operator say of a backend is a struct member; and time passes when told to.
 *
 * A world that cannot go on ends the test program: nothing here fails in normal work. */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "xdp/lb_abi.h"

#define BACKENDS 6
#define TCP_CLIENTS 200
#define CLIENTS 240		/* those from TCP_CLIENTS on speak UDP */
#define NOBODY BACKENDS		/* in place of a backend: the packet was dropped */
#define SLOW_BACKEND 3		/* it starts slowly */
#define BACKUP_BACKEND 5	/* it serves when no other can */
#define DRAIN_TICKS(backend) ((backend) % 2 ? 40 : 400) /* how long its drain lasts */

struct setup {			/* what a schedule begins with */
	uint32_t ring;		/* slots of a service's ring */
	uint32_t idle;		/* ticks of silence that are promised to a live flow */
	uint32_t buckets;	/* of the record table: a power of two */
	uint32_t clock;		/* ticks */
};

struct member {
	bool present;		/* in the config */
	bool has_hop;		/* its container, link and neighbour are there */
	bool ill;		/* its check fails */
	enum config_state admin;
	uint32_t weight;
};

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };

struct packet {
	uint32_t source;	/* who sends, with an address and a port of its own; from CLIENTS on
				 * nobody's */
	uint8_t flags;
	uint32_t seq;
};

struct world {
	struct member members[BACKENDS];	/* edited by the test, then world_reconcile() */
	struct setup setup;
	uint64_t elapsed;			/* ticks since the schedule began */
	struct dataplane *dataplane;
	struct lb_bpf *lb, *probe;		/* the program; a private copy that tells slots */
	struct state *actual;
	uint64_t *slots[CLIENTS];		/* where the clients' flows are in lb_slots */
	struct config *configs[1 << BACKENDS];	/* by which members are present */
};

static inline bool is_udp(uint32_t source)
{
	return source >= TCP_CLIENTS && source < CLIENTS;
}

struct world *world_open(void);

/* The same in a network namespace with nothing but loopback in it: a restart looks at every
 * interface. Returns 0, or the status that main() is to end with. */
int world_enter(struct world **ret_world);
void world_close(struct world *world);

/* Fresh tables and six healthy backends of weight 100. */
void world_reset(struct world *world, const struct setup *setup);

/* ---- time ----------------------------------------------------------------------------------- */

void world_tick(struct world *world, uint32_t ticks);
uint32_t world_now(const struct world *world);		/* ticks */
uint64_t world_now_ms(const struct world *world);	/* the daemon's CLOCK_BOOTTIME */

static inline uint64_t ticks_ms(uint64_t ticks)
{
	return (ticks << LB_TICK_SHIFT) / 1000000;
}

/* ---- packets: from any thread --------------------------------------------------------------- */

/* Runs one packet through the program; the backend that it was sent to, or NOBODY. */
int world_send(struct world *world, const struct packet *packet);

/* A packet on another CPU, that read the word of its slot before others and the daemon were at
 * work, and acts on it now. A client's; not beside other threads. */
int world_send_late(struct world *world, const struct packet *packet, uint64_t word);

/* ---- the daemon ----------------------------------------------------------------------------- */

/* What lbd does when something changed. Returns the number of operations in its plan. */
size_t world_reconcile(struct world *world);

/* What lbd does once a second: slots settle, drains end. */
void world_second(struct world *world);

/* kill -9 and a new start. Returns the number of operations in its plan: 0, as nothing changed. */
size_t world_restart(struct world *world);

#endif
