/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policy of a random host means, sentence by sentence: the list is walked rule by rule,
 * with names, paths and lists of prefixes. Nothing here knows of classes, or of policy/ at all. */
#ifndef TESTS_MODEL_POLICY_REFERENCE_H
#define TESTS_MODEL_POLICY_REFERENCE_H

#include "tests/model/policy_world.h"

struct reference {
	const struct policy_world *world;
	bool actor_in[WORLD_ACTORS][WORLD_GROUPS];
	bool subject_in[WORLD_SUBJECTS][WORLD_GROUPS];
};

void reference_make(struct reference *reference, const struct policy_world *world);

/* The verdict at one end of a flow. */
uint32_t reference_verdict(const struct reference *reference, const struct policy_flow_end *end);

/* The same for somebody in these groups instead. */
uint32_t reference_verdict_of(const struct reference *reference, const struct policy_flow_end *end,
			      const bool groups[WORLD_GROUPS]);

/* To loopback, to an address of the own namespace, or to the very address that it comes from:
 * nobody is asked. */
bool reference_stays_inside(const struct reference *reference, const struct policy_flow_end *end);

/* 0: passes; 1, 2: told only; 3: reject; 4: deny. */
unsigned int reference_strictness(uint32_t verdict);

#endif
