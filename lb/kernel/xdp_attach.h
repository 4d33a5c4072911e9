/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One XDP program of ours on one interface, lb or decap: put there beside others or alone, known
 * again, exchanged for a newer one, taken away. */
#ifndef LB_KERNEL_XDP_ATTACH_H
#define LB_KERNEL_XDP_ATTACH_H

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"

struct bpf_object;

struct xdp_kind {
	const char *program;	/* its name */
	const char *pin, *table; /* who uses the table that is pinned there is ours */
	const char *rival;	/* a sentence about one of that name that is not ours */
	/* Opens the object, with its tables those of the pins; xdp_attach() closes it. NULL and
	 * errno: it cannot be had. */
	struct bpf_object *(*open)(const void *context);
	const void *context;
};

struct xdp_place {
	unsigned int ifindex;
	const char *name;
	enum config_mode mode;
	bool exclusive;		/* without libxdp's dispatcher */
};

/* Attaches it, in place of an older one of ours without a gap. ret_generic: the driver has no
 * native mode, the slower generic one serves. Refuses a foreign program that leaves no room, and
 * one of that name that is not ours. Returns 0 or -errno with a sentence in diag. */
int xdp_attach(const struct xdp_kind *kind, const struct xdp_place *place, bool *ret_generic,
	       struct diag *diag);
int xdp_detach(const struct xdp_kind *kind, unsigned int ifindex, struct diag *diag);

/* Whether ours stands there; ret_generic may be NULL. */
bool xdp_is_ours(const struct xdp_kind *kind, unsigned int ifindex, bool *ret_generic);

#endif
