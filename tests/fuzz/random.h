/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance that can be had again: what a packet becomes follows from one number. The generator is
 * splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
#ifndef TESTS_FUZZ_RANDOM_H
#define TESTS_FUZZ_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 to limit - 1. */
static inline uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)((random_next(random) >> 32) * limit >> 32);
}

static inline bool random_one_in(struct random *random, uint32_t chances)
{
	return !random_below(random, chances);
}

#endif
