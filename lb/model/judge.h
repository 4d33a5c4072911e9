/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What state a backend is in, why, and what share of new flows it may have. Called by desired()
 * for every row, then once for each family of a service. Pure: what went before comes in as the
 * row of the actual state. */
#ifndef LB_MODEL_JUDGE_H
#define LB_MODEL_JUDGE_H

#include "lb/model/desired.h"

/* All that a row is judged by. */
struct row_facts {
	const struct config_service *service;
	const struct config_backend *backend;
	enum config_state admin;	 /* configured or overridden */
	const struct row_hop *hop;
	const struct row_health *health; /* NULL: not checked */
	const struct backend *before;	 /* the same identity in the actual state, or NULL */
	uint64_t now_ms;		 /* CLOCK_BOOTTIME */
};

/* Fills state, reason, next hop, effective weight and clocks of a row whose `weight` is set and
 * whose other fields are zero. Returns when time alone changes the verdict; 0: never. */
uint64_t backend_judge(struct backend *row, const struct row_facts *facts);

/* What the rows of a family are to each other: backups, and min_up. */
void service_judge(struct service *service, const struct config_service *config, int family);

#endif
