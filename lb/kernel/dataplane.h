/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables: made or opened, pinned, and mapped into this process. The programs that use them
 * are loaded by attach.c (live) and replay.c (private copies). */
#ifndef LB_KERNEL_DATAPLANE_H
#define LB_KERNEL_DATAPLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/diag.h"
#include "xdp/lb_abi.h"

struct bpf_object;
struct lb_bpf;
struct losses_bpf;
struct reply_bpf;

/* The tables that are mapped, by their names in maps.bpf.h. */
struct dataplane {
	struct lb_layout *layout;
	struct lb_settings *settings;
	struct lb_entry *services, *replies;
	uint64_t *services_disp, *replies_disp;
	uint64_t *slots;		/* written by slot_write() only */
	struct lb_owners *owners;
	struct lb_clock *clocks;
	struct lb_bucket *records;
	struct lb_backend *backends;
	struct lb_service_info *service_info;
	struct lb_backend_info *backend_info;
	struct lb_direct_entry *direct_list;
	struct lb_trace *trace;		/* cleared before each run: trace_clear() */

	const uint32_t *test_clock;	/* ticks; NULL: CLOCK_MONOTONIC, but for tests */

	/* fds of the others */
	int counters, verdicts, drops, devices, direct, records_lost, capture;
	int losses;
	int local_connections;		/* -1: nobody is helped, see local.h */
	uint32_t max_slots;
	char *pin;			/* NULL: private */
	struct reply_bpf *reply;	/* lb_reply, once attach.c has loaded it */
	int lock;			/* the pin directory, locked while a daemon lives; or -1 */

	struct lb_bpf *tables;		/* the skeletons that hold the maps */
	struct losses_bpf *loss_counter;
	void *maps[16];			/* what dataplane_close() unmaps, with their sizes */
	size_t map_sizes[16];
	size_t map_count;
};

/* Makes the directory, and mounts the BPF file system where it always stands if it does not. */
int pin_dir_make(const char *pin, struct diag *diag);

/* Opens the tables under `pin`, or makes and pins them, and takes the lock of the directory.
 * -EBUSY: another daemon holds it; -EPROTO: pins of another layout; -EINVAL: other max_slots;
 * each with a sentence in diag. Nothing is changed then. */
int dataplane_open(const char *pin, uint32_t max_slots, struct dataplane **ret_dataplane,
		   struct diag *diag);

/* The tables that are there, without the lock, for reading. -ENOENT: no pins. */
int dataplane_open_existing(const char *pin, struct dataplane **ret_dataplane, struct diag *diag);

/* Tables of this process alone, gone with it. */
int dataplane_open_private(uint32_t max_slots, struct dataplane **ret_dataplane,
			   struct diag *diag);

void dataplane_close(struct dataplane *dataplane); /* the pins stay; NULL is fine */

/* Makes every table of an opened, not yet loaded object be that of the dataplane. */
int dataplane_share(const struct dataplane *dataplane, struct bpf_object *object);

/* The word first: who is sent to it must find it. */
static inline void slot_write(struct dataplane *dataplane, uint32_t slot, uint64_t word)
{
	uint16_t owner = LB_SLOT_MOVING(word) ? LB_OWNER_MOVING : (uint16_t)LB_SLOT_OWNER(word);

	__atomic_store_n(&dataplane->slots[slot], word, __ATOMIC_RELEASE);
	__atomic_store_n(&dataplane->owners[slot / LB_OWNERS].owner[slot % LB_OWNERS], owner,
			 __ATOMIC_RELEASE);
}

/* What a packet reads first: the owner, or LB_OWNER_MOVING. */
static inline uint16_t slot_owner(const struct dataplane *dataplane, uint32_t slot)
{
	return dataplane->owners[slot / LB_OWNERS].owner[slot % LB_OWNERS];
}

/* Before a run of a private copy, which tells only what it finds out. */
static inline void trace_clear(struct lb_trace *trace)
{
	*trace = (struct lb_trace){ .slot = ~0U };
}

/* Counts what is lost behind a redirect (lb_losses) from now on, also while no daemon runs. May be
 * missing: -errno. */
int dataplane_count_losses(struct dataplane *dataplane, struct diag *diag);

/* Waits until every packet that is on its way now has left the programs. */
void dataplane_grace(struct dataplane *dataplane);

/* Removes every pin of the directory, and the directory, unless it has another inside. */
int dataplane_unpin(const char *pin, struct diag *diag);

#endif
