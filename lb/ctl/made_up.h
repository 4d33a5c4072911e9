/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet that `lbctl explain` makes up from its command line. */
#ifndef LB_CTL_MADE_UP_H
#define LB_CTL_MADE_UP_H

#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/diag.h"

#define MADE_UP_MAX 128

struct made_up {
	uint8_t protocol;	/* IPPROTO_TCP, _UDP, or _ICMP: an echo request of either family */
	struct addr src, dst;
	uint16_t sport, dport;	/* host order; 0 for icmp */
	uint8_t flags;		/* TCP */
	uint8_t dst_mac[6];	/* of the interface by which it comes in */
};

/* "tcp", "192.0.2.10:4000", "[2001:db8::10]:80", "SYN,ACK" (NULL: the protocol's default). Returns
 * 0, or -EINVAL with one sentence in diag. */
int made_up_parse(const char *protocol, const char *src, const char *dst, const char *flags,
		  struct made_up *ret_made_up, struct diag *diag);

/* The frame, with right checksums. Returns its bytes. */
size_t made_up_write(const struct made_up *made_up, uint8_t frame[MADE_UP_MAX]);

#endif
