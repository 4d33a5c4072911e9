/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk of one packet in words: what lb/kernel/explain.h found, as a list of steps in the order
 * in which the program takes them. */
#ifndef LB_CTL_EXPLAIN_STEPS_H
#define LB_CTL_EXPLAIN_STEPS_H

#include <json-c/json.h>

#include "lb/kernel/explain.h"

/* [{"step","text",...}]; the caller's to json_object_put(). */
struct json_object *explain_steps(const struct explanation *explanation,
				  const struct replay_result *result, bool reply);

#endif
