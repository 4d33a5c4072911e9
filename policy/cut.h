/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live connections that the rules in force now refuse are ended where they stand: TCP, and UDP
 * sockets that are connected. An unconnected UDP socket may serve others too and is never touched;
 * its packets are judged one by one. */
#ifndef POLICY_CUT_H
#define POLICY_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "policy/compile.h"
#include "policy/kernel.h"

struct policy_cut {
	size_t namespaces;	/* looked into */
	size_t missed;		/* that could not be: gone, or not allowed */
	size_t judged;		/* live connections there, of whomever */
	size_t cut;		/* refused, and ended */
	size_t kept;		/* refused, but the kernel did not end them */
};

/* Looks into the network namespace of every subject (by its name or path, else by the processes of
 * its cgroup) and into our own, and judges with policy_decide(). Which end began a connection is
 * what the programs remember of the socket; of one that is older than they are, the end whose port
 * somebody listens on responds. Verdicts that are only audited cut nothing, and with break-glass
 * nothing is done at all. `tell` (NULL: nobody) hears of each that is cut, with POLICY_HOOK_CUT.
 * Returns 0 also where namespaces were missed; -EOPNOTSUPP: this kernel cannot end sockets. */
int policy_cut(const struct policy_kernel *kernel, const struct policy_tables *tables,
	       const struct subjects *subjects, policy_event_function *tell, void *context,
	       struct policy_cut *ret_cut, struct diag *diag);

#endif
