/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this machine takes to fetch one cache line out of a table where nothing can go on before it
 * is there: the least that knowing a million flows, or a thousand rings, can cost. */
#include "bench/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "config/mem.h"

#define LINE 64
#define PAGE 4096

struct line {
	uint32_t next;
	uint8_t rest[LINE - sizeof(uint32_t)];
};

/* One circle through all lines, in random order (Sattolo's shuffle). */
static void lines_chain(struct line *lines, uint32_t count)
{
	uint64_t random = 1;

	for (uint32_t i = 0; i < count; i++)
		lines[i].next = i;
	for (uint32_t i = count - 1; i; i--) {
		uint32_t other, next = lines[i].next;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		other = (random >> 32) % i;
		lines[i].next = lines[other].next;
		lines[other].next = next;
	}
}

double memory_line_ns(size_t bytes, unsigned int reads)
{
	size_t size = (bytes + PAGE - 1) / PAGE * PAGE;
	struct line *lines = mem_must(aligned_alloc(PAGE, size));
	volatile uint32_t line = 0;
	struct timespec began, ended;

	madvise(lines, size, MADV_NOHUGEPAGE); /* a kernel without huge pages has no such advice */
	lines_chain(lines, size / LINE);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned int i = 0; i < reads; i++)
		line = lines[line].next;
	clock_gettime(CLOCK_MONOTONIC, &ended);
	free(lines);
	return ((ended.tv_sec - began.tv_sec) * 1e9 + (ended.tv_nsec - began.tv_nsec)) / reads;
}
