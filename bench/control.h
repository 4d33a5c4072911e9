/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control part measures, for its table. */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include <stdint.h>

#include "bench/bench.h"

#define CONTROL_LOADS	  3	/* numbers of services, of CONTROL_BACKENDS each */
#define CONTROL_RINGS	  3	/* sizes, and counts of backends */
#define CONTROL_RING_NAME 16

extern const unsigned int control_loads[CONTROL_LOADS];
extern const unsigned int control_ring_backends[CONTROL_RINGS];
extern const uint32_t control_ring_slots[CONTROL_RINGS];

void control_print(const struct report *report, FILE *to);

#endif
