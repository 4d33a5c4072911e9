/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rounds over veth gave, and the figures that are made of it (flood_figures.c). */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#include "bench/report.h"
#include "bench/scenario.h"

/* lbd; the least that forwards, and the generator with nothing behind it; and routers. */
enum way { BY_LBD, BY_BARE, BY_DROP, BY_FORWARD, BY_NFT, BY_NUMGEN, WAYS };

/* The rounds of one scenario, in which all ways take turns. */
struct race {
	const struct scenario *scenario;
	bool runs[WAYS];
	struct samples mpps[WAYS], lost[WAYS];
};

/* lbd to the bare program, of the scenarios against which others are held. */
struct races {
	struct samples one_flow, one_service;
};

void race_figures_add(const struct race *race, struct races *races, struct report *report);
void room_add(uint64_t flows_max, struct report *report); /* of connection tracking */

void flood_print(const struct report *report, FILE *to);

#endif
