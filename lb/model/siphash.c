/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4, written from section 2 of the paper: Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", INDOCRYPT 2012. Rings are made from these values and must be the same on all
 * hosts of a fleet, so they do not depend on the host's byte order. */
#include "lb/model/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t word, unsigned int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 = rotate_left(s->v0, 32);

	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void compress(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t size)
{
	const unsigned char *bytes = data;
	const size_t tail = size % 8;
	struct state s = {
		.v0 = key[0] ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes" */
		.v1 = key[1] ^ 0x646f72616e646f6d,
		.v2 = key[0] ^ 0x6c7967656e657261,
		.v3 = key[1] ^ 0x7465646279746573,
	};
	uint64_t last = (uint64_t)size << 56; /* modulo 256, over the bytes left */

	for (size_t at = 0; at < size - tail; at += 8) {
		uint64_t word;

		memcpy(&word, bytes + at, 8);
		compress(&s, le64toh(word));
	}
	for (size_t i = 0; i < tail; i++)
		last |= (uint64_t)bytes[size - tail + i] << (8 * i);
	compress(&s, last);

	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
