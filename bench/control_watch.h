/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a change has reached the tables: seen in the kernel's maps as packets see them, not in
 * what lbd answers. Looks every few microseconds, from another CPU than lbd's. */
#ifndef BENCH_CONTROL_WATCH_H
#define BENCH_CONTROL_WATCH_H

#include <stdint.h>

#include "lb/kernel/dataplane.h"

double watch_now_ms(void);

/* What the ring of one service is to become. */
struct slots_wanted {
	const uint64_t *words;	/* in the map */
	uint32_t *owners;	/* ids */
	uint32_t count;
};

/* `weight` is that of the service's CONTROL_CHANGED. Returns 0, or -ENOENT if the tables do not
 * know the service or one of its backends. */
int slots_expect(const struct dataplane *tables, unsigned int service, uint32_t weight,
		 struct slots_wanted *ret_wanted);
void slots_forget(struct slots_wanted *wanted);

/* When the first and the last slot that was to change held its owner, since `began_ms`.
 * Returns 0; -EALREADY if there was nothing to change; -ETIMEDOUT. */
int slots_wait(const struct slots_wanted *wanted, double began_ms, double *ret_first_ms,
	       double *ret_last_ms);

/* When the last of so many backends had the MAC of that generation. -ETIMEDOUT. */
int hops_wait(const struct dataplane *tables, unsigned int backends, uint8_t generation,
	      double began_ms, double *ret_last_ms);

#endif
