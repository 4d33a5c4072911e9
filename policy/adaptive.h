/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `congestion = "adaptive"`: what is remembered of a destination, and which congestion control its
 * next connection gets. Pure; policy/tuning.bpf.c calls it when a connection begins and ends.
 *
 * cubic takes each loss for a full queue and slows down, the more the longer the round trip; bbr
 * goes by rate and delay. So bbr is worth its greed where packets are lost but no queue stands, on
 * a path too long for cubic to recover at once; everywhere else cubic is fair and as fast:
 *
 *	bbr	while ADAPTIVE_LOSS to ADAPTIVE_LOSS_MOST of the segments are sent again, the
 *		shortest round trip is ADAPTIVE_RTT_US or more, and the smoothed one no more than
 *		ADAPTIVE_QUEUE of it
 *	cubic	otherwise, and until ADAPTIVE_SEGMENTS were seen
 *
 * Short paths stay with cubic, also where bbr would be faster by a little (1 ms and 2% in the
 * bench, part "congestion"): loss within a site is mostly a full buffer, where bbr would push the
 * others aside.
 *
 * What was chosen stays until the measure is beyond the bound by half of it: a destination near a
 * bound does not change with each connection.
 *
 * A destination is a network, IPv4 /24 or IPv6 /56, whichever namespace asks: its hosts share most
 * of the path. */
#ifndef POLICY_ADAPTIVE_H
#define POLICY_ADAPTIVE_H

#include <linux/types.h>
#include <stdbool.h>

#define ADAPTIVE_PATHS		16384	/* destinations, by the kernel's LRU */

#define ADAPTIVE_SEGMENTS	256	/* fewer say nothing */
#define ADAPTIVE_MEMORY		8192	/* segments; then what was counted is halved */
#define ADAPTIVE_LOSS		2	/* in 1,000 */
#define ADAPTIVE_LOSS_MOST	200	/* in 1,000; beyond, bbr only adds to it */
#define ADAPTIVE_RTT_US		5000
#define ADAPTIVE_QUEUE		2	/* times the shortest round trip */

struct adaptive_key {
	__u8 network[8];	/* first 64 bits of IPv6; IPv4: 0, and the address */
};

struct adaptive_path {
	__u32 sent;		/* segments with data, in connections that ended */
	__u32 again;		/* of them, sent again */
	__u32 srtt_us;		/* smoothed over connections; 0: not known */
	__u32 min_rtt_us;
	__u32 bbr;		/* what the next connection gets; else cubic */
};

/* What one connection showed. */
struct adaptive_sample {
	__u32 sent, again;
	__u32 srtt_us, min_rtt_us;
};

/* Halfway beyond each bound is still good enough for what already has bbr. */
static inline bool adaptive_wants_bbr(const struct adaptive_path *path)
{
	__u64 again = (__u64)path->again * 1000, sent = path->sent;
	__u64 srtt_us = path->srtt_us, min_us = path->min_rtt_us;

	if (sent < ADAPTIVE_SEGMENTS)
		return path->bbr;
	if (!path->bbr)
		return again >= sent * ADAPTIVE_LOSS && again <= sent * ADAPTIVE_LOSS_MOST &&
		       min_us >= ADAPTIVE_RTT_US && srtt_us <= min_us * ADAPTIVE_QUEUE;
	return again * 2 >= sent * ADAPTIVE_LOSS && again * 2 <= sent * ADAPTIVE_LOSS_MOST * 3 &&
	       min_us * 2 >= ADAPTIVE_RTT_US && srtt_us * 2 <= min_us * ADAPTIVE_QUEUE * 3;
}

/* The smoothed round trip at a connection's end may be a moment's: half of it counts. A shortest
 * one that is shorter counts at once; one that is longer (the route may have changed) by an eighth.
 */
static inline void adaptive_learn(struct adaptive_path *path, const struct adaptive_sample *sample)
{
	bool known = path->srtt_us != 0;

	path->srtt_us = known ? ((__u64)path->srtt_us + sample->srtt_us) / 2 : sample->srtt_us;
	if (!known || sample->min_rtt_us < path->min_rtt_us)
		path->min_rtt_us = sample->min_rtt_us;
	else
		path->min_rtt_us += (sample->min_rtt_us - path->min_rtt_us) / 8;
	path->sent += sample->sent;
	path->again += sample->again;
	path->bbr = adaptive_wants_bbr(path);
	while (path->sent > ADAPTIVE_MEMORY) {
		path->sent /= 2;
		path->again /= 2;
	}
}

#endif
