/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backends' neighbours in the edge namespace. They are permanent, as a fabric's controller or
 * an administrator would set them: the kernel counts others against gc_thresh3, 1,024 by default,
 * which no network namespace can raise. */
#ifndef BENCH_CONTROL_NEIGHBOURS_H
#define BENCH_CONTROL_NEIGHBOURS_H

#include <stdint.h>

#include "bench/ground.h"

/* Gives the first `count` backends the MACs of that generation. Returns 0 or -errno. */
int neighbours_set(const struct ground *ground, unsigned int count, uint8_t generation);
int neighbours_clear(const struct ground *ground, unsigned int count);

/* What neighbours_set() gives the backend of that address (its last four bytes). */
void neighbour_mac(uint8_t generation, const uint8_t *ipv4, uint8_t ret_mac[6]);

#endif
