/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through lb while something changes: a few at a time, and the next ones when those have
 * arrived, so that no queue can overflow and what is missing was lost by the balancer. */
#ifndef BENCH_CONTROL_FLOW_H
#define BENCH_CONTROL_FLOW_H

#include "config/addr.h"
#include "config/diag.h"

struct flow_sender;

/* Starts a thread that sends to the vip until it is stopped; they are counted where they arrive,
 * on the far end of CONTROL_LINK. Every flow is sent a packet before this returns, and not one
 * may be missing. Returns 0, or -errno with a sentence. */
int flow_sender_start(const struct addr *vip, uint16_t port, struct flow_sender **ret_sender,
		      struct diag *diag);

struct flow_result {
	double sent, lost;	/* packets */
};
void flow_sender_stop(struct flow_sender *sender, struct flow_result *ret_result);

#endif
