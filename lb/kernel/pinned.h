/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands under a pin and outlives the process that put it there: taken over as it is, or put
 * there for the first time. Functions return 0 or -errno. */
#ifndef LB_KERNEL_PINNED_H
#define LB_KERNEL_PINNED_H

#include "config/diag.h"

struct bpf_map;
struct bpf_program;

/* Takes the map that is pinned there, if there is one. -EPROTO with a sentence: of another shape.
 * (libbpf's own way compares map_flags too, and the kernel adds one to every devmap.) */
int pinned_map_reuse(struct bpf_map *map, const char *path, struct diag *diag);

/* Pins it, unless something is pinned there already: this very map, after the above. */
int pinned_map_keep(struct bpf_map *map, const char *path, struct diag *diag);

/* A program on its tracepoint, pinned under its name in the directory `pin`. Ours is what uses the
 * table that is pinned there as `table`; the same program goes on as it is. Another one of ours is
 * followed by this one: a moment both stand, and none is never. (A link of a tracepoint cannot
 * exchange its program.) */
int pinned_tracepoint_keep(const struct bpf_program *program, const char *pin, const char *table);

#endif
