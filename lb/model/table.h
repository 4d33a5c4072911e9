/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building one half of a collision-free table (xdp/lb_abi.h, "service and reply tables"): hash,
 * displace and compress. Pure; the sink copies the result into the half that is not live. */
#ifndef LB_MODEL_TABLE_H
#define LB_MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xdp/lb_abi.h"

struct table_half {
	uint32_t log2, seed;
	struct lb_entry *entries;	/* 1 << log2 */
	uint32_t *displacements;	/* 1 << (log2 - 1) */
	bool flat;			/* all of them are 0 */
};

/* Places every entry (key fields, id, slots; `used` is set here) of entries[count]. The half is
 * the smallest that is at most half full, so that few services stay in few cache lines.
 * Returns 0; -E2BIG for more than LB_TABLE_KEYS; -EEXIST for two equal keys; -ENOSPC where no seed
 * of a thousand places them; -ENOMEM. */
int table_build(const struct lb_entry *entries, size_t count, struct table_half *ret_half);
void table_half_clear(struct table_half *half);

/* What the data plane would find, or NULL. For tests and for recovery. */
const struct lb_entry *table_find(const struct lb_entry *entries, const uint32_t *displacements,
				  uint32_t log2, uint32_t seed, const struct lb_key *key);

#endif
