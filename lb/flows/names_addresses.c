/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose an address is. First comes what the runtime says now; then what was learned, for containers
 * without a runtime; last what the runtime said of one that is gone, whose flows are still told. */
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/flows/names_private.h"

#define LEARNED_MAX 65536	/* addresses; a container can give itself as many as it likes */

struct told_address {
	struct addr addr;
	struct known_container *container;
	bool now;		/* by the last list */
};

struct learned_address {
	struct addr addr;
	uint64_t netns, cgroup;
	uint64_t start_ns;	/* of its last flow in that namespace */
	bool answers;		/* that cgroup had a flow that came in */
};

static uint64_t address_hash(const struct flow_names *names, const struct addr *addr)
{
	return names_hash(names, addr, sizeof(*addr));
}

/* ---- told ------------------------------------------------------------------------------------ */

static bool told_has_address(const void *item, const void *key)
{
	return addr_equal(&((const struct told_address *)item)->addr, key);
}

static struct told_address *told_find(const struct flow_names *names, const struct addr *addr)
{
	return hash_find(&names->told, address_hash(names, addr), told_has_address, addr);
}

void names_addresses_begin(struct flow_names *names)
{
	struct told_address *told;

	for (size_t at = 0; (told = hash_next(&names->told, &at));)
		told->now = false;
}

/* Of two that have it now, on networks that do not meet, the first one stays. */
void names_address_told(struct flow_names *names, const struct addr *addr,
			struct known_container *container)
{
	struct told_address *told = told_find(names, addr);

	if (told && told->now)
		return;
	if (!told) {
		told = mem_array(1, sizeof(*told));
		told->addr = *addr;
		hash_add(&names->told, address_hash(names, addr), told);
	}
	told->container = container;
	told->now = true;
}

void names_addresses_forget_container(struct flow_names *names,
				      const struct known_container *container)
{
	struct told_address **gone = mem_array(names->told.count, sizeof(struct told_address *));
	struct told_address *told;
	size_t count = 0;

	for (size_t at = 0; (told = hash_next(&names->told, &at));)
		if (told->container == container)
			gone[count++] = told;
	for (size_t i = 0; i < count; i++) {
		hash_remove(&names->told, address_hash(names, &gone[i]->addr), gone[i]);
		free(gone[i]);
	}
	free(gone);
}

/* ---- learned --------------------------------------------------------------------------------- */

static bool learned_has_address(const void *item, const void *key)
{
	return addr_equal(&((const struct learned_address *)item)->addr, key);
}

static struct learned_address *learned_find(const struct flow_names *names,
					    const struct addr *addr)
{
	return hash_find(&names->learned, address_hash(names, addr), learned_has_address, addr);
}

/* Those of this cgroup; those of all that are not known, where `unknown`. */
static void learned_forget(struct flow_names *names, uint64_t cgroup, bool unknown)
{
	struct learned_address **gone =
		mem_array(names->learned.count, sizeof(struct learned_address *));
	struct learned_address *learned;
	size_t count = 0;

	for (size_t at = 0; (learned = hash_next(&names->learned, &at));)
		if (learned->cgroup == cgroup ||
		    (unknown && !names_cgroup_find(names, learned->cgroup)))
			gone[count++] = learned;
	for (size_t i = 0; i < count; i++) {
		hash_remove(&names->learned, address_hash(names, &gone[i]->addr), gone[i]);
		free(gone[i]);
	}
	free(gone);
	names->learned_full = names->learned.count >= LEARNED_MAX;
}

/* Room for one more, if need be by forgetting those of nobody: that is looked for once only, until
 * a cgroup is forgotten. */
static bool learned_has_room(struct flow_names *names)
{
	if (names->learned.count >= LEARNED_MAX && !names->learned_full)
		learned_forget(names, 0, true);
	return names->learned.count < LEARNED_MAX;
}

void names_addresses_forget_cgroup(struct flow_names *names, uint64_t cgroup)
{
	if (names->learned.count)
		learned_forget(names, cgroup, false);
	names->learned_full = false;
}

/* Loopback, multicast, broadcast and no address at all are nobody's. */
static bool is_of_one(const struct addr *addr)
{
	static const unsigned char none[15];
	const unsigned char *byte = addr->byte;

	if (addr_is_ipv4(addr))
		return byte[12] != 0 && byte[12] != 127 && byte[12] < 224;
	return byte[0] != 0xff && memcmp(byte, none, sizeof(none)) != 0;
}

/* In another namespace the address is a new owner's: the last one that had it counts. In the same
 * one several share it, of whom the first stays, but for one who answers there. */
static bool takes_over(const struct flow_names *names, const struct learned_address *learned,
		       const struct flow *flow)
{
	if (learned->netns != flow->netns)
		return flow->start_ns >= learned->start_ns;
	if (learned->cgroup == flow->cgroup)
		return false;
	return !names_cgroup_find(names, learned->cgroup) ||
	       (!learned->answers && flow_names_direction(flow) == FLOW_IN);
}

void flow_names_learn(struct flow_names *names, const struct flow *flow, uint64_t host_netns)
{
	const struct addr local = addr_from_ipv6(flow->local);
	struct learned_address *learned;

	if (!flow->cgroup || !flow->netns || flow->netns == host_netns || !is_of_one(&local) ||
	    names_is_vip(names, &local))
		return;
	learned = learned_find(names, &local);
	if (!learned) {
		if (!learned_has_room(names))
			return;
		learned = mem_array(1, sizeof(*learned));
		*learned = (struct learned_address){ .addr = local, .netns = flow->netns,
						     .cgroup = flow->cgroup };
		hash_add(&names->learned, address_hash(names, &local), learned);
	} else if (takes_over(names, learned, flow)) {
		*learned = (struct learned_address){ .addr = local, .netns = flow->netns,
						     .cgroup = flow->cgroup };
	}
	if (learned->netns != flow->netns)
		return;
	if (flow->start_ns > learned->start_ns)
		learned->start_ns = flow->start_ns;
	learned->answers |= learned->cgroup == flow->cgroup &&
			    flow_names_direction(flow) == FLOW_IN;
}

/* ---- both ------------------------------------------------------------------------------------ */

bool names_address_owner(const struct flow_names *names, const struct addr *addr,
			 char ret_name[FLOW_NAME_MAX], bool *ret_seen)
{
	const struct told_address *told = told_find(names, addr);
	const struct learned_address *learned =
		told && told->now ? NULL : learned_find(names, addr);
	const struct known_cgroup *cgroup =
		learned ? names_cgroup_find(names, learned->cgroup) : NULL;
	struct flow_owner owner;

	if (cgroup) {
		names_owner_of_cgroup(cgroup, &owner);
		names_copy(ret_name, owner.name);
		*ret_seen = true;
		return true;
	}
	if (!told || (!told->now && !told->container->cgroups))
		return false;
	names_copy(ret_name, told->container->name);
	*ret_seen = told->container->cgroups > 0;
	return true;
}

void names_addresses_clear(struct flow_names *names)
{
	struct learned_address *learned;
	struct told_address *told;

	for (size_t at = 0; (told = hash_next(&names->told, &at));)
		free(told);
	for (size_t at = 0; (learned = hash_next(&names->learned, &at));)
		free(learned);
	hash_clear(&names->told);
	hash_clear(&names->learned);
}
