/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What isolation's programs and the daemon share: the tables, and how a connection is judged.
 *
 * One ordered list of rules judges a connection by initiator, responder, protocol and responder's
 * port, at both ends. Programs do not walk the list. The compiler (policy/compile.h) sorts every
 * party into a class, the set of all matchers of the list that fit it, and has an answer ready for
 * each pair of classes and each port:
 *
 *	own cgroup, own netns ──> set ─┐
 *	own address ──> place ─────────┴─> class ─┐
 *	                                          ├─> cell ──> spans ──> verdict
 *	other's address ─────> place ──> class ───┘
 *
 * All tables of one compilation are a generation. There is room for two: the daemon fills the half
 * that nobody reads and then turns `current`, one 8-byte word; every program reads that word once.
 * So a packet is judged by the old list or by the new one.
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Ports and protocols are in host
 * order. */
#ifndef POLICY_ABI_H
#define POLICY_ABI_H

#include <linux/types.h>

#define POLICY_LAYOUT_VERSION	1

#define POLICY_SETS		512	/* sets of groups that an own identity can be in */
#define POLICY_CELLS_MAX	4194304	/* initiator classes times responder classes */
#define POLICY_UNIONS_MAX	4194304	/* sets times classes of addresses */
#define POLICY_SPANS_MAX	1048576
#define POLICY_PLACES_MAX	262144	/* prefixes */
#define POLICY_MEMBERS_MAX	65536	/* cgroups, and as many namespaces */
#define POLICY_PORTS_MAX	16384	/* interfaces with the backstop */
#define POLICY_LEVELS		4	/* depths of the cgroup tree at which identities stand */
#define POLICY_FLOWS		65536	/* flows without a socket of their own; LRU */
#define POLICY_SEEN		16384	/* kinds of flows that were seen, for "suggest" */
#define POLICY_RULES		4096	/* numbers of rules, those below included */

/* Rules that are no line of the list. */
#define POLICY_RULE_DEFAULT	(POLICY_RULES - 1) /* policy.default */
#define POLICY_RULE_SOCKETS	(POLICY_RULES - 2) /* entries of policy.sockets stand below it */
#define POLICY_SOCKETS_MAX	1022	/* entry i has the number POLICY_RULE_SOCKETS - i */

/* A verdict: the number of the rule, and what it does. */
enum policy_action {
	POLICY_ALLOW,
	POLICY_DENY,	/* EPERM */
	POLICY_REJECT,	/* ECONNREFUSED */
};
#define POLICY_VERDICT(rule, action, audit) \
	((__u32)(rule) | (__u32)(action) << 16 | (__u32)!!(audit) << 18)
#define POLICY_VERDICT_RULE(verdict)	((verdict) & 0xffff)
#define POLICY_VERDICT_ACTION(verdict)	((verdict) >> 16 & 3)
#define POLICY_VERDICT_AUDIT		(1U << 18)	/* it is told, and the packet passes */

/* ---- the word that turns the halves ---------------------------------------------------------- */

/* `current` is epoch << 1 | half. The epoch grows with every change, also with one inside a half
 * (a container came): what was concluded under another epoch is concluded anew. 0: no policy. */
#define POLICY_HALF(current)	((__u32)(current) & 1)

struct policy_dims {
	__u32 set_count;	/* rows of policy_unions and of policy_pairs, columns of those */
	__u32 class_count;	/* columns of policy_unions: classes that a place can name */
	__u32 columns;		/* responder classes: columns of policy_cells */
	__u32 level[POLICY_LEVELS]; /* of the cgroups in policy_cgroups, deepest first; 0 ends */
	__u32 parent_level[POLICY_LEVELS]; /* of the governed parents; 0 ends, root is none */
	__u32 netns;		/* a group is a namespace: policy_netns can have entries */
};

struct policy_settings {	/* one; mapped; written by the daemon */
	__u64 current;
	__u32 audit;		/* break-glass: whatever the verdict, it is told and passes */
	__u32 version;		/* POLICY_LAYOUT_VERSION; 0: the daemon is still making it */
	struct policy_dims dims[2];
};

/* ---- who somebody is ------------------------------------------------------------------------- */

#define POLICY_SET_NONE		0	/* in no group: not touched */
#define POLICY_SET_NEW		1	/* below a governed parent, and the daemon has not said yet
					 * who it is: judged by the strictest of all groups */

/* policy_cgroups[half]: cgroup id → set. policy_netns[half]: netns cookie → set.
 * policy_parents[half]: cgroup id of a governed parent → anything: what is below it, and in no
 * group by its cgroup, is new unless policy_cgroups says otherwise (POLICY_SET_NONE). So is
 * what stands in policy_unnamed (cgroup id → anything), wherever it is.
 * policy_pairs[half][of cgroup * set_count + of netns]: the set of somebody in both. (u16) */

/* What an address says: policy_places[half], an LPM trie. */
struct policy_key {		/* of the trie */
	__u32 prefix_len;	/* 0 to 128 */
	__u8 address[16];
};

struct policy_class {
	__u16 initiator;	/* row of policy_cells */
	__u16 responder;	/* column */
};

struct policy_place {
	__u32 class;		/* column of policy_unions; 0: an address that no matcher names */
	struct policy_class as;	/* who it is as the remote end: with the groups of that namespace */
	__u32 netns;		/* low half of the cookie of the namespace that has this address to
				 * itself; 0: none of ours */
};

/* policy_unions[half][set * class_count + place's class]: struct policy_class, who the own end is.
 * Without an address (connect of an unbound socket) the class is 0. What the own address says of
 * groups is left out: `set` knows better, also where two subjects share a namespace. An address
 * that is in no prefix is {0, 0}. */

/* ---- the answers ----------------------------------------------------------------------------- */

struct policy_cell {		/* policy_cells[half][initiator * columns + responder] */
	__u32 first;		/* in policy_spans[half] */
	__u32 count;		/* at least 1; they cover all ports of all protocols */
};

/* From `from` to the next span's: protocol << 16 | responder's port. The first of a cell has 0.
 * Protocols without ports have port 0; so has a fragment whose ports are not known. ICMPv6 is
 * judged as IPPROTO_ICMP: rules say icmp for both. */
struct policy_span {
	__u32 from;
	__u32 verdict;
};
#define POLICY_POINT(protocol, port)	((__u32)(protocol) << 16 | (port))
#define POLICY_SPAN_STEPS	20	/* of the binary search */

/* ---- sockets --------------------------------------------------------------------------------- */

#define POLICY_SOCKET_RAW	(1U << 0)
#define POLICY_SOCKET_PACKET	(1U << 1)	/* never reaches sock_create: the backstop */
#define POLICY_SOCKET_PING	(1U << 2)	/* datagrams of ICMP */
#define POLICY_SOCKET_MPTCP	(1U << 3)
#define POLICY_SOCKET_SCTP	(1U << 4)
#define POLICY_SOCKET_TCP	(1U << 5)
#define POLICY_SOCKET_UDP	(1U << 6)
#define POLICY_SOCKET_IPV4	(1U << 7)
#define POLICY_SOCKET_IPV6	(1U << 8)
#define POLICY_SOCKET_OTHER	(1U << 9)	/* udplite, dccp, l2tp, ... of the IP families */
#define POLICY_SOCKET_BITS	10

#define POLICY_BINDS		32	/* of a set */

struct policy_bind {
	__u8 address[16];	/* all zero: any */
	__u32 prefix_len;
	__u16 first, last;	/* inclusive */
};

struct policy_sockets {		/* policy_sockets[half][set] */
	__u32 deny;		/* POLICY_SOCKET_* */
	__u32 bind_count;	/* 0: any bind is allowed; port 0 (the kernel picks) always is */
	__u32 bind_verdict;	/* of a bind that none allows */
	__u32 verdict[POLICY_SOCKET_BITS]; /* by bit of `deny` */
	__u32 tcp;		/* index + 1 in policy_tcp; 0: as the system has it */
	struct policy_bind bind[POLICY_BINDS];
};

/* ---- tuning of TCP (policy/tcp.bpf.c) -------------------------------------------------------- */

#define POLICY_TCP_MAX		64

struct policy_tcp {		/* policy_tcp[half][index] */
	char congestion[16];	/* TCP_CA_NAME_MAX; "": as the system has it */
	__u32 adaptive;		/* `congestion` is picked by what the destination showed */
	__u32 initial_window;	/* segments; 0: as the system has it */
	__u32 min_rto_us;	/* 0: as the system has it */
	__u32 reserved;
	__u64 pacing;		/* bytes a second; 0: none */
};

/* ---- what programs remember ------------------------------------------------------------------ */

/* policy_socket: SK_STORAGE, BPF_F_CLONE: accepted children begin with their listener's. */
struct policy_socket {
	__u64 identified;	/* `current` under which `set` was found */
	__u64 cookie;		/* of the netns; 0: not known */
	__u64 judged;		/* `current` under which it was allowed; 0: never. One word, so that
				 * whoever writes last, no refusal is read as a permission */
	__u8 local[16], remote[16]; /* the one peer whom it was about; of TCP: of its SYN */
	__u16 local_port, remote_port;
	__u16 set;
	__u8 protocol;		/* of its packets; 0: a raw socket's, each is judged */
	__u8 direction;		/* enum policy_direction; of datagrams: RESPONDS if it was bound to
				 * a port of its own choice: it may answer whom it never heard */
	__u32 verdict;
	__u32 seen;		/* ticks; datagrams: when the flow was last looked at */
	__u32 turn;		/* datagrams: odd while the peer is being written */
	__u32 pad;
};

enum policy_direction {
	POLICY_UNKNOWN,		/* established before we were attached: either may pass it */
	POLICY_INITIATES,	/* this end began it */
	POLICY_RESPONDS,
};

/* policy_flows: LRU. Datagrams and whatever else has no connection; and for the backstop, which
 * has no sockets, TCP too. */
struct policy_flow_key {
	__u8 local[16], remote[16];
	__u32 netns;		/* low half of the cookie */
	__u16 local_port, remote_port; /* ICMP echo: the id, in both */
	__u8 protocol;
	__u8 backstop;		/* 1: kept by tc */
	__u16 pad;
};

struct policy_flow {
	__u64 judged;
	__u32 verdict;		/* and whose it is, in one word: set << POLICY_FLOW_SET. Two sets
				 * can have one address; either's verdict is nothing to the other */
	__u32 seen;		/* ticks of POLICY_TICK_SHIFT */
	__u8 direction;		/* enum policy_direction */
	__u8 pad[7];
};
#define POLICY_FLOW_SET	19	/* bits of a verdict */

#define POLICY_TICK_SHIFT	27	/* of ns: 134 ms */
#define POLICY_FLOW_TICKS	1341	/* 180 s of silence end a flow of datagrams */

/* ---- what is told ---------------------------------------------------------------------------- */

enum policy_hook {
	POLICY_HOOK_CONNECT, POLICY_HOOK_SENDMSG, POLICY_HOOK_BIND, POLICY_HOOK_SOCKET,
	POLICY_HOOK_EGRESS, POLICY_HOOK_INGRESS, POLICY_HOOK_BACKSTOP, POLICY_HOOK_CUT,
	POLICY_HOOKS,
};

struct policy_event {		/* ring buffer policy_events */
	__u64 ns;		/* CLOCK_MONOTONIC, coarse */
	__u64 cgroup;		/* id by which it was known, or of the leaf; 0: none */
	__u64 current;		/* which generation's rule numbers these are */
	__u64 untold;		/* of this rule on this CPU since the last that was told */
	__u8 local[16], remote[16];
	__u32 netns;		/* low half of the cookie; 0: not known */
	__u32 pid;		/* of the task in connect, sendmsg, bind and socket; else 0 */
	__u32 verdict;
	__u16 local_port, remote_port;
	__u16 set;
	__u8 protocol;
	__u8 direction;		/* who began it */
	__u8 hook;		/* enum policy_hook */
	__u8 passed;		/* audit: told only */
	__u16 family;		/* POLICY_HOOK_SOCKET: family << 8 | type */
	char comm[16];
};

/* policy_counts: per-CPU array, [half * POLICY_RULES + rule]. */
struct policy_count {
	__u64 allowed;		/* connections and flows, when judged first; not packets */
	__u64 refused;		/* packets, calls */
	__u64 audited;		/* the same, but they passed */
	__u64 told, untold;	/* events of the last two that were sent, or were not */
	__u64 window;		/* for the rate: ns at which it began */
	__u32 in_window;
	__u32 since_told;	/* untold since the last that was told */
};
#define POLICY_EVENTS_A_SECOND	10	/* of a rule on a CPU */

/* policy_lost: per-CPU array of one u64 for each of these. */
enum policy_loss {
	POLICY_LOST_EVENT,	/* the ring was full */
	POLICY_LOST_SOCKET,	/* no memory for what is remembered of a socket: judged each time */
	POLICY_LOST_FLOW,	/* no room for a flow: its replies may be refused */
	POLICY_LOSSES,
};

/* policy_seen: LRU, what "policy suggest" writes rules from. */
struct policy_seen_key {
	__u8 remote[16];
	__u16 set;		/* of the local end */
	__u16 port;		/* the responder's */
	__u8 protocol;
	__u8 direction;
	__u16 pad;
};
struct policy_seen {
	__u64 count;		/* flows */
	__u64 first_ns, last_ns; /* CLOCK_MONOTONIC, coarse */
	__u32 verdict;
	__u32 pad;
};

/* policy_ports[half]: what stands behind an interface of this host, for the backstop. */
struct policy_port {
	__u32 netns;		/* low half of the cookie */
	__u16 set;
	__u16 strict;		/* POLICY_SOCKET_PACKET is denied: nothing that is not its own */
	__u8 mac[6];
	__u16 pad;
};

#endif
