/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids and runs of slots for a wanted state; for diff(), which says what is kept. */
#ifndef LB_MODEL_IDS_H
#define LB_MODEL_IDS_H

#include "lb/model/plan.h"

/* Both return 0, -ENOMEM, or -ENOSPC with a sentence in diag. Borrowed services have theirs. */
int ids_give(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	     struct diag *diag);
int runs_give(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	      struct diag *diag);

#endif
