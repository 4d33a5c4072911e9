/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the programs stand: lb on the front interfaces (by libxdp, beside other XDP programs
 * where the kernel can), lb_reply in tc. An lb that uses the tables of our pin directory is ours,
 * and so is a filter with the directory's handle: a later daemon, or lbctl without one, knows them
 * again. */
#ifndef LB_KERNEL_ATTACH_H
#define LB_KERNEL_ATTACH_H

#include "lb/kernel/dataplane.h"
#include "lb/model/state.h"

/* Attaches lb, in place of an older one of ours without a gap. ret_generic: the driver has no
 * native mode, the slower generic one serves. Refuses a foreign program that leaves no room, and
 * the lb of another daemon. Returns 0 or -errno with a sentence in diag. */
int front_attach(struct dataplane *dataplane, const struct front *front, bool exclusive,
		 bool *ret_generic, struct diag *diag);
int front_detach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag);

/* Whether the program that is attached to `ifindex` now is ours (of this pin directory). */
bool front_is_ours(const struct dataplane *dataplane, unsigned int ifindex, bool *ret_generic);

/* Loads lb_reply once; the hooks share it. */
int reply_load(struct dataplane *dataplane, struct diag *diag);

/* Attaches it, or puts it in the place of an older one of ours by one exchange; leaves the same one
 * as it is. */
int reply_attach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag);
int reply_detach(struct dataplane *dataplane, unsigned int ifindex);
bool reply_is_ours(const struct dataplane *dataplane, unsigned int ifindex);

/* Takes everything away without a daemon: programs of this pin directory in the current network
 * namespace, then the pins. -ENOENT: no pins. -EBUSY: a daemon works with them. */
int unload_pins(const char *pin, struct diag *diag);

#endif
