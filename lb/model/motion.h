/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a slot's word becomes: the daemon's half of slots in motion. Pure; the data plane's half is
 * xdp/slot.bpf.h and xdp/record.bpf.h.
 *
 * A settled slot belongs to its owner and nothing is remembered. When it gets a new owner while
 * the old one is usable, it is moving: flows that began before stay with `previous`, those that
 * began since are known by their records. A backend is usable until its flows are lost (gone,
 * switched off, drained to the end); a failed check does not make it unusable. */
#ifndef LB_MODEL_MOTION_H
#define LB_MODEL_MOTION_H

#include <stdbool.h>
#include <stdint.h>

#include "xdp/lb_abi.h"

/* By backend id: 1 where its flows go on. */
struct usable {
	unsigned char id[LB_MAX_BACKENDS]; /* [LB_NOBODY] is 0 */
};

/* The word of a slot that shall belong to `owner` (LB_NOBODY: to no one).
 *
 * A previous that is gone becomes nobody, and the slot stays moving: flows that began since are
 * known only by their records. A slot that is moving already keeps its previous, for that is where
 * packets without a record belong; if that is nobody by then, the old owner is its heir. The epoch
 * stays: whoever writes the word of a slot that starts to move gives it a new one. */
static inline uint64_t slot_step(uint64_t word, uint32_t owner, const struct usable *usable)
{
	uint32_t old = LB_SLOT_OWNER(word), previous = LB_SLOT_PREVIOUS(word);
	bool moving = LB_SLOT_MOVING(word);

	if (!usable->id[previous])
		previous = LB_NOBODY;
	if (owner != old && usable->id[old]) {
		if (!moving || previous == LB_NOBODY)
			previous = old;
		moving = true;
	}
	return LB_SLOT(owner, previous, moving) | LB_SLOT_EPOCH_BITS(LB_SLOT_EPOCH(word));
}

/* Ticks of a promise in milliseconds, rounded up. */
static inline uint32_t ticks_of(uint64_t ms)
{
	return (ms * 1000000 + (1ULL << LB_TICK_SHIFT) - 1) >> LB_TICK_SHIFT;
}

/* A record outlives the longest silence that is promised, and a slot settles only after the last
 * record that names another than the owner must have died. */
static inline uint32_t record_life(uint64_t idle_timeout_ms)
{
	return ticks_of(idle_timeout_ms) + LB_MARGIN_TICKS;
}

/* A timeout that gives this life, so that an unchanged config is an empty plan. */
static inline uint64_t idle_timeout_of(uint32_t life)
{
	return ((uint64_t)(life - LB_MARGIN_TICKS) << LB_TICK_SHIFT) / 1000000;
}

/* The clock may be ahead: a packet can stamp it after `now` was read. */
static inline bool slot_is_quiet(uint32_t clock, uint32_t now, uint64_t idle_timeout_ms)
{
	int32_t silence = (int32_t)(now - clock);

	return silence > (int32_t)(record_life(idle_timeout_ms) + LB_MARGIN_TICKS);
}

#endif
