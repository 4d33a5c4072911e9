/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of the tests with real sockets: a process in a network namespace of its own and in
 * no group, at the other end of the test's veth. It has an address of each party, echoes datagrams
 * and streams at every port that the tests use, and begins what it is told to. */
#ifndef TESTS_PROG_POLICY_PEER_H
#define TESTS_PROG_POLICY_PEER_H

#include <stdbool.h>
#include <stdint.h>

#define CONTAINER_IPV4	"192.0.2.7"
#define CONTAINER_IPV6	"2001:db8:1::7"

/* Moves the test into a namespace of its own with a veth to the peer, "container"; the peer's end
 * gets the tc program behind `backstop_fd`. Returns that end's ifindex; fails the test. */
unsigned int peer_open(int backstop_fd);
void peer_close(void);

/* The peer sends "ping" from its address for others (8.8.8.8 and its like) to this port of the
 * container; whether it comes back within half a second. */
bool peer_asks(bool ipv6, bool tcp, uint16_t port);

/* Of the container's end of the veth. */
extern uint8_t container_mac[6], peer_mac[6];

/* Frames of no protocol of IP's that came out of the veth's other end, behind the backstop. */
uint64_t peer_frames(void);

#endif
