/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bench's programs and bench itself share: one run, as a global of the programs. The
 * packets of a run have one header, of which each flow changes the source address and port, and
 * where there are several services the last 16 bits of the vip. */
#ifndef BENCH_BENCH_ABI_H
#define BENCH_BENCH_ABI_H

#include <linux/types.h>

#define BENCH_FRAME_MAX 1514

#define BENCH_DRAWS	(1 << 20)	/* flows drawn before a run, to come in that order */
#define BENCH_SIZES	12		/* packets until the sizes of a mix begin again */

/* Sums of 16-bit words as they stand in memory, without what the flows change. */
struct bench_sums {
	__u32 ip, tcp;
};

/* One packet of a mix: bytes of the frame, and of the IPv4 packet in it. */
struct bench_size {
	__u16 frame;
	__be16 packet;
};

struct bench_run {
	__u8 frame[BENCH_FRAME_MAX];	/* what a packet starts from */
	__u8 syn[BENCH_FRAME_MAX];	/* the SYN before it, where flows are opened */
	__u8 ipv6;
	__u8 varies;			/* flows differ; else the frame is written as it stands */
	__u8 renews;			/* a flow that comes again does so from another port */
	__u8 wrap;			/* bytes that the program puts before each packet */
	__u8 drawn;			/* flows come as they were drawn, not each in its turn */
	__u8 mixed;			/* frames of several sizes; live frames of IPv4 only */
	__u16 vip;			/* of the first service, in its last 16 bits */
	__u32 services;			/* each flow belongs to one of them */
	struct bench_sums frame_sums, syn_sums;
	struct bench_size sizes[BENCH_SIZES];
	__u32 flow_mask;		/* flows - 1; flows are a power of two, 2^20 at most */
	__u64 sequence;			/* of the next packet; runs on over all runs */
	__u64 first, last;		/* of this run: when they pass, the clock is read */
	__u64 began_ns, ended_ns;
};

enum bench_target { BENCH_LB, BENCH_LRU, BENCH_BARE, BENCH_EMPTY, BENCH_TARGETS };

#define BENCH_LRU_ENTRIES (5 << 18) /* of the LRU map: room for 2^20 flows and a quarter more */

/* The TCP measurements' containers: 10.64.N.2, with these MACs on both ends of their veths, the
 * last byte being N. */
#define BENCH_BARE_NET	    0x0a40
#define BENCH_BARE_MAX	    8
#define BENCH_MAC_EDGE	    "\x02\x00\x00\x00\x00"
#define BENCH_MAC_CONTAINER "\x02\x00\x00\x00\x01"

#endif
