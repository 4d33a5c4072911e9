/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer behind a TUN device that answers one SYN and acknowledges nothing more: what a connection
 * sends of its own accord can be seen, and when it sends it again. */
#ifndef TESTS_PROG_TUN_PEER_H
#define TESTS_PROG_TUN_PEER_H

#include <stdint.h>

#define TUN_PEER_ADDR 0x0a630002 /* 10.99.0.2; this end is 10.99.0.1 */
#define TUN_PEER_MSS  1000

struct tun_flight {
	uint32_t bytes;		/* of data, before any was sent again */
	unsigned int again_ms;	/* from the last of them until the first is sent again */
};

int tun_peer_open(void); /* the device, up, in this network namespace; -1: there can be none */

/* Connects, sends more than any window holds, and closes. 0, or -1 if nothing came in 30 s. */
int tun_peer_flight(int tun, struct tun_flight *ret_flight);

#endif
