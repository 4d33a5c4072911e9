/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots set in motion on a rig, and flows that lb remembers. */
#ifndef BENCH_RECORDED_H
#define BENCH_RECORDED_H

#include "bench/rig.h"

struct recorded {
	uint64_t in_motion;	/* flows whose slot is moving */
	uint64_t records;	/* of them: confirmed in lb_records ... */
	uint64_t unrecorded;	/* ... and those that found no room there, */
	uint64_t lru_unrecorded; /* or not in the LRU map */
};

/* Gives slots that SCENARIO_BEFORE had to their owners, as the daemon does when it is drained: as
 * many of a hundred as the scenario says. */
void slots_set_in_motion(struct rig *rig);

/* Opens every flow, through lb and through its twin, and finds out what they know of them. An error
 * where that is not what was to be measured. */
int flows_record(struct rig *rig, struct recorded *ret_recorded, struct diag *diag);

/* Forgets every record, as if the motion began now. */
int records_clear(struct rig *rig);

#endif
