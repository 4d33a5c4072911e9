/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through policy_egress, policy_ingress and policy_backstop by test runs, of a container
 * in FRONT with the address OWN. Functions fail the test. */
#ifndef TESTS_PROG_POLICY_FRAMES_H
#define TESTS_PROG_POLICY_FRAMES_H

#include "tests/prog/packets.h"
#include "tests/prog/policy_world.h"

#define OWN		((struct host){ "10.1.0.7", "fd00::7" })
#define OTHER_HOST	((struct host){ "8.8.8.8", "2001:4860::8" })
#define OWN_NETNS	4711 /* low half of a cookie */

/* Whose programs they go through: the test's, from its beginning to its end. */
extern struct policy_world *world;
/* Open, with these rules in force, and OWN a place of OWN_NETNS. */
void frames_world_open(const struct rule *rules, size_t count);
int frames_world_down(void **state);

enum hook { EGRESS, INGRESS, BACKSTOP };

bool frame_passes(enum hook hook, unsigned int ifindex, const struct frame *frame);
bool spec_passes(enum hook hook, const struct spec *spec);
/* What leaves is OWN's, what comes is for it. */
struct spec spec_of(enum hook hook, bool ipv6, struct host remote, uint8_t protocol,
		    uint16_t local_port, uint16_t remote_port);

extern const uint8_t own_mac[6];
/* The backstop's. */
void port_set(bool strict, uint32_t netns);

/* Nothing is remembered nor counted, and half 0 is in use. */
void world_reset(void);
void count_expect(uint32_t rule, uint64_t allowed, uint64_t refused, uint64_t audited);

#endif
