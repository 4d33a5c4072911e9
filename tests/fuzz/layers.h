/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame's layers, read by the RFCs and as the kernel reads them, with nothing of the programs'
 * own. What makes a packet malformed at the layers that are parsed is decided here alone. */
#ifndef TESTS_FUZZ_LAYERS_H
#define TESTS_FUZZ_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/prog/packets.h"

enum part { PART_WHOLE, PART_FIRST, PART_LATER };

/* Places are offsets from the frame's start. */
struct layers {
	size_t ip, l4, end;	/* end: of the IP packet, as its header says */
	size_t size;		/* of the frame */
	bool ipv6;
	uint8_t protocol;	/* of l4, behind all extensions */
	enum part part;
	uint32_t offset, id;	/* of a fragment; id as it stands in the frame, big-endian */
	bool more;
};

/* NULL, or a sentence that says what is malformed. As much is filled as could be read: `ip` and
 * `l4` are 0 where there is no such layer. */
const char *layers_read(const struct frame *frame, struct layers *ret_layers);

/* The IP packet that an ICMP error quotes. `l4` is 0 unless it has 8 bytes of TCP or UDP, and
 * `end` is where the quoting packet ends. */
void quote_read(const struct frame *frame, const struct layers *layers, struct layers *ret_quote);

/* TCP or UDP with its header here, not in another fragment. */
bool layers_have_ports(const struct layers *layers);
bool layers_are_icmp_error(const struct frame *frame, const struct layers *layers);

/* Where the checksum of TCP, UDP or ICMP stands; 0: the packet ends before, as a quoted one may. */
size_t l4_checksum_place(const struct layers *layers);

/* The one's complement sums that are 0 where a checksum is right; else by how much it is wrong.
 * Of the IPv4 header, and of TCP, UDP or ICMP with the pseudo-header where one belongs to it. */
uint16_t ip_error(const struct frame *frame, const struct layers *layers);
uint16_t l4_error(const struct frame *frame, const struct layers *layers);

/* Makes every checksum right that stands in the frame, those of a quoted packet first. */
void checksums_fix(struct frame *frame);

uint16_t word_at(const struct frame *frame, size_t at);
void word_put(struct frame *frame, size_t at, uint16_t value);

#endif
