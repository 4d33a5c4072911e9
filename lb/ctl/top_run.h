/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl top while it runs: answers, keys and signals in turn, until one of them ends it. */
#ifndef LB_CTL_TOP_RUN_H
#define LB_CTL_TOP_RUN_H

#include "lb/ctl/top_poll.h"
#include "lb/ctl/top_screen.h"

/* `top` has an answer already. Takes the terminal over, and gives it back in any case. Returns 0,
 * or -errno with sentences. */
int top_run(const struct client *client, struct top *top, struct top_look *look, struct diag *diag);

#endif
