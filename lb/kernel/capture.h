/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Captures: packets as they came and as they left, told by the programs (xdp/capture.bpf.h) over
 * the pins of any daemon, or of none that runs. One at a time; while it is open, poll it at least
 * every second, for the programs stop telling a few seconds after they heard from us last. */
#ifndef LB_KERNEL_CAPTURE_H
#define LB_KERNEL_CAPTURE_H

#include <stdint.h>

#include "config/diag.h"
#include "xdp/lb_abi.h"

struct capture;

/* Both halves of one packet; valid while the function runs. `left` has the verdict and the ids. */
struct capture_packet {
	const struct lb_captured *came, *left;
	const uint8_t *came_bytes, *left_bytes;	/* came->kept, left->kept */
};

typedef void capture_function(const struct capture_packet *packet, void *arg);

/* Starts one: about one packet in `sample` (1 to 65535), its first `snap` bytes (at most
 * LB_CAPTURE_SNAP_MAX). -EBUSY: somebody captures already; -ENOENT: no pins. */
int capture_open(const char *pin, uint32_t sample, uint32_t snap, capture_function *function,
		 void *arg, struct capture **ret_capture, struct diag *diag);

/* Waits for packets, calls the function for each. Returns 0, -EINTR where a signal came, or another
 * -errno with a sentence in diag. */
int capture_poll(struct capture *capture, int timeout_ms, struct diag *diag);

/* Switches it off, and hands out what is still under way. */
void capture_stop(struct capture *capture);

/* Halves of packets that found no room in a buffer. */
uint64_t capture_lost(const struct capture *capture);

/* Names of ids, as they are now; NULL: nobody has it. */
const char *capture_service(const struct capture *capture, uint32_t id);
const char *capture_backend(const struct capture *capture, uint32_t id);

void capture_close(struct capture *capture); /* stops it, too; NULL is fine */

#endif
