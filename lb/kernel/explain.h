/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tables say about the packet that a private copy has just run, so that each step of its
 * walk can be told: the facts, no words. The words are lbctl's. */
#ifndef LB_KERNEL_EXPLAIN_H
#define LB_KERNEL_EXPLAIN_H

#include "lb/kernel/replay.h"
#include "xdp/lb_abi.h"

enum explain_found { FOUND_NOTHING, FOUND_PORT, FOUND_ANY_PORT };

struct explain_backend {
	uint32_t id;		/* 0: none */
	const char *name;	/* "": an id that nobody has any more */
	const char *state;	/* "up", … */
	bool has_device;	/* frames can be redirected to its interface */
	struct lb_backend entry; /* as it stood when it was looked at */
};

/* Names are valid until replay_close(). */
struct explanation {
	struct lb_trace trace;
	bool is_vip;		/* the packet's destination is some service's vip */
	bool vip_is_up;		/* so that echo requests are answered */
	enum explain_found found;
	bool tracks, by_source, rejects; /* of its service */
	bool has_slot;
	uint32_t slot, slots;	/* in the service's ring of this family, and how many it has */
	bool moving;		/* the slot */
	uint64_t moving_for_s;	/* since when slots of its service move; 0: not known */
	struct explain_backend owner, previous, backend;
};

void explain(const struct replay *replay, struct explanation *ret_explanation);

/* Whether the address and port are those of a backend whose replies are translated. */
bool explain_is_reply(const struct replay *replay);

/* The first interface of this network namespace on which lb of these tables stands; 0: none. */
unsigned int explain_front(const struct replay *replay);

#endif
