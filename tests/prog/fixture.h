/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground that the program tests stand on. The real programs, over private tables made from a
 * config, each loaded twice: once counting, as on a live interface, and once as a private copy
 * that tells about each packet. A packet runs through both; they must agree, and what holds for
 * every packet whatever its row says is asserted here: it counts once, an untouched one is
 * untouched, a forwarded one has checksums that are as right as they were.
 *
 * All of it lives in a network namespace of the test program alone ("the world"), with devices,
 * routes and neighbours for the replies that ask for their way. */
#ifndef TESTS_PROG_FIXTURE_H
#define TESTS_PROG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/kernel/dataplane.h"
#include "lb/kernel/replay.h"
#include "lb/model/state.h"
#include "tests/prog/packets.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the world ------------------------------------------------------------------------------ */

/* Interfaces, by ifindex. All but QUIET forward and are in lb_devices; SLIM's MTU is 1280. */
enum { FRONT = 11, BACK = 13, SLIM = 15, QUIET = 17 };

/* Clients. CLIENT is behind FRONT's router; the others are there to be replied to: by another
 * interface, over a smaller MTU, by a device that XDP cannot reach, over a neighbour that is not
 * resolved, over an unreachable route, and over none. */
#define CLIENT			((struct host){ "198.51.100.7", "2001:db8:c0::7" })
#define CLIENT_BACK		((struct host){ "198.51.101.7", "2001:db8:c1::7" })
#define CLIENT_SLIM		((struct host){ "198.51.102.7", "2001:db8:c2::7" })
#define CLIENT_QUIET		((struct host){ "198.51.103.7", "2001:db8:c3::7" })
#define CLIENT_UNRESOLVED	((struct host){ "198.51.104.7", "2001:db8:c4::7" })
#define CLIENT_UNREACHABLE	((struct host){ "198.51.105.7", "2001:db8:c5::7" })
#define CLIENT_NO_ROUTE		((struct host){ "198.51.106.7", "2001:db8:c6::7" })

/* This host, and a neighbour in its containers' network. */
#define HOST			((struct host){ "10.1.0.1", "fd00::1" })
#define NEIGHBOUR		((struct host){ "10.1.0.99", "fd00::99" })

/* Of the interfaces, and of the routers to CLIENT, CLIENT_BACK and CLIENT_SLIM. */
extern const uint8_t front_mac[6], back_mac[6], slim_mac[6];
extern const uint8_t front_router_mac[6], back_router_mac[6], slim_router_mac[6];

/* Moves this process into the world, or ends it with 77 where that cannot be. Once a program. */
void world_enter(void);

/* ---- the ground ----------------------------------------------------------------------------- */

struct ground_hop {
	const char *backend;	/* "service/backend", both families; NULL ends the list */
	unsigned int ifindex;	/* 0: the next hop is not known */
	bool remote;		/* on another host */
};

struct ground {
	struct config *config;
	struct dataplane *dataplane;
	struct state *state;
	struct lb_bpf *lb[2];		/* [0] counts, [1] is the private copy */
	struct reply_bpf *reply[2];
};

/* Tables from the text of a config. A backend that `hops` does not name is a container of this
 * host behind BACK. MACs are invented, each backend's its own. */
struct ground *ground_open(const char *config, const struct ground_hop *hops);
void ground_close(struct ground *ground); /* NULL is fine */

/* "service/backend" in one family; fails the test where there is none. */
const struct backend *ground_backend(const struct ground *ground, const char *name, bool ipv6);

enum program { LB, LB_REPLY };

struct outcome {
	enum lb_verdict verdict;
	uint32_t service, backend, slot;	/* ids; 0: none; slot ~0: none */
	char name[2 * LB_NAME_MAX];		/* "service/backend", "service" or "" */
	struct frame out;
};

/* One packet through both copies, in by `ifindex`. */
void ground_run(struct ground *ground, enum program program, unsigned int ifindex,
		const struct frame *in, struct outcome *ret_outcome);

/* Through the private copy of lb alone, in by loopback: quick, for many packets. */
void ground_trace(struct ground *ground, const struct frame *in, struct outcome *ret_outcome);

/* ---- what a row expects --------------------------------------------------------------------- */

void assert_verdict(enum lb_verdict actual, enum lb_verdict expected);
void assert_frame(const struct frame *actual, const struct frame *expected);

#endif
