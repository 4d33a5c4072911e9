/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for the program tests: a few words about a packet become all of its bytes, and a checker
 * recomputes every checksum of a frame in full. Nothing here is shared with the programs: sums
 * are plain RFC 1071, headers are written byte by byte. */
#ifndef TESTS_PROG_PACKETS_H
#define TESTS_PROG_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 9216 /* jumbo frames, in several buffers */

struct frame {
	size_t size;
	uint8_t bytes[FRAME_MAX];
};

struct host {			/* one machine, by its address in either family */
	const char *ipv4, *ipv6;
};

enum fragment { WHOLE, FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };

#define PORT_0 0x10000

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

/* Two bytes that are written over a finished frame: what no honest sender would send. */
struct patch {
	enum { PATCH_NONE, PATCH_ETHERNET, PATCH_IP, PATCH_L4 } layer;
	uint16_t offset, value;
};

struct tag {			/* VLAN; tpid 0: none */
	uint16_t tpid, tci;
};

/* A packet in a few words; what is left 0 gets its usual value. */
struct spec {
	bool ipv6;
	uint8_t protocol;	/* 0: TCP; what is neither TCP nor UDP is payload alone */
	struct host src, dst;
	uint32_t sport;		/* 0: 40000; for port 0 itself PORT_0 */
	uint16_t dport;
	uint8_t ttl;		/* 0: 64; the hop limit too */
	uint8_t tcp_flags;	/* 0: ACK */
	uint8_t tcp_options;	/* 32-bit words of no-operation */
	uint8_t ip_options;	/* IPv4: 32-bit words of no-operation */
	bool extended;		/* IPv6: an extension header of 8 bytes, of number `extension`, */
	uint8_t extension;
	uint8_t more;		/* and as many more of them */
	enum fragment fragment;
	uint16_t id;		/* of the datagram; 0: 0x1234 */
	uint16_t payload;	/* bytes */
	uint16_t word;		/* the first two bytes of the payload, where it has two */
	bool no_checksum;	/* UDP: sent without one */
	bool wrong_checksum;	/* TCP, UDP: off by one */
	struct tag tags[2];	/* the outer one first */
	uint16_t padding;	/* bytes behind the packet, as Ethernet pads short frames */
	uint8_t dst_mac[6], src_mac[6]; /* all zero: usual ones */
	struct patch patch;
};

/* The frame that the words say. */
void frame_build(const struct spec *spec, struct frame *ret_frame);

/* Whether every checksum of a plain frame (TCP, UDP or ICMP; no options, extensions or fragments)
 * is right, UDP without one over IPv4 included. */
bool frame_checksums_right(const struct frame *frame);

/* The TCP or UDP checksum of a plain frame as it stands there. */
uint16_t frame_l4_checksum(const struct frame *frame);

/* What a sender leaves to the device: the TCP or UDP checksum of a plain frame becomes the sum of
 * its pseudo-header alone; and what the device makes of it. *ret_start is the L4 header's place. */
void frame_checksum_leave(struct frame *frame, uint16_t *ret_start, uint16_t *ret_offset);
void frame_checksum_finish(struct frame *frame, uint16_t start, uint16_t offset);

/* The one's complement sum of RFC 1071 over bytes, big-endian, a last odd byte padded with 0;
 * `sum` is what it begins with. */
uint16_t internet_sum(uint16_t sum, const uint8_t *bytes, size_t size);

#endif
