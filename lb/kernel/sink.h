/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one writer of the tables: carries out a plan, and reads back what the tables hold. */
#ifndef LB_KERNEL_SINK_H
#define LB_KERNEL_SINK_H

#include "lb/kernel/dataplane.h"
#include "lb/model/plan.h"

/* What diff() reads of these tables, now. */
struct kernel_view kernel_view_of(const struct dataplane *dataplane);

/* All or nothing: where an operation of the "make" part fails, those before it are taken back,
 * nothing has changed for any packet, and the sentence is in diag. */
int plan_apply(struct dataplane *dataplane, const struct plan *plan, const struct state *wanted,
	       struct diag *diag);

/* The actual state as tables, devices and hooks say it. Its services have no config; backends
 * are up or down only. */
int state_recover(struct dataplane *dataplane, struct state **ret_state);

/* Makes the owners say what the slots' words do: a daemon may have ended between the two stores. A
 * part of state_recover(). */
void owners_recover(struct dataplane *dataplane);

/* The same writes into tables that no program uses yet (private copies): no devices, hooks or
 * interfaces. */
int state_write_private(struct dataplane *dataplane, struct state *wanted, struct diag *diag);

#endif
