/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One checked connection, long or brief, and the tally of all. */
#ifndef TESTS_NET_FLOW_H
#define TESTS_NET_FLOW_H

#include "tests/net/pattern/pattern.h"

#define SERVERS	    256
#define STALL_NS    1000000000ULL
#define GAP_NS	    200000000ULL
#define STALLS_TOLD 64
#define GAPS_TOLD   1024
#define BRIEF_BYTES 256

enum flow_state { FLOW_OVER, FLOW_CONNECTING, FLOW_OPENING, FLOW_OPEN };

struct flow {
	int fd;
	uint32_t stream;
	enum flow_state state;
	bool brief;		/* says BRIEF_BYTES, hears them, and is done */
	unsigned char server;	/* the id that it was greeted with */
	uint64_t begun_ns;
	uint64_t sent, received;
	uint64_t waiting_ns;	/* since when nothing came although bytes are owed; 0: none are */
};

struct span {
	uint64_t begin_ns, end_ns;
	unsigned char server;
};

struct tally {
	uint64_t opened, not_opened, resets, closed, wrong_bytes, bytes;
	uint64_t flows_of[SERVERS], lost_of[SERVERS];
	uint64_t longest_stall_ns, stalls;	/* a stall: STALL_NS without progress */
	struct span stall[STALLS_TOLD];
	/* Times in which some flow stood still, or this program, merged. */
	struct span gap[GAPS_TOLD];
	size_t gaps;
	uint64_t briefs, briefs_failed, briefs_late, briefs_reset, longest_brief_ns;
	uint64_t briefs_of[SERVERS];
};

/* `from` without a size: the kernel's choice. */
int flow_open(struct flow *flow, int epoll, const struct address *from, const struct address *to,
	      struct tally *tally);

/* It is connected, something has come, or it is over. */
void flow_event(struct flow *flow, int epoll, struct tally *tally);

/* Sends so many more bytes, unless many are on their way already. */
void flow_send(struct flow *flow, size_t size, struct tally *tally);

/* Ends a brief one that takes too long. */
void flow_expire(struct flow *flow, struct tally *tally);

/* A flow or the program itself stood still. */
void tally_gap(struct tally *tally, uint64_t begin_ns, uint64_t end_ns);
void tally_stall(struct tally *tally, const struct flow *flow, uint64_t now);

#endif
