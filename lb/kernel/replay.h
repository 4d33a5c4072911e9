/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet at a time through the real programs, by BPF_PROG_TEST_RUN, in a private copy that
 * counts nothing and sends nothing. With a config: over private tables made from it, without a
 * daemon, an interface or a route. Without: over the live tables of a pin directory. */
#ifndef LB_KERNEL_REPLAY_H
#define LB_KERNEL_REPLAY_H

#include "config/config.h"
#include "lb/model/state.h"

struct dataplane;
struct replay;

struct replay_result {
	enum lb_verdict verdict;
	enum lb_action action;
	const char *service;	/* names, valid until replay_close(); NULL: none */
	const char *backend;
	bool has_vip;
	struct addr vip;	/* the virtual address, port (host order) and protocol it was for */
	uint16_t vip_port;
	uint8_t protocol;
};

#define REPLAY_PACKET_MAX 9238	/* bytes: a jumbo frame, behind two tags */
#define REPLAY_REPLY_MAX 3520	/* through lb_reply: what a test run takes in one page */
#define REPLAY_OUT_MAX (REPLAY_PACKET_MAX + 128) /* what leaves may have headers before it */

/* Private tables from a config. Next hops that cannot be known get MAC 02:00:00:00:00:01. */
int replay_open_config(struct config *config, struct replay **ret_replay, struct diag *diag);

/* The live tables under a pin directory. */
int replay_open_pins(const char *pin, struct replay **ret_replay, struct diag *diag);

/* By which interface of the current network namespace frames come in to lb from now on; 0, as at
 * first: by one that leads to no backend. */
void replay_come_in(struct replay *replay, unsigned int ifindex);

/* The tables that it runs over, and what lb_trace says of the last frame. */
const struct dataplane *replay_dataplane(const struct replay *replay);

/* Runs one frame (layer 2) through lb, or through lb_reply. out[*ret_size] gets the frame as it
 * leaves; out has room for REPLAY_OUT_MAX bytes. Returns 0 or -errno; -ENODEV where the kernel
 * cannot make a frame come in by the interface (only one with native XDP can do that). */
int replay_run(struct replay *replay, bool reply, const void *frame, size_t size, void *out,
	       size_t *ret_size, struct replay_result *ret_result);

void replay_close(struct replay *replay); /* NULL is fine */

const char *verdict_name(enum lb_verdict verdict);	/* "REDIRECT_NAT" */
const char *verdict_text(enum lb_verdict verdict);	/* the sentence of lb_verdicts.h */
enum lb_action verdict_action(enum lb_verdict verdict);
const char *action_name(enum lb_action action);		/* "pass", "drop", "tx", "redirect" */

#endif
