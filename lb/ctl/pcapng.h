/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing pcapng (draft-ietf-opsawg-pcapng): one section with two Ethernet interfaces, "in" and
 * "out", times in nanoseconds, and a comment on each packet. Errors show in ferror(). */
#ifndef LB_CTL_PCAPNG_H
#define LB_CTL_PCAPNG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum pcapng_direction { PCAPNG_IN, PCAPNG_OUT };

struct pcapng_packet {
	enum pcapng_direction direction;
	uint64_t at_ns;		/* since 1970 */
	const uint8_t *frame;
	uint32_t kept, bytes;	/* in `frame`, and of the frame as it was */
	const char *comment;
};

/* `snap`: bytes that are kept of a frame at the most. */
void pcapng_begin(FILE *to, uint32_t snap, const char *program);
void pcapng_write(FILE *to, const struct pcapng_packet *packet);

#endif
