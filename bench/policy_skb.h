/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nanoseconds a packet of isolation's programs, by the kernel's own clock around each run of a BPF
 * program (BPF_ENABLE_STATS), while real sockets talk. A test run cannot do it: its socket is of no
 * protocol and forgets with each call, so no connection and no peer would be remembered. What the
 * clock itself takes is what it says of an empty program, which sees the same packets. */
#ifndef BENCH_POLICY_SKB_H
#define BENCH_POLICY_SKB_H

#include "bench/policy_load.h"

enum skb_program {
	SKB_EGRESS, SKB_INGRESS, SKB_BACKSTOP, SKB_EMPTY_OUT, SKB_EMPTY_IN, SKB_PROGRAMS
};

struct skb_watch {
	const struct policy_lab *lab;
	int programs[SKB_PROGRAMS];
	int links[2];		/* of the empty ones */
	int stats;		/* while it is open, the kernel takes the time of all programs */
};

/* The lab's programs are attached. Returns 0, or -errno with a sentence. */
int skb_watch_begin(const struct policy_lab *lab, struct skb_watch *ret_watch, struct diag *diag);
void skb_watch_end(struct skb_watch *watch);

/* What one run took while this was said, on the average; 0 for a program that did not run.
 * -EPROTO: the programs judged other packets than were to be measured. */
int skb_measure(const struct skb_watch *watch, const struct talker *talker, enum talk talk,
		unsigned int count, double ret_ns[SKB_PROGRAMS]);

#endif
