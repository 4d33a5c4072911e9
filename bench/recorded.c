/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All slots in motion have the same previous backend, which owns none. So its counter tells which
 * flows are known: in a moving slot, a packet that no record speaks for goes there. */
#include "bench/recorded.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build/bench/lb_lru.skel.h"
#include "config/mem.h"
#include "lb/kernel/settle.h"
#include "lb/model/motion.h"
#include "lb/model/plan.h"

#define UNRECORDED_MAX	0.01	/* of the flows; lb_abi.h says 0.5% of a million */
#define COLLISIONS_MAX	4	/* flows that share a bucket and a tag: 0.0014 of a million */
#define DELETE_BATCH	4096	/* keys a system call */

/* ---- motion ---------------------------------------------------------------------------------- */

void slots_set_in_motion(struct rig *rig)
{
	const struct ring *ring = &rig_service(rig)->ring[rig->scenario->family];
	const uint32_t moving = rig->scenario->moving;
	struct dataplane *dataplane = rig->dataplane;
	struct usable usable;

	state_usable(rig->state, &usable);
	for (uint32_t i = ring->base; i < ring->base + ring->slots; i++) {
		uint32_t owner = LB_SLOT_OWNER(dataplane->slots[i]);
		uint64_t before = LB_SLOT(rig_before(rig)->id, 0, 0);

		/* As evenly as that many of a hundred can be. */
		if ((i - ring->base) * moving % 100 >= moving)
			continue;
		dataplane->clocks[i].clock = motion_now(dataplane);
		dataplane->clocks[i].epoch++;
		slot_write(dataplane, i, slot_step(before, owner, &usable) |
			   LB_SLOT_EPOCH_BITS(dataplane->clocks[i].epoch));
	}
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t records_count(const struct dataplane *dataplane)
{
	uint64_t count = 0;

	for (uint32_t b = 0; b <= dataplane->settings->record_mask; b++)
		for (int i = 0; i < LB_BUCKET_PLACES; i++)
			count += LB_RECORD_STATE(dataplane->records[b].entry[i]) ==
				 LB_RECORD_CONFIRMED;
	return count;
}

static int lru_clear(int map)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint64_t *keys = mem_array(DELETE_BATCH, sizeof(*keys));
	struct { uint64_t entry, rest; } *values = mem_array(DELETE_BATCH, sizeof(*values));
	uint32_t position, count;
	bool begun = false;
	int err;

	do {
		count = DELETE_BATCH;
		err = bpf_map_lookup_and_delete_batch(map, begun ? &position : NULL, &position,
						      keys, values, &count, &options);
		begun = true;
	} while (!err);
	free(values);
	free(keys);
	return err == -ENOENT ? 0 : err; /* the last batch ends so */
}

int records_clear(struct rig *rig)
{
	memset(rig->dataplane->records, 0,
	       (rig->dataplane->settings->record_mask + 1) * sizeof(struct lb_bucket));
	return lru_clear(bpf_map__fd(rig->lru->maps.lru_records));
}

/* Where one packet of every flow goes, by the service's backends. */
struct spread {
	uint64_t packets[2 * (SCENARIO_BACKENDS + 1)]; /* of both families */
	uint64_t before;	/* of them: to the previous backend, for want of a record */
};

static int spread_measure(struct rig *rig, enum subject subject, struct spread *ret_spread)
{
	const struct service *service = rig_service(rig);
	struct spread spread = { 0 };
	int err;

	for (size_t b = 0; b < service->backend_count; b++)
		spread.packets[b] = rig_packets_at(rig, &service->backends[b]);
	err = rig_pass_flows(rig, subject);
	for (size_t b = 0; b < service->backend_count; b++)
		spread.packets[b] = rig_packets_at(rig, &service->backends[b]) - spread.packets[b];
	spread.before = spread.packets[rig_before(rig) - service->backends];
	*ret_spread = spread;
	return err;
}

/* Every flow in a moving slot has a record or is known to have none; and lb and its twin send all
 * flows to the same backends, but for those. */
static bool recorded_is_right(const struct rig *rig, const struct recorded *recorded,
			      const struct spread *lb, const struct spread *lru)
{
	uint64_t known = recorded->records + recorded->unrecorded;
	uint64_t odd = recorded->unrecorded + recorded->lru_unrecorded;

	for (size_t b = 0; b < rig_service(rig)->backend_count; b++)
		if (lb->packets[b] > lru->packets[b] + odd ||
		    lru->packets[b] > lb->packets[b] + odd)
			return false;
	return recorded->in_motion && odd <= recorded->in_motion * UNRECORDED_MAX &&
	       recorded->in_motion <= known + COLLISIONS_MAX && known <= recorded->in_motion;
}

int flows_record(struct rig *rig, struct recorded *ret_recorded, struct diag *diag)
{
	struct spread untold = { 0 }, lb = { 0 }, lru = { 0 };
	char name[SCENARIO_NAME_MAX];
	struct recorded recorded;
	int err = spread_measure(rig, LB, &untold);

	if (!err)
		err = rig_open_flows(rig, LB);
	if (!err)
		err = rig_open_flows(rig, LRU);
	if (!err)
		err = spread_measure(rig, LB, &lb);
	if (!err)
		err = spread_measure(rig, LRU, &lru);
	if (err)
		return err;
	recorded = (struct recorded){ .in_motion = untold.before,
				      .records = records_count(rig->dataplane),
				      .unrecorded = lb.before,
				      .lru_unrecorded = lru.before };
	*ret_recorded = recorded;
	if (recorded_is_right(rig, &recorded, &lb, &lru))
		return 0;
	diag_add(diag, NULL, 0, "%s: of %llu flows in moving slots %llu have a record, %llu none "
		 "in the buckets and %llu none in the LRU map, or the two disagree",
		 scenario_name(rig->scenario, name), (unsigned long long)recorded.in_motion,
		 (unsigned long long)recorded.records, (unsigned long long)recorded.unrecorded,
		 (unsigned long long)recorded.lru_unrecorded);
	return -EPROTO;
}
