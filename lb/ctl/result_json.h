/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a packet that was run came to, as explain and replay tell it to scripts: "verdict",
 * "action", "service", "backend" and "vip", the last three null where there is none. */
#ifndef LB_CTL_RESULT_JSON_H
#define LB_CTL_RESULT_JSON_H

#include <json-c/json.h>

#include "lb/kernel/replay.h"

void result_json_add(struct json_object *object, const struct replay_result *result);

#endif
