/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which changes break a service's live flows, and why. diff() asks for each service that stays;
 * "lbctl reload" refuses what breaks without leave. Pure. */
#ifndef LB_MODEL_BREAKS_H
#define LB_MODEL_BREAKS_H

#include "lb/model/state.h"

/* How the keys of lb_services change: by service id, 1 where it loses a virtual address and port
 * that it had, to nobody or to another service. */
struct key_changes {
	bool any;
	unsigned char loses[LB_MAX_SERVICES];
};

/* Both states have their ids and runs. Returns 0 or -ENOMEM. */
int key_changes_find(const struct state *actual, const struct state *wanted,
		     struct key_changes *ret_changes);

/* Why the live flows of `service`, which is `old` in the actual state, are lost; NULL: they are
 * not. */
const char *service_breaks(const struct state *actual, const struct state *wanted,
			   const struct service *service, const struct service *old,
			   const struct key_changes *changes);

/* Likewise where flows of slots that are `moving` would follow them, instead of staying where their
 * records say; NULL: none does. */
const char *motion_breaks(const struct service *service, const struct service *old,
			  uint32_t moving);

#endif
