/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decap on the hosts of encapsulated backends: an XDP program that takes packets out of ipip and
 * gue, and one in tc that clamps the segment size of SYN-ACKs. No daemon stands behind it: what
 * lbctl sets up stays until it is taken away. All interfaces of a pin directory share one set of
 * rules. */
#ifndef LB_KERNEL_DECAP_H
#define LB_KERNEL_DECAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/diag.h"
#include "xdp/decap_abi.h"

struct decap_rules {
	const struct prefix *sources;	/* who may encapsulate for this host; none: anybody */
	size_t source_count;
	unsigned int mss;		/* of SYN-ACKs at the most; 0: left alone */
};

struct decap_interface {
	char name[IFNAMSIZ];
	bool generic;			/* the slower XDP */
	bool mss;			/* SYN-ACKs that leave by it are clamped */
};

struct decap_view {
	struct decap_interface *interfaces;
	size_t interface_count;
	struct addr *addresses;		/* of this host: outer destinations */
	size_t address_count;
	struct prefix *sources;
	size_t source_count;
	unsigned int mss;		/* 0: none */
	uint64_t exits[DECAP_EXIT_COUNT];
};

/* Attaches decap to the interface, in place of an older one, with tables under `pin`; the rules and
 * this host's addresses of now are those of all interfaces from then on. Returns 0 or -errno with a
 * sentence in diag. */
int decap_attach(const char *pin, const char *interface, const struct decap_rules *rules,
		 bool *ret_generic, struct diag *diag);

/* Takes it away, with the tables if it was the last. -ENOENT: it is not there. */
int decap_detach(const char *pin, const char *interface, struct diag *diag);

/* What stands in this network namespace; empty where there are no tables. */
int decap_read(const char *pin, struct decap_view *ret_view, struct diag *diag);
void decap_view_clear(struct decap_view *view);

const char *decap_exit_name(enum decap_exit number);
const char *decap_exit_text(enum decap_exit number);
bool decap_exit_passes(enum decap_exit number);

#endif
