/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change of backends costs: how many slots get another owner, and the daemon's time to build
 * a ring, to step its words, and to sweep over slots in motion once a second until they settle. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/table.h"
#include "config/config.h"
#include "config/mem.h"
#include "lb/kernel/settle.h"
#include "lb/model/motion.h"
#include "lb/model/ring.h"

#define WEIGHT	    100
#define IDLE_MS	    (135 * 60 * 1000)	/* the default of idle_timeout */
#define RING_LARGE  65537
#define SLOTS_LARGE 1000000
#define NAME_SIZE   16

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* ---- rings ----------------------------------------------------------------------------------- */

/* The last member has no weight: it is the one to be added. */
struct crowd {
	struct ring_member *members;
	char (*names)[NAME_SIZE];
	unsigned int backends;
	uint32_t slots;
};

static void crowd_make(struct crowd *crowd, unsigned int backends, uint32_t slots)
{
	*crowd = (struct crowd){ .backends = backends, .slots = slots };
	crowd->members = mem_array(backends + 1, sizeof(*crowd->members));
	crowd->names = mem_array(backends + 1, sizeof(*crowd->names));
	for (unsigned int i = 0; i <= backends; i++) {
		snprintf(crowd->names[i], NAME_SIZE, "b%u", i);
		crowd->members[i].name = crowd->names[i];
		crowd->members[i].weight = i < backends ? WEIGHT : 0;
	}
}

static void crowd_free(struct crowd *crowd)
{
	free(crowd->members);
	free(crowd->names);
}

/* The ring while one member has another weight, and what part of `before` is not in it. */
static int changed_share(struct crowd *crowd, size_t member, uint32_t weight,
			 const uint32_t *before, double *ret_share)
{
	uint32_t *after = mem_array(crowd->slots, sizeof(*after)), changed = 0;
	uint32_t old = crowd->members[member].weight;
	int err;

	crowd->members[member].weight = weight;
	err = ring_build(crowd->members, crowd->backends + 1, crowd->slots, after);
	crowd->members[member].weight = old;
	for (uint32_t i = 0; !err && i < crowd->slots; i++)
		changed += after[i] != before[i];
	free(after);
	*ret_share = (double)changed / crowd->slots;
	return err;
}

/* Every round removes another of the backends, and adds one of another name. */
static int crowd_measure(struct crowd *crowd, const struct pace *pace, const char *size,
			 struct report *report)
{
	struct samples removed = { 0 }, added = { 0 }, build = { 0 };
	uint32_t *ring = mem_array(crowd->slots, sizeof(*ring));
	double share = 0;
	int err = 0;

	for (unsigned int round = 0; !err && round < pace->rounds; round++) {
		size_t member = round * crowd->backends / pace->rounds;
		double began = now_ms();

		err = ring_build(crowd->members, crowd->backends + 1, crowd->slots, ring);
		samples_add(&build, now_ms() - began);
		if (!err)
			err = changed_share(crowd, member, 0, ring, &share);
		samples_add(&removed, share);
		snprintf(crowd->names[crowd->backends], NAME_SIZE, "new%u", round);
		if (!err)
			err = changed_share(crowd, crowd->backends, WEIGHT, ring, &share);
		samples_add(&added, share);
	}
	free(ring);
	report_add(report, &removed, "ratio", "motion.%s.%u.removed", size, crowd->backends);
	report_add(report, &added, "ratio", "motion.%s.%u.added", size, crowd->backends);
	report_add(report, &build, "ms", "motion.%s.%u.build", size, crowd->backends);
	return err;
}

static int rings_measure(const struct pace *pace, struct report *report)
{
	static const unsigned int backends[] = { 10, 100 };
	int err = 0;

	for (int large = 0; large < 2; large++)
		for (int i = 0; !err && i < 2; i++) {
			struct crowd crowd;

			progress("motion", large ? "large rings" : "rings");
			crowd_make(&crowd, backends[i],
				   config_ring_slots(large ? RING_LARGE : 0, backends[i]));
			err = crowd_measure(&crowd, pace, large ? "65537" : "auto", report);
			crowd_free(&crowd);
		}
	return err;
}

/* ---- words and sweeps ------------------------------------------------------------------------ */

struct sweeps {
	struct samples step, waiting, settling;
};

/* Every slot of backend 1 goes to backend 2, as in the sink. */
static double slots_step(struct dataplane *dataplane, uint32_t slots)
{
	struct usable *usable = mem_array(1, sizeof(*usable));
	double began;

	usable->id[1] = usable->id[2] = 1;
	for (uint32_t i = 0; i < slots; i++)
		slot_write(dataplane, i, LB_SLOT(1, 0, 0));
	began = now_ms();
	for (uint32_t i = 0; i < slots; i++)
		slot_write(dataplane, i, slot_step(dataplane->slots[i], 2, usable));
	free(usable);
	return now_ms() - began;
}

/* One sweep over clocks that stand where they were `silence` ticks ago. */
static double slots_sweep(struct dataplane *dataplane, const struct service *service,
			  uint32_t silence, uint32_t *ret_moving)
{
	double began;

	for (uint32_t i = 0; i < service->ring[IPV4].slots; i++)
		dataplane->clocks[i].clock = motion_now(dataplane) - silence;
	began = now_ms();
	*ret_moving = settle(dataplane, service);
	return now_ms() - began;
}

static int sweeps_measure(struct dataplane *dataplane, uint32_t slots, const struct pace *pace,
			  struct sweeps *ret_sweeps)
{
	struct service service = { .idle_timeout_ms = IDLE_MS, .ring = { { .slots = slots } } };
	const uint32_t quiet = 2 * record_life(IDLE_MS);
	uint32_t waiting, left;

	for (unsigned int round = 0; round < pace->rounds; round++) {
		samples_add(&ret_sweeps->step, slots_step(dataplane, slots));
		samples_add(&ret_sweeps->waiting, slots_sweep(dataplane, &service, 0, &waiting));
		samples_add(&ret_sweeps->settling,
			    slots_sweep(dataplane, &service, quiet, &left));
		if (waiting != slots || left)
			return -EPROTO;
	}
	return 0;
}

static int sizes_measure(struct dataplane *dataplane, const struct pace *pace,
			 struct report *report, struct diag *diag)
{
	static const struct {
		const char *name;
		uint32_t slots;
	} sizes[] = { { "65537", RING_LARGE }, { "1m", SLOTS_LARGE } };

	for (int i = 0; i < 2; i++) {
		struct sweeps sweeps = { 0 };

		progress("motion", "sweeps");
		if (sweeps_measure(dataplane, sizes[i].slots, pace, &sweeps)) {
			diag_add(diag, NULL, 0, "%u slots in motion: not all of them settled, or "
				 "some too soon", sizes[i].slots);
			return -EPROTO;
		}
		report_add(report, &sweeps.step, "ms", "motion.%s.step", sizes[i].name);
		report_add(report, &sweeps.waiting, "ms", "motion.%s.waiting", sizes[i].name);
		report_add(report, &sweeps.settling, "ms", "motion.%s.settling", sizes[i].name);
	}
	return 0;
}

static int motion_measure(const struct pace *pace, const struct ground *ground,
			  struct report *report, struct diag *diag)
{
	struct dataplane *dataplane;
	int err = rings_measure(pace, report);

	(void)ground;
	if (err) {
		diag_add(diag, NULL, 0, "a ring cannot be built");
		return err;
	}
	err = dataplane_open_private(SLOTS_LARGE, &dataplane, diag);
	if (err)
		return err;
	err = sizes_measure(dataplane, pace, report, diag);
	dataplane_close(dataplane);
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The three figures of a row, named by its stem. */
static void row_print(const struct report *report, const char *title, const char *stem,
		      const char *const words[3], const int digits[3], FILE *to)
{
	static const int widths[3] = { 23, 23, 10 };

	fprintf(to, "%-22s", title);
	for (int i = 0; i < 3; i++) {
		fputc(' ', to);
		cell_print(report_find(report, "motion.%s.%s", stem, words[i]), widths[i],
			   digits[i], to);
	}
	fputc('\n', to);
}

static void motion_print(const struct report *report, FILE *to)
{
	static const char *const rings[][2] = { { "auto.10", "10, automatic ring" },
						{ "auto.100", "100, automatic ring" },
						{ "65537.10", "10, 65,537 slots" },
						{ "65537.100", "100, 65,537 slots" } };
	static const char *const sweeps[][2] = { { "65537", "65,537" }, { "1m", "1,000,000" } };
	static const char *const of_rings[] = { "removed", "added", "build" };
	static const char *const of_sweeps[] = { "waiting", "settling", "step" };

	fprintf(to, "\n%-22s %23s %23s %10s\n", "Backends", "slots moved: 1 removed", "1 added",
		"build, ms");
	for (int i = 0; i < 4; i++)
		row_print(report, rings[i][1], rings[i][0], of_rings, (const int[]){ 4, 4, 2 }, to);
	fprintf(to, "\n%-22s %23s %23s %10s\n", "Slots in motion, ms",
		"a sweep: none is quiet", "all settle", "to move");
	for (int i = 0; i < 2; i++)
		row_print(report, sweeps[i][1], sweeps[i][0], of_sweeps,
			  (const int[]){ 2, 2, 2 }, to);
}

const struct part motion_part = {
	.name = "motion",
	.help = "what a change of backends moves, and the daemon's time for it",
	.pace = { [QUICK] = { 1, 20000 }, [USUAL] = { 13, 1 << 19 }, [FULL] = { 13, 1 << 19 } },
	.measure = motion_measure,
	.print = motion_print,
};
