/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame in one line, as far as the balancer looks into it: addresses, ports, flags; tags,
 * encapsulation and what an ICMP error quotes. Shared by lbctl explain and lbctl capture. */
#ifndef LB_CTL_FRAME_TEXT_H
#define LB_CTL_FRAME_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* "192.0.2.10:4000 > 203.0.113.10:80 tcp SYN"; the caller frees it. NULL: out of memory. */
char *frame_text(const uint8_t *frame, size_t size);

/* "02:00:00:00:00:01 > 02:00:00:00:00:02" */
#define LINK_TEXT_MAX 39
const char *link_text(const uint8_t *frame, char text[LINK_TEXT_MAX]);

#endif
