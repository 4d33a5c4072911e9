/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a network sends: well-formed frames of every kind that the programs know, to and from the
 * services of the ground that stands here too, and their mutations. */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

#include "tests/fuzz/random.h"
#include "tests/prog/fixture.h"

struct packet_in {
	enum program program;
	unsigned int ifindex;
	struct frame frame;
};

struct ground *seeds_ground_open(void);

/* A well-formed one. */
void seed_make(struct random *random, struct packet_in *ret_packet);

/* One to four changes that no honest sender makes; afterwards, in half of all cases, the checksums
 * are right again, so that it is not they that give the packet away. */
void packet_mutate(struct random *random, struct packet_in *packet);

#endif
