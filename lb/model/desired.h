/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wanted state, as a pure function of what the sources say: config, overrides, the network,
 * and the ring sizes in use. */
#ifndef LB_MODEL_DESIRED_H
#define LB_MODEL_DESIRED_H

#include "lb/model/overrides.h"
#include "lb/model/state.h"

/* What the network says about one row (backend and family), found by lb/reconcile.c. */
struct row_hop {
	bool known;		/* `hop` is complete, the device can transmit */
	struct next_hop hop;
	char reason[NEXT_HOP_REASON_MAX];
};

/* What its check says; a row without a check is always up. */
struct row_health {
	bool up;
	bool unknown;		/* no check has ended yet: it is not up, and none has failed */
	char reason[NEXT_HOP_REASON_MAX];
};

/* A namespace of this host whose way to our vips leads here, and what it sends from on that way. */
struct local_client {
	unsigned int ifindex;	/* of the veth's end here */
	struct addr sources[FAMILIES];
	size_t source_count;
};

struct sources {
	struct config *config;
	const struct config_service *only; /* NULL: see desired() */
	const struct overrides *overrides;
	const struct net_view *view;
	const struct row_hop *hops;	/* rows in the order of desired_row_count() */
	const struct local_client *clients; /* in the order of ifindexes */
	size_t client_count;
	const struct row_health *health; /* likewise; NULL: nothing is checked */
	uint64_t now_ms;		/* CLOCK_BOOTTIME */
	uint64_t hash_key[LB_HASH_KEYS];
};

/* Rows are numbered over services, backends and families in the config's order. */
size_t desired_row_count(const struct config *config);
size_t service_row_count(const struct config_service *service);

/* `actual` (NULL: none) is asked for two things. The sizes of automatic rings are kept while a
 * service lives, since another size would move its flows; and a backend's clocks go on: since when
 * it drains, since when it is up.
 *
 * Where `only` is given, the sources say of all other services what they said when `actual` was
 * made of the same config: these are borrowed from it, and their rows are not read.
 * Returns 0, or -ENOMEM. */
int desired(const struct sources *sources, const struct state *actual, struct state **ret_state);

/* The keys of the flow hash, stretched from the text of tuning.hash_seed. */
void hash_keys_of(const char *seed, uint64_t ret_keys[LB_HASH_KEYS]);

#endif
