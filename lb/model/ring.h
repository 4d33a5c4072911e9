/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring: which member owns which slot. Maglev hashing (Eisenbud et al., NSDI 2016, section
 * 3.4) with true weights: shares follow the weights at every length of the fill, not only in its
 * first round. A pure function of names, weights and size: balancers that have the same config
 * have the same ring. */
#ifndef LB_MODEL_RING_H
#define LB_MODEL_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring_member {
	const char *name;	/* unique in the ring */
	uint32_t weight;	/* 0: owns nothing; the sum may be anything */
};

#define RING_NOBODY UINT32_MAX

/* Fills owners[slots] with indexes of members, or with RING_NOBODY throughout where no weight is
 * above 0. `slots` is a prime. The order of the members does not matter.
 * Returns 0; -EINVAL for slots that are no prime, or fewer than the members with weight; -ENOMEM.
 * On failure owners is untouched. */
int ring_build(const struct ring_member *members, size_t count, uint32_t slots, uint32_t *owners);

#endif
