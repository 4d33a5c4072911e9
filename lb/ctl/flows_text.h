/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's answers about flows, for people. `reply` is what GET /v1/flows gives. */
#ifndef LB_CTL_FLOWS_TEXT_H
#define LB_CTL_FLOWS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "lb/ctl/table.h"

struct json_object;

/* One row a flow, those of most bytes first. */
void flows_print(struct json_object *reply, FILE *to);

/* How many there were, and what the answer lacks: a line each. */
void flows_sum_print(struct json_object *reply, FILE *to);

/* The second half of it alone, each line behind `before`. */
void flows_lack_print(struct json_object *reply, const char *before, FILE *to);

/* A flow that lives no more. */
bool flow_is_over(struct json_object *flow);

/* A name of up to NAME_WIDTH columns; longer ones lose their beginning: of a path its end says
 * more. */
#define NAME_WIDTH 40
void name_cell(struct table *table, const char *name);

/* "250us", "1.2ms"; nothing for what is null. */
void micros_cell(struct table *table, struct json_object *micros);

#endif
