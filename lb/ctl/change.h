/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What plan and reload have in common: a config file on its way to the daemon, and the plan that
 * comes back. */
#ifndef LB_CTL_CHANGE_H
#define LB_CTL_CHANGE_H

#include <stdio.h>

#include "lb/ctl/ctl.h"

/* {"file","text"} of a config file under the name that the user gave it; {} for NULL, the
 * daemon's own. Returns 0 or -errno with a sentence in diag. */
int change_body(const char *file, struct json_object **ret_body, struct diag *diag);

/* The plan as people read it: operations, what they mean for each service, what would break, and
 * how many overrides stand over the config. */
void change_print(struct json_object *plan, FILE *to);

#endif
