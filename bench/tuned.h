/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup of the bench's own whose sockets policy_tcp_ops tunes, as those of a group are. It is
 * removed with tuned_unmake(); who entered it must be gone by then. */
#ifndef BENCH_TUNED_H
#define BENCH_TUNED_H

#include "config/diag.h"
#include "policy/policy_abi.h"

struct tuning_bpf;

struct tuned {
	struct tuning_bpf *programs;
	char cgroup[64];	/* "": there is none */
};

/* 0, or -errno with a sentence. */
int tuned_make(const struct policy_tcp *tuning, struct tuned *ret_tuned, struct diag *diag);
void tuned_unmake(struct tuned *tuned);

int tuned_enter(const struct tuned *tuned); /* this process; 0 or -errno */

#endif
