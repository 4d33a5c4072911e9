/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reference: a schedule is run on the world, and each packet is held against what its flow was
 * promised. It knows nothing of rings, slots, clocks or records: a flow that began at a backend
 * stays there until it ends, until it was silent for the idle timeout, or until that backend's
 * flows were given up (gone, switched off, taken away, its drain's time over). */
#ifndef TESTS_MODEL_PROMISE_H
#define TESTS_MODEL_PROMISE_H

#include "tests/model/schedule.h"

struct tally {
	uint64_t packets;	/* through the program */
	uint64_t judged, moved;	/* of established flows; that went elsewhere */
	uint64_t handshakes, broken; /* that ended; of which the last ACK went elsewhere */
	uint64_t slow, slow_broken; /* of these: those that took so long that a flood of SYNs may
				     * have had their place in a table that is full */
	uint64_t fresh, misplaced; /* first SYNs ever of a client; to one that takes no new flows */
	uint64_t restarts, replanned; /* that found something to do */
	uint64_t forged;	/* of the packets: those of nobody */
	char first[160];	/* what failed first, "" */
};

void schedule_run(struct world *world, const struct schedule *schedule, struct tally *ret_tally);

/* Whether a promise was broken. Handshakes, and that new flows go to those who take them, are
 * promised where the tables are ample. */
bool tally_failed(const struct tally *tally, const struct setup *setup);
void tally_add(struct tally *sum, const struct tally *tally);

#endif
