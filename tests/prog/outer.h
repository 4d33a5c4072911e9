/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What encapsulation makes of a frame, and ICMP errors, byte by byte from the RFCs' words: the
 * expectations of test_encap_frames.c, test_pmtu.c, test_mss.c and test_decap_frames.c. Nothing of
 * the programs' own. */
#ifndef TESTS_PROG_OUTER_H
#define TESTS_PROG_OUTER_H

#include "tests/prog/words.h"

#define OUTER_BACKEND	((struct host){ "10.1.0.5", "fd00::5" })
#define OUTER_SOURCE	((struct host){ "192.0.2.1", "2001:db8:2::1" })

enum { GUE_PORT = 6080 };

struct way {			/* to a backend */
	const char *name;
	bool gue, ipv6;		/* ipv6: the outer header's family */
};

enum { WAYS = 4 };
extern const struct way ways[WAYS];

/* Makes `backend` ("service/backend") one that is reached so: at OUTER_BACKEND, from OUTER_SOURCE
 * of which `spread` low bits are filled, over a path of `mtu` (0: not known). */
void way_set(const char *backend, bool ipv6, const struct way *way, uint16_t mtu, uint16_t spread);

size_t outer_size(const struct way *way);

/* Of Ethernet and its tags. */
size_t link_size(const struct frame *frame);

/* The frame `inner` in an outer packet, with the flow's hash where the hash chooses. */
void outer_build(const struct way *way, const struct frame *inner, uint32_t hash,
		 struct frame *ret_frame);

/* DSCP and ECN of a frame, and DF of an IPv4 one, with the header's checksum. */
void tos_set(struct frame *frame, uint8_t tos);
void df_clear(struct frame *frame);

/* ICMP of `words` (family, addresses, MACs, TTL, tags) with this content; IPv4 without an
 * identification. */
struct icmp_words {
	uint8_t type, code;
	uint32_t rest;
};
void icmp_build(const struct spec *words, const struct icmp_words *icmp, const uint8_t *content,
		size_t size, struct frame *ret_frame);

/* "Fragmentation needed" or "packet too big". */
struct icmp_words too_big_words(bool ipv6, uint32_t mtu);

/* Lets every CPU answer as often as it may at the most: tests are faster than the clock. */
void rations_fill(void);

/* How much an error of lb quotes at the most. */
size_t quote_most(bool ipv6);

#endif
