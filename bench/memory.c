/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this machine takes to fetch one cache line out of a table as large as the records, where
 * nothing can go on before it is there: the least that knowing a million flows can cost. */
#include "bench/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "config/mem.h"
#include "xdp/lb_abi.h"

#define LINES (1U << LB_BUCKETS_LOG2)

struct line {
	uint32_t next;
	uint8_t rest[sizeof(struct lb_bucket) - sizeof(uint32_t)];
};

/* One circle through all lines, in random order (Sattolo's shuffle). */
static void lines_chain(struct line *lines)
{
	uint64_t random = 1;

	for (uint32_t i = 0; i < LINES; i++)
		lines[i].next = i;
	for (uint32_t i = LINES - 1; i; i--) {
		uint32_t other, next = lines[i].next;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		other = (random >> 32) % i;
		lines[i].next = lines[other].next;
		lines[other].next = next;
	}
}

double memory_line_ns(unsigned int reads)
{
	struct line *lines = mem_must(aligned_alloc(sizeof(*lines), LINES * sizeof(*lines)));
	volatile uint32_t line = 0;
	struct timespec began, ended;

	lines_chain(lines);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned int i = 0; i < reads; i++)
		line = lines[line].next;
	clock_gettime(CLOCK_MONOTONIC, &ended);
	free(lines);
	return ((ended.tv_sec - began.tv_sec) * 1e9 + (ended.tv_nsec - began.tv_nsec)) / reads;
}
