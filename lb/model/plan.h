/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way from the actual state to the wanted one: operations in the order in which they are
 * carried out, make before break. What can fail comes first and can be taken back; what writes
 * the mapped tables cannot fail; what takes away comes after a grace in which no packet can still
 * see it. */
#ifndef LB_MODEL_PLAN_H
#define LB_MODEL_PLAN_H

#include "lb/model/state.h"

enum op_kind {
	/* make: may fail, undone in reverse */
	OP_DEVICE_ADD,		/* number: ifindex */
	OP_REPLY_ATTACH,	/* number: ifindex */
	OP_DIRECT_ADD,		/* prefix */
	OP_FRONT_ATTACH,	/* front */
	/* write: cannot fail */
	OP_SERVICE_INFO,	/* service; number: 1 if it is new */
	OP_BACKEND_ADD,		/* service, backend */
	OP_BACKEND_HOP,		/* service, backend: next hop changed, or whether it is gone */
	OP_BACKEND_RENAME,	/* service, backend */
	OP_HASH_KEYS,
	OP_REPLIES,		/* the whole table, flipped */
	OP_RING_ADD,		/* service, family: a new run of slots */
	OP_SLOTS,		/* service, family; number: owners that change; count: words */
	OP_SERVICES,		/* the whole table, flipped */
	/* break: after a grace */
	OP_RING_REMOVE,		/* number: base; count: slots */
	OP_BACKEND_REMOVE,	/* number: id */
	OP_SERVICE_REMOVE,	/* number: id */
	OP_DIRECT_REMOVE,	/* prefix */
	OP_REPLY_DETACH,	/* number: ifindex */
	OP_FRONT_DETACH,	/* front */
	OP_DEVICE_REMOVE,	/* number: ifindex */
};
#define OP_LAST_MAKE OP_FRONT_ATTACH
#define OP_LAST_WRITE OP_SERVICES

struct op {
	enum op_kind kind;
	const struct service *service;	/* of the wanted state, or of the actual for *_REMOVE */
	const struct backend *backend;	/* likewise */
	int family;
	uint32_t number, count;
	struct front *front;
	const struct prefix *prefix;
};

/* What a plan means for a service's flows. */
struct plan_service {
	const char *name;
	double share_moved;	/* of new flows, 0 to 1 */
	uint32_t slots_moved;	/* that get another owner, over its rings */
	uint32_t slots_moving;	/* that start moving */
	uint32_t slots;
	uint32_t backends_lost;	/* rows that are there now, and whose flows the plan loses */
	bool breaks;		/* its live flows are lost: see why */
	const char *why;
};

struct plan {
	struct op *ops;
	size_t op_count;
	struct plan_service *services;	/* those that change */
	size_t service_count;
};

/* What diff() reads of the tables themselves. */
struct kernel_view {
	const uint64_t *slots;		/* the words of lb_slots */
	uint32_t max_slots;
	const struct lb_backend_info *backend_info;
	uint64_t now_ms;		/* CLOCK_BOOTTIME */
};

/* Compares. Gives the wanted state its ids and runs: those of what it keeps, else free ones.
 * An id that a backend gave up rests until no record can name it any more.
 * Returns 0, or -ENOSPC with a sentence in diag where ids or slots run out. */
int diff(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	 struct plan **ret_plan, struct diag *diag);

void plan_free(struct plan *plan);

/* Whether a backend of the actual state loses its flows where `kept` (NULL: nothing) is what its
 * service becomes. */
bool backend_is_lost(const struct backend *backend, const struct service *kept);

/* Which ids' flows go on in that state. */
struct usable;
void state_usable(const struct state *state, struct usable *ret_usable);

/* One line a operation, "+ backend web/web-d 10.1.0.5:8080 by veth-d". The caller frees it. */
char *op_text(const struct op *op);

#endif
