/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs in the kernel, known by what they are made of: whether one is ours is asked of the
 * tables that it uses, whether it is the one that we would load of its tag. Neither needs a note
 * that a crash could keep from being written. */
#ifndef LB_KERNEL_PROGRAM_H
#define LB_KERNEL_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM_MAPS_MAX 64	/* MAX_USED_MAPS of the kernel */

struct program {
	uint32_t id;
	uint8_t tag[8];		/* a hash of its instructions, whatever tables they use */
	uint32_t maps[PROGRAM_MAPS_MAX], map_count; /* ids */
};

int program_of_fd(int fd, struct program *ret_program);
int program_of_id(uint32_t id, struct program *ret_program);

/* The program of the link that is pinned there. */
int program_of_pinned_link(const char *path, struct program *ret_program);

/* Whether it uses the table that is pinned under that name in the directory. */
bool program_uses(const struct program *program, const char *pin, const char *table);

/* The same instructions over the same tables, of which the pinned one stands for all. */
bool program_is_current(const struct program *program, int fd, const char *pin, const char *table);

#endif
