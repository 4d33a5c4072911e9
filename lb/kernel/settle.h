/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots come to rest: the daemon's sweep over the clocks of what is moving. */
#ifndef LB_KERNEL_SETTLE_H
#define LB_KERNEL_SETTLE_H

#include "lb/kernel/dataplane.h"
#include "lb/model/state.h"

/* CLOCK_BOOTTIME in milliseconds: the clock of drains, slow starts and resting ids. */
uint64_t boottime_ms(void);

/* Ticks of the data plane's clock, now. */
uint32_t motion_now(const struct dataplane *dataplane);

/* Settles every slot of the service that has been quiet for longer than a record lives. Returns how
 * many are in motion then. */
uint32_t settle(struct dataplane *dataplane, const struct service *service);
uint32_t slots_moving(const struct dataplane *dataplane, const struct service *service);

/* Takes down how many slots of the service move now, and since when: in the service, and beside its
 * name in the tables, for whoever starts next. */
void motion_note(struct dataplane *dataplane, struct service *service, uint32_t moving);

/* Slots that a backend still has a part in: as owner, or as the previous of a moving one. */
struct holdings {
	uint32_t owned, previous;
};
struct holdings holdings_of(const struct dataplane *dataplane, const struct service *service,
			    const struct backend *backend);

/* Adds how many slots of the service each id owns; ret_owned has LB_MAX_BACKENDS places. One walk,
 * however many backends there are. */
void slots_owned(const struct dataplane *dataplane, const struct service *service,
		 uint32_t *ret_owned);

/* Marks the draining backends that no slot names any more: each has had its last flow. Goes by
 * service->moving. Returns whether any is new. */
bool drains_end(const struct dataplane *dataplane, struct service *service);

/* Flows that found no room in the records, over all CPUs. */
uint64_t records_lost(const struct dataplane *dataplane);

#endif
