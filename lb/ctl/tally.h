/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service's rows of backends, added up: for lbctl show and lbctl top. */
#ifndef LB_CTL_TALLY_H
#define LB_CTL_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct tally {
	size_t backends, up;	/* by name: up are those with every address up */
	uint64_t packets, bytes;
};

/* A backend with two addresses is two rows, one behind the other. */
struct tally tally_rows(struct json_object *rows);
bool tally_is_up(struct json_object *row);

#endif
