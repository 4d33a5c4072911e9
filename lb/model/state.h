/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's tables say, or should say, as one value. desired() makes the wanted state,
 * state_recover() (lb/kernel) reads the actual one, diff() compares them and gives the wanted one
 * the ids of what it keeps; once its plan is applied, it is the actual state. */
#ifndef LB_MODEL_STATE_H
#define LB_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "lb/watch/nexthop.h"
#include "xdp/lb_abi.h"

enum { IPV4, IPV6, FAMILIES };

enum backend_state { BACKEND_UP, BACKEND_DOWN, BACKEND_DRAIN, BACKEND_OFF };

/* What a backend is to a flow. Another identity is another id. Ports in host order. */
struct identity {
	struct addr address;
	struct addr vip;	/* NAT: the vip of its family, else zero */
	uint16_t port;		/* NAT: 0 keeps the packet's */
	uint16_t vip_port;	/* NAT with a port: the service's, else 0 */
	enum lb_forward forward;
};

struct backend {		/* one row for each family of a backend's addresses */
	char name[LB_NAME_MAX];
	struct identity identity;
	int family;		/* of its address */
	bool serves[FAMILIES];	/* the vips of: its own, both where it is encapsulated alone */
	struct prefix encap_source; /* ipip, gue: what outer packets come from */
	uint32_t id;		/* 0: not given yet */
	enum backend_state state;
	char reason[NEXT_HOP_REASON_MAX]; /* why it is not up; "" */
	uint32_t weight;	/* configured or overridden */
	uint32_t effective_weight; /* in the rings, at the most: 0 unless it is up */
	uint32_t ring_weight[FAMILIES]; /* in each */
	bool override;		/* an override stands on it */
	bool backup;		/* used when no other can */
	bool drained;		/* it drains, and no slot has a part for it any more */
	bool gone;		/* its flows are lost: next hop lost, off, or drained to the end */
	uint64_t drain_since_ms, up_since_ms; /* CLOCK_BOOTTIME; 0: not draining, not up */
	bool has_hop;		/* `hop` is complete */
	struct next_hop hop;
};

struct ring {
	uint32_t slots;		/* 0: the service has no ring of this family */
	uint32_t base;		/* the first of its slots in lb_slots; given by diff() */
	uint32_t *owners;	/* wanted: indexes of the service's backends, or RING_NOBODY */
};

struct vip_key {
	struct addr vip;
	uint16_t port;		/* 0: any */
	bool range;		/* from a range: an exact port of another service goes before it */
};

struct service {
	char name[LB_NAME_MAX];
	uint32_t id;
	uint8_t protocol;	/* IPPROTO_TCP or IPPROTO_UDP */
	enum config_forward forward;
	bool track;		/* records for all packets */
	bool by_source;		/* the slot follows from the source address alone */
	uint16_t mss;		/* what SYNs are clamped to; 0: not */
	bool reject;		/* while it is down, clients are told so */
	uint32_t moving;	/* slots in motion when last looked at */
	uint64_t moving_since_ms; /* CLOCK_BOOTTIME at which this began; 0: none is moving */
	bool up;		/* it takes new flows, in each family of its vips */
	bool up_in[FAMILIES];	/* in this one, which it has vips of */
	char reason[NEXT_HOP_REASON_MAX]; /* why it is down; "" */
	uint64_t idle_timeout_ms;
	struct vip_key *keys;	/* vips times ports */
	size_t key_count;
	struct backend *backends;
	size_t backend_count;
	struct ring ring[FAMILIES];
	const struct config_service *config; /* of the state's config; NULL after a recovery */
	bool borrowed;		/* wanted: the same as in the actual state, at the same place there;
				 * keys, backends and owners are that one's */
};

struct front {
	char name[IFNAMSIZ];
	unsigned int ifindex;
	enum config_mode mode;	/* as configured */
	bool generic;		/* as attached */
};

struct state {
	struct service *services;
	size_t service_count;
	struct service **by_name;	/* the services in the order of names; NULL: not indexed */
	struct front *fronts;		/* configured interfaces that are there */
	size_t front_count;
	unsigned int *devices;		/* ifindexes that can be redirected to; ascending */
	size_t device_count;
	unsigned int *reply_hooks;	/* ifindexes that lb_reply stands on; ascending */
	size_t reply_hook_count;
	struct prefix *direct;		/* what replies reach untranslated; ascending */
	size_t direct_count;
	uint64_t hash_key[LB_HASH_KEYS];
	uint64_t next_ms;		/* CLOCK_BOOTTIME at which time changes it; 0: never */
	struct config *config;		/* borrowed */
};

void state_free(struct state *state); /* NULL is fine */

/* Once all services are there: state_service() need not look at each of them any more. Returns 0
 * or -ENOMEM. */
int state_index(struct state *state);

/* What the wanted state borrowed is its own from now on: the actual one is about to be freed. */
void state_adopt(struct state *wanted, struct state *actual);

bool identity_equal(const struct identity *a, const struct identity *b);
bool identity_is_encapsulated(const struct identity *identity);
struct service *state_service(const struct state *state, const char *name);

/* The backend that is the same one to a flow: of equal identity. It is looked for at its old place
 * first. NULL: none, or no service. */
const struct backend *service_backend_same(const struct service *service,
					   const struct backend *backend, size_t place);
struct backend *service_backend(const struct service *service, const char *name, int family);

/* The folded one's complement sum of ~old and new over addresses (and, where both are set, the
 * ports): what lb_backend.csum_addr and .csum_l4 hold. */
uint16_t identity_csum_addr(const struct identity *identity);
uint16_t identity_csum_l4(const struct identity *identity);

/* The id that the wanted ring gives a slot to (LB_NOBODY: none), once ids are given. */
uint32_t service_slot_owner(const struct service *service, int family, uint32_t slot);

/* The slots of all rings that it is in. */
uint32_t backend_ring_slots(const struct service *service, const struct backend *backend);

const char *backend_state_name(enum backend_state state);
enum config_forward forward_config(enum lb_forward forward);
int addr_family(const struct addr *addr); /* IPV4 or IPV6 */

#endif
