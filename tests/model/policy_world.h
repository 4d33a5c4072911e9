/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host at random: groups, rules, services, who lives there, and who might talk. Everything comes
 * from small pools, so that names, prefixes and ports meet often. */
#ifndef TESTS_MODEL_POLICY_WORLD_H
#define TESTS_MODEL_POLICY_WORLD_H

#include "policy/compile.h"

#define WORLD_GROUPS	9
#define WORLD_RULES	160
#define WORLD_SERVICES	2
#define WORLD_BACKENDS	3
#define WORLD_SUBJECTS	16
#define WORLD_ACTORS	24
#define WORLD_CIDRS	3

#define PARENT_PATH	"docker"

/* A task that opens or accepts connections. */
struct actor {
	char cgroup[64];	/* where it really is */
	uint64_t cookie;	/* of the namespace it really is in; 0: the host's */
	bool is_new;		/* below the parent, and the daemon has not heard of it */
};

struct policy_world {
	struct config config;
	struct config_policy policy;
	struct config_group groups[WORLD_GROUPS];
	struct prefix cidrs[WORLD_GROUPS][WORLD_CIDRS];
	struct config_rule rules[WORLD_RULES];
	struct config_ports rule_ports[WORLD_RULES][2];
	struct config_service services[WORLD_SERVICES];
	struct addr vips[WORLD_SERVICES][2];
	struct config_ports service_ports[WORLD_SERVICES][2];
	struct config_backend backends[WORLD_SERVICES][WORLD_BACKENDS];
	struct subjects subjects;
	struct subject list[WORLD_SUBJECTS];
	char names[WORLD_SUBJECTS][16], paths[WORLD_SUBJECTS][32];
	char *labels[WORLD_SUBJECTS][3];
	struct addr addresses[WORLD_SUBJECTS][4];
	struct actor actors[WORLD_ACTORS];
	size_t actor_count;
};

/* One flow and one of its ends. */
struct policy_flow_end {
	const struct actor *self;
	struct addr local, remote;
	uint8_t protocol;
	uint16_t port;
	bool initiates;
};

uint64_t random_next(uint64_t *state);
size_t random_below(uint64_t *state, size_t count);

void policy_world_make(struct policy_world *world, uint64_t *random);

/* A flow between two actors, or with an address that is nobody's; both of its ends, as far as they
 * are here. Returns their number. */
size_t policy_world_flow(const struct policy_world *world, uint64_t *random,
			 struct policy_flow_end ret_ends[2]);

#endif
