/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs beside those that judge, over the same tables: what tunes a group's TCP (tuning.bpf.c),
 * and what sees a container's cgroup being made (newborn.bpf.c). Without them isolation is whole,
 * so that a kernel that refuses one is a warning. Functions return 0 or -errno with a sentence. */
#ifndef POLICY_COMPANIONS_H
#define POLICY_COMPANIONS_H

#include "policy/kernel.h"
#include "policy/tuning_abi.h"

struct policy_companions;

int policy_companions_open(struct policy_kernel *kernel, struct policy_companions **ret_companions);
void policy_companions_close(struct policy_companions *companions); /* all goes on; NULL is fine */

/* The tuning on exactly these cgroups; none: it is taken away. */
int policy_tuning_attach(struct policy_companions *companions, const char *const *cgroups,
			 size_t count, struct diag *diag);

/* Containers' cgroups are new from the moment they are made, from now on. */
int policy_newborn_attach(struct policy_companions *companions, struct diag *diag);

/* So are these, which were made before. */
void policy_newborn_add(struct policy_companions *companions, const uint64_t *cgroups,
			size_t count);

/* Sums over CPUs, by enum policy_tuned; all zero without tuning. */
void policy_tuning_counts(const struct policy_companions *companions,
			  uint64_t ret_counts[POLICY_TUNED]);

#endif
