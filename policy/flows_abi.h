/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs that see flows and the daemon share.
 *
 * A flow is a connection, or the datagrams between a socket and one remote end. Each has a record
 * in flow_records, an array that the daemon maps; nothing is sent, so nothing is lost on a way:
 *
 *	socket storage ──> number of the record ──┐
 *	flow_peers (datagrams, many remote ends) ─┴─> flow_records[number]
 *
 * A record goes FREE → TAKEN → LIVE → ENDED by the programs, and back to FREE by the daemon once
 * it has read the last figures. While none is free, what is new is counted in flow_other, exactly:
 * the memory is bounded, and a daemon that stands still costs flows their rows and never a packet.
 *
 * Of TCP the kernel's own figures are read: by sock_ops when a connection ends, and by an iterator
 * over the sockets' storage whenever the daemon wants to know (a sample). So packets of TCP pay for
 * the sizes of their messages alone. Datagrams are counted as they pass.
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Ports are in host order. Times
 * are ns of CLOCK_MONOTONIC. */
#ifndef FLOWS_ABI_H
#define FLOWS_ABI_H

#include <linux/types.h>

#define FLOWS_LAYOUT_VERSION	2

#define FLOWS_DEFAULT		65536	/* records; a power of two */
#define FLOWS_MIN		1024
#define FLOWS_MAX		1048576
#define FLOW_PROBES		32	/* records that are tried before a flow is "other";
					 * the next one goes on behind them */
#define FLOW_SIZES		16	/* powers of two: [k] has sizes of 2^k to 2^(k+1) - 1
					 * bytes, the last one all that are larger; of
					 * payload, and 0 is not counted */
#define FLOW_CGROUPS		16384

enum flow_life {		/* of a record */
	FLOW_FREE,
	FLOW_TAKEN,		/* being written by the program that found it free */
	FLOW_LIVE,
	FLOW_ENDED,		/* the last figures stand in it; the daemon frees it */
	FLOW_SPENT,		/* it has, and once no program can still write to it, it is FREE */
};

enum flow_direction {
	FLOW_UNKNOWN,		/* it was there before the programs */
	FLOW_OUT,		/* this end began it */
	FLOW_IN,
};

enum flow_outcome {
	FLOW_RUNS,
	FLOW_CLOSED,		/* both ends closed it */
	FLOW_RESET,		/* the other end did */
	FLOW_ABORTED,		/* this end did: closed with data unread, SO_LINGER of 0,
				 * SOCK_DESTROY, or gave up connecting */
	FLOW_REFUSED,		/* a reset answered the SYN */
	FLOW_TIMED_OUT,
	FLOW_UNREACHABLE,	/* ICMP or no route */
	FLOW_IDLE,		/* datagrams: nothing for `idle`, or the socket was closed */
	FLOW_GONE,		/* its socket is no more, and nobody told how it ended */
	FLOW_OUTCOMES,
};

struct flow {
	/* One line of the cache: what a packet needs to find its flow, and what it counts. */
	__u64 cookie;		/* of the socket; 0: the daemon has disowned the record */
	__u8 remote[16];
	__u16 remote_port;	/* ICMP and others without ports: 0, as local_port */
	__u8 protocol;		/* IPPROTO_*, ICMPv6 as ICMP */
	__u8 state;		/* TCP: TCP_* of the kernel (1: established), as last seen */
	__u32 seen_tick;	/* datagrams: the kernel's jiffies when seen_ns was written */
	/* TCP: segments, and payload without what was sent twice, of the connection's whole life.
	 * Datagrams: datagrams, and theirs: what is behind UDP's header, or behind IP's. */
	__u64 packets_in, packets_out;
	__u64 bytes_in, bytes_out;

	__u32 life;		/* enum flow_life */
	__u32 sampled;		/* number of the last sample that met its socket */
	__u64 start_ns, end_ns; /* end 0: it lives */
	__u64 seen_ns;		/* datagrams: the last one, coarse */
	__u64 cgroup;		/* id of the socket's; 0: not known */
	__u64 netns;		/* cookie of its network namespace; 0: not known yet */
	__u8 local[16];

	__u8 vip[16];		/* which address a local client asked for; all zero:
				 * `remote` itself */
	__u16 vip_port;
	__u16 local_port;
	__u16 in_peers;		/* datagrams: flow_peers has it too */
	__u8 direction;		/* enum flow_direction */
	__u8 outcome;		/* enum flow_outcome */
	__u32 rtt_us, min_rtt_us; /* TCP: smoothed, and the least of the kernel's window; 0: none */
	__u32 retransmits;	/* TCP: segments */
	__u32 pad[7];
};

struct flow_record {
	struct flow flow;
	__u32 size_in[FLOW_SIZES], size_out[FLOW_SIZES]; /* messages; they wrap */
};

/* flow_sockets: SK_STORAGE. */
struct flow_socket {
	__u64 cookie;		/* of the socket: the record is ours while it has the same */
	__u64 cgroup, netns;	/* stamped when the socket was made, where that was seen */
	__u32 number;		/* of the record; FLOW_NONE, FLOW_IS_OTHER, FLOW_IS_OVER */
	__u32 flags;		/* FLOW_SOCKET_* */
};
#define FLOW_NONE	0xffffffffU	/* no record yet */
#define FLOW_IS_OTHER	0xfffffffeU	/* there was none for it: counted in flow_other */
#define FLOW_IS_OVER	0xfffffffdU	/* TCP: its connection has ended; it may connect again */

/* flow_peers: hash, as many as there are records, of sockets for datagrams with several remote
 * ends: flow_peer_key() → __u32 number of the record. The record itself says whose it is; in the
 * one case of 2^64 that two flows have one key, the second is "other". The remote end is an address
 * of two words as it stands in memory. */
static inline __u64 flow_peer_key(__u64 cookie, const __u64 remote[2], __u16 port, __u8 protocol)
{
	__u64 key = (cookie ^ remote[0]) * 0x9e3779b97f4a7c15ULL;

	key = ((key ^ key >> 32) + remote[1]) * 0xbf58476d1ce4e5b9ULL;
	key = ((key ^ key >> 29) + ((__u32)port << 8 | protocol)) * 0x94d049bb133111ebULL;
	return key ^ key >> 32;
}

/* flow_other: per-CPU array of one. What has no record. */
struct flow_other {
	__u64 flows;		/* sockets; of datagrams each socket once */
	__u64 packets_in, packets_out, bytes_in, bytes_out; /* of TCP when it ends */
	__u64 no_memory;	/* sockets without storage: their TCP is not counted at all */
};

/* flow_cgroups: hash, cgroup id → anything: whose flows were seen. The first flow of one is told
 * through the ring buffer flow_news, as its id (u64), so that its path is read while it is
 * there. */

struct flow_settings {		/* one; mapped; written by the daemon */
	__u32 version;		/* FLOWS_LAYOUT_VERSION; 0: the daemon is still making it */
	__u32 mask;		/* records - 1 */
	__u32 sample;		/* number of the current sample */
	__u32 untold;		/* cgroups for which flow_cgroups or flow_news had no room */
};

#endif
