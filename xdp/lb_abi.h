/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that the programs and the daemon share: keys, values, limits, and the version of their
 * layout. Included by both sides, never mirrored. Whoever changes a struct here changes
 * LB_LAYOUT_VERSION: pinned tables of another version are refused, not guessed at.
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d: one key for both families.
 * Fields of type __be16 are in network order, all other integers in the host's. */
#ifndef XDP_LB_ABI_H
#define XDP_LB_ABI_H

#include <linux/types.h>

#include "lb_verdicts.h"

#define LB_LAYOUT_VERSION	5

#define LB_MAX_SERVICES		4096	/* ids 1 to 4095 */
#define LB_MAX_BACKENDS		32768	/* ids 1 to 32767; one backend has one id a family */
#define LB_MAX_DEVICES		4096	/* interfaces that can be redirected to */
#define LB_MAX_DIRECT		65536	/* prefixes that replies reach untranslated */
#define LB_NAME_MAX		64	/* bytes of a name, with the final NUL */
#define LB_NOBODY		0	/* the backend id of an empty slot */

union lb_addr {
	__u8 byte[16];
	__u32 word[4];
	__u64 quad[2];
};

/* ---- the settings: one element, mapped by the daemon --------------------------------------- */

/* Which half of a table is live, and how to look into it: one word, so that one aligned store
 * turns every reader from one complete table to the next. */
#define LB_TABLE_HALF(word)	((word) & 1)
#define LB_TABLE_MASK(word)	((__u32)(word) >> 16)	/* entries in use in that half, less one */
#define LB_TABLE_FLAG		(1ULL << 6)		/* see the two words below */
#define LB_TABLE_FLAT		(1ULL << 7)		/* no displacement but 0 */
#define LB_TABLE_SEED(word)	((__u32)((word) >> 32))
#define LB_TABLE_WORD(half, mask, flags, seed)                                                    \
	((__u64)(half) | (flags) | ((__u64)(mask) << 16) | ((__u64)(seed) << 32))

#define LB_HASH_KEYS 11 /* one more than the 32-bit words of a flow */

struct lb_settings {
	__u64 services;	/* word of lb_services; flag: some service takes any port */
	__u64 replies;	/* word of lb_replies; flag: some backend behind NAT is on another host */
	__u64 capture;	/* LB_CAPTURE_WORD; 0: nobody captures. Written by lbctl */
	__u64 hash_key[LB_HASH_KEYS]; /* keys of the flow hash, made from tuning.hash_seed */
	__u32 record_mask;	/* buckets of lb_records, less one: they are a power of two */
	__u32 test_clock;	/* ticks; read only by programs loaded with lb_test_clock */
	__u64 _reserved;
	__u64 record_key[LB_HASH_KEYS]; /* keys of the records' hash, of this host alone */
	__u64 _reserved2[5];
};
_Static_assert(sizeof(struct lb_settings) == 256, "lb_settings is 256 bytes");

/* ---- service and reply tables: collision-free ----------------------------------------------- */

/* A half has 2^log2 entries and half as many displacements. The daemon picks seed and
 * displacements so that no two keys meet (hash, displace and compress: Belazzougui, Botelho,
 * Dietzfelbinger, ESA 2009); a reader does one displacement and one entry, hit or miss. Of a few
 * keys some seed needs no displacement: LB_TABLE_FLAT, and a reader does the entry alone. */
#define LB_TABLE_LOG2_MIN	4
#define LB_TABLE_LOG2_MAX	16
#define LB_TABLE_ENTRIES	(1U << LB_TABLE_LOG2_MAX)	/* of a half */
#define LB_TABLE_KEYS		(LB_TABLE_ENTRIES / 2)		/* that fit into a half */
#define LB_TABLE_DISPLACEMENTS	(LB_TABLE_ENTRIES / 2)		/* of a half */

struct lb_key {
	union lb_addr addr;	/* of the vip; in lb_replies of the backend */
	__be16 port;		/* 0 in lb_services: any port, looked up second; in lb_replies:
				 * fragments, whose ports are not read */
	__u8 protocol;		/* IPPROTO_TCP or _UDP; 0 with port 0: "this address is a vip" */
	__u8 _pad[5];
};
_Static_assert(sizeof(struct lb_key) == 24, "lb_key is 24 bytes");

#define LB_ENTRY_USED	1
#define LB_ENTRY_TRACK	2	/* track = "always": records for all packets of the service */
#define LB_ENTRY_REJECT	4	/* when_down = "reject": who finds no backend is told so */
#define LB_ENTRY_MSS	8	/* `mss`: the segment size of SYNs is clamped */
#define LB_ENTRY_SOURCE	16	/* hash = "source": the slot follows from the source address */
#define LB_ENTRY_UP	32	/* of a vip's own entry: some service of it is up */

struct lb_entry {		/* two of them fill a cache line */
	union lb_addr addr;
	union {
		struct {
			__be16 port;
			__u8 protocol;
			__u8 used;	/* LB_ENTRY_*; 0 in an empty entry */
		};
		__u32 rest;	/* the three, to be compared at once */
	};
	__u32 id;		/* lb_services: of the service; lb_replies: of the backend */
	__u32 slot_base;	/* lb_services: the ring's first slot */
	__u32 slot_count;	/* its slots; 0 in an entry that only marks a vip */
};
_Static_assert(sizeof(struct lb_entry) == 32, "lb_entry is 32 bytes");

/* Where a key stands. `hash` is lb_key_hash(), `mask` that of the half. Bits 48 and up name the
 * bucket, those from 32 the position and those from 16 its step; the lower are too regular.
 *
 * The halves of the address and the rest of the key go in one after the other, with a
 * multiplication between them: in one word an IPv6 subnet and a port could cancel each other out,
 * and no seed would separate two such keys. The first shift is for a change in the high bits
 * alone, which a multiplication leaves there, within reach of a like change in the second half. */
static inline __attribute__((always_inline)) __u64 lb_key_hash(const struct lb_key *key, __u32 seed)
{
	__u64 hash = seed;

	if (key->addr.quad[0]) { /* never in IPv4 */
		hash = (key->addr.quad[0] ^ (key->addr.quad[0] >> 23) ^ seed) *
		       0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	hash ^= key->addr.quad[1];
	hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93ULL;
	hash ^= (hash >> 32) ^ key->port ^ ((__u64)key->protocol << 16);
	return hash * 0xd6e8feb86659fd93ULL;
}

static inline __attribute__((always_inline)) __u32 lb_table_bucket(__u64 hash, __u32 mask)
{
	return (__u32)(hash >> 48) & (mask >> 1);
}

static inline __attribute__((always_inline)) __u32 lb_table_position(__u64 hash, __u32 displacement,
								    __u32 mask)
{
	__u32 step = (__u32)(hash >> 16) | 1;

	return ((__u32)(hash >> 32) + displacement * step) & mask;
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* A slot is one word: owner in bits 0 to 31, previous in 32 to 47, the motion's epoch in 48 to 62,
 * moving in 63. A settled slot has only its owner, so its word is the owner's id. The daemon
 * writes it with one aligned 8-byte store and the program reads it once: what it says belongs
 * together. */
#define LB_SLOT(owner, previous, moving)                                                          \
	((__u64)(__u32)(owner) | ((__u64)(previous) << 32) | ((__u64)!!(moving) << 63))
#define LB_SLOT_OWNER(word)	((__u32)(word))
#define LB_SLOT_PREVIOUS(word)	((__u32)((word) >> 32) & 0xffff)
#define LB_SLOT_EPOCH(word)	((__u32)((word) >> 48) & 0x7fff)
#define LB_SLOT_EPOCH_BITS(epoch) ((__u64)((epoch) & 0x7fff) << 48)
#define LB_SLOT_MOVING(word)	((word) >> 63)
_Static_assert(LB_MAX_BACKENDS <= 1 << 16, "an id fits into a slot's previous");

/* What a settled packet needs of a slot is 2 bytes: its owner, in a table of its own (lb_owners),
 * LB_OWNERS of them in a line. A ring of a thousand services then stands in a quarter of the caches
 * and of the TLB. LB_OWNER_MOVING sends the packet to the word. The word is stored first, the owner
 * after it: who reads the owner from before a change is as one who read the word before it. */
#define LB_OWNERS	32
#define LB_OWNER_MOVING	0xffff
struct lb_owners {
	__u16 owner[LB_OWNERS];
};
_Static_assert(sizeof(struct lb_owners) == 64, "lb_owners is one cache line");
_Static_assert(LB_MAX_BACKENDS <= LB_OWNER_MOVING, "no backend has that id");

/* Beside each slot, what only a moving one is asked for. The program stamps the clock whenever a
 * packet goes to another than the owner; the daemon settles a slot whose clock has stood still
 * for longer than any record lives. The epoch counts the motions and is part of a record's tag, so
 * that nothing recorded in one motion can speak in the next. A packet takes it from the word, for
 * the slot may have settled, or set off again, since that was read; from here only where the slot
 * is at rest and its service tracks always, whose epoch stays. */
struct lb_clock {
	__u32 clock;		/* ticks */
	__u32 epoch;		/* of the last motion */
};
_Static_assert(sizeof(struct lb_clock) == 8, "lb_clock is one word");

#define LB_TICK_SHIFT	30	/* a tick is 2^30 ns of CLOCK_MONOTONIC: about 1.07 s */
#define LB_MARGIN_TICKS	4	/* above a CPU that lags and a clock that is coarse */

/* ---- records: flows of moving slots ---------------------------------------------------------- */

/* A bucket is one cache line. An entry is one word, changed by compare-and-swap only: tag in bits
 * 32 to 63, backend in 17 to 31, state in 15 and 16, time of the last packet in 0 to 14 (ticks,
 * modulo 2^15: 9.7 hours). 0 is an empty entry.
 *
 * The time may wrap: within one motion an entry that silent belongs to a flow that is long
 * forgotten, and it can at worst send the next flow of the same addresses and ports where it
 * points; the epoch keeps it from speaking in another motion.
 *
 * Two flows of one bucket with one tag are taken for one: for a packet without a record of its
 * own the chance is 6 / 2^32 (six entries a bucket), and it costs that flow its backend.
 *
 * SYNs may take the last two places only, so that no flood of them takes those of confirmed flows;
 * a record that is confirmed moves to the first four if one is free. An embryonic record keeps its
 * initial sequence number in the word beside, with 32 more bits of the hash, since the two words
 * are not written at once. */
#define LB_BUCKET_PLACES	6
#define LB_BUCKET_CONFIRMED	4	/* places 0 to 3 are for confirmed records only */
#define LB_BUCKETS_LOG2		19	/* 32 MiB: of a million flows 0.5% find no room */

struct lb_bucket {
	__u64 entry[LB_BUCKET_PLACES];
	/* Of places 4 and 5: the ISN, and the other half of the tag. */
	__u64 syn[LB_BUCKET_PLACES - LB_BUCKET_CONFIRMED];
};
_Static_assert(sizeof(struct lb_bucket) == 64, "lb_bucket is one cache line");

enum lb_record_state { LB_RECORD_EMBRYONIC = 1, LB_RECORD_CONFIRMED, LB_RECORD_CLOSING };

#define LB_RECORD(tag, backend, state, time)                                                      \
	((__u64)(tag) << 32 | (__u64)(backend) << 17 | (__u64)(state) << 15 | ((time) & 0x7fff))
#define LB_RECORD_TAG(entry)	 ((__u32)((entry) >> 32))
#define LB_RECORD_BACKEND(entry) ((__u32)(entry) >> 17)
#define LB_RECORD_STATE(entry)	 ((__u32)(entry) >> 15 & 3)
#define LB_RECORD_TIME(entry)	 ((__u32)(entry) & 0x7fff)
#define LB_RECORD_AGE(entry, now) (((now) - LB_RECORD_TIME(entry)) & 0x7fff)

#define LB_CLOSING_TICKS	112	/* two minutes after FIN or RST */
#define LB_EMBRYONIC_TICKS	3	/* after which another SYN may take its place */
#define LB_ISN_WINDOW		65536	/* bytes for which an embryonic record speaks */

/* ---- backends ------------------------------------------------------------------------------- */

enum lb_forward {
	LB_FORWARD_NONE,	/* an id that nobody has */
	LB_FORWARD_NAT,
	LB_FORWARD_DSR,		/* layer 2: only the MACs change */
	LB_FORWARD_IPIP,	/* the packet in an IPv4 or IPv6 packet of its own */
	LB_FORWARD_GUE,		/* the same in UDP: GUE variant 1, to LB_GUE_PORT */
};

#define LB_GUE_PORT		6080	/* registered for it */

#define LB_BACKEND_IPV6		1	/* the family of `address` */
#define LB_BACKEND_GONE		2	/* its flows are lost: who names it does not count */

#define LB_HOP_LOCAL		1	/* a container of this host: TTL and hop limit stay */

#define LB_VLAN_KEEP		0	/* tags stay as they came: this host has no VLANs */
#define LB_VLAN_NONE		0xffff	/* untagged, whatever came */

/* A next hop is two whole 8-byte words, each stored at once: a reader may for one packet see one
 * of them old, which costs that packet and no other. */
struct lb_next_hop {
	__u8 dst_mac[6];	/* both MACs as a frame has them: copied as they stand */
	__u8 src_mac[6];
	__u16 flags;		/* LB_HOP_* */
	__u16 vlan;		/* LB_VLAN_KEEP, LB_VLAN_NONE, or the VLAN ID on the way there */
};
_Static_assert(sizeof(struct lb_next_hop) == 16, "lb_next_hop is two words");

/* One cache line. All but next hop and device is the identity of an id and never changes while
 * the id is in use; another address, port, way of forwarding or vip is another id. */
struct lb_backend {
	struct lb_next_hop hop;
	union lb_addr address;
	union {
		union lb_addr vip; /* NAT: the one address whose packets it gets, else zero */
		union lb_addr encap_source; /* ipip, gue: outer sources, a prefix's first */
	};
	__be16 port;		/* NAT: 0 keeps the packet's; else so does vip_port */
	union {
		__be16 vip_port; /* NAT with a port: the service's */
		__u16 encap_spread; /* ipip, gue: low bits of encap_source that the hash fills */
	};
	__u8 forward;		/* enum lb_forward */
	__u8 flags;		/* LB_BACKEND_* */
	__u16 service;		/* the id of its service */
	/* What RFC 1624 adds for vip → address (and vip_port → port): one's complement sums of
	 * ~old and new, folded to 16 bits, in the byte order of the wire. The reply's are their
	 * complements. */
	union {
		__u16 csum_addr;	/* NAT: for the IPv4 header */
		__u16 mtu;		/* ipip, gue: of the way there; goes with the next hop */
	};
	__u16 csum_l4;		/* NAT: for TCP and UDP */
	__u32 ifindex;		/* where it is sent to, a key of lb_devices; 0: no next hop */
};
_Static_assert(sizeof(struct lb_backend) == 64, "lb_backend is one cache line");

/* ---- counters ------------------------------------------------------------------------------- */

struct lb_counters {		/* per CPU and backend id */
	__u64 packets;
	__u64 bytes;		/* layer 2, as sent towards the backend */
	__u64 new_flows;	/* TCP SYNs without ACK */
	__u64 transmitted;	/* of packets: those that left by the port they came in */
};
_Static_assert(sizeof(struct lb_counters) == 32, "lb_counters is 32 bytes");

/* What each CPU has saved up of the ICMP errors that it may send. */
#define LB_ANSWER_BURST	50
struct lb_ration {
	__u64 at_ms;		/* CLOCK_MONOTONIC at which this was true */
	__u64 tokens;
};

struct lb_drop_key {		/* drops and refusals that a service can be blamed for */
	__u32 service;
	__u32 verdict;
};

struct lb_loss_key {		/* frames lost after the redirect, by the device that lost them */
	__u32 netns;		/* inode of its network namespace */
	__u32 ifindex;
};

struct lb_direct_key {		/* LPM trie: destinations that replies reach untranslated */
	__u32 prefix_len;	/* 0 to 128, over the 16 bytes */
	__u8 addr[16];
};
_Static_assert(sizeof(struct lb_direct_key) == 20, "lb_direct_key is 20 bytes");

/* ---- fragments ------------------------------------------------------------------------------ */

/* Where the first fragment of a datagram went: the rest have no ports, and follow it. In lb_reply
 * the backend is the one whose reply it is. */
#define LB_MAX_FRAGMENTS	16384	/* datagrams on their way; the oldest is forgotten */
#define LB_FRAGMENT_TICKS	30	/* as long as Linux waits for the rest */

struct lb_fragment_key {
	union lb_addr src, dst;
	__u32 id;		/* as it stands in the header: 16 bits of IPv4, 32 of IPv6 */
	__u32 protocol;
};
_Static_assert(sizeof(struct lb_fragment_key) == 40, "lb_fragment_key is 40 bytes");

struct lb_fragment {
	__u32 backend, service;	/* ids */
	__u32 at;		/* ticks */
	__u32 ports;		/* as they stand in the header */
};

/* ---- captures: packets as they come and as they leave --------------------------------------- */

/* What is captured: of one packet in `sample`, the first `snap` bytes, until the clock has come to
 * `deadline` (ticks). Whoever captures puts that off while it runs: when it is killed, the programs
 * stop by themselves. */
#define LB_CAPTURE_WORD(sample, snap, deadline)                                                   \
	((__u64)(sample) | (__u64)(snap) << 16 | (__u64)(deadline) << 32)
#define LB_CAPTURE_SAMPLE(word)		((__u32)(word) & 0xffff)
#define LB_CAPTURE_SNAP(word)		((__u32)(word) >> 16)
#define LB_CAPTURE_DEADLINE(word)	((__u32)((word) >> 32))
#define LB_CAPTURE_SNAP_MAX		65000	/* a record of a perf buffer is at most 64 KiB */
#define LB_CAPTURE_CPUS			1024	/* that can have a buffer */

enum lb_capture_program { LB_CAPTURE_LB, LB_CAPTURE_REPLY };

/* Goes before the bytes. A packet is told twice, first as it came and then as it leaves, by the
 * same CPU and with the same number; bytes of a packet that is dropped are told once. */
struct lb_captured {
	__u64 number;		/* of this CPU's, from 1 */
	__u64 at_ns;		/* CLOCK_MONOTONIC */
	__u32 bytes;		/* of the frame */
	__u32 kept;		/* bytes that follow */
	__u32 ifindex;		/* by which it came in */
	__u32 service, backend;	/* ids; 0: none. When it leaves, as `verdict` */
	__u8 leaves;		/* 0: as it came, 1: as it leaves */
	__u8 verdict;
	__u8 program;		/* enum lb_capture_program */
	__u8 _pad;
};
_Static_assert(sizeof(struct lb_captured) == 40, "lb_captured is 40 bytes");

/* ---- names: what the daemon writes for whoever opens the pins next --------------------------- */

struct lb_layout {
	__u32 version;		/* LB_LAYOUT_VERSION */
	__u32 max_slots;
	__u64 created_ns;	/* CLOCK_REALTIME, for people */
	__u32 direct_count;	/* elements of lb_direct_list */
	__u32 _pad;
};

struct lb_direct_entry {		/* of lb_direct_list */
	struct lb_direct_key key;
	__u32 _pad;
};
_Static_assert(sizeof(struct lb_direct_entry) == 24, "a multiple of 8, as arrays are mapped");

#define LB_UP_IPV4	1
#define LB_UP_IPV6	2

struct lb_service_info {	/* by service id; a free id has an empty name */
	char name[LB_NAME_MAX];
	__u32 slot_base[2];	/* its rings: [0] for IPv4 vips, [1] for IPv6 */
	__u32 slot_count[2];	/* 0: no ring of that family */
	__u32 protocol;		/* IPPROTO_TCP or IPPROTO_UDP */
	__u32 record_life;	/* ticks that a record outlives its last packet */
	__u64 moving_since_ms;	/* CLOCK_BOOTTIME; 0: no slot of it is in motion */
	__u32 mss;		/* with LB_ENTRY_MSS: bytes of a TCP segment at the most */
	__u32 up;		/* LB_UP_*: the families in which it takes new flows */
};
_Static_assert(sizeof(struct lb_service_info) == 104, "lb_service_info is 104 bytes");

struct lb_backend_info {	/* by backend id; a free id has an empty name */
	char name[LB_NAME_MAX];	/* without the service's */
	__u64 freed_ms;		/* CLOCK_BOOTTIME at which the id became free; 0: never used */
	__u64 drain_since_ms;	/* CLOCK_BOOTTIME; 0: not draining */
	__u64 up_since_ms;	/* CLOCK_BOOTTIME; 0: not up */
	__u32 state;		/* enum backend_state, as last known */
	__u32 _pad;
};
_Static_assert(sizeof(struct lb_backend_info) == 96, "lb_backend_info is 96 bytes");

/* ---- the trace: what a private copy of the programs tells about the packet it just ran ------- */

enum lb_pick {			/* why a packet has its backend */
	LB_PICK_NONE,		/* it has none, or the packet is a reply */
	LB_PICK_SETTLED,	/* the slot is at rest: its owner */
	LB_PICK_UNTRACKED,	/* the slot moves, UDP that is not tracked: its owner */
	LB_PICK_RECORD,		/* a record of its flow */
	LB_PICK_NEW,		/* a new flow: the owner, and recorded */
	LB_PICK_BEFORE,		/* no record: it began before the motion: `previous` */
	LB_PICK_NO_ROOM,	/* a new flow that no record can be had for: `previous` */
	LB_PICK_FRAGMENT,	/* as the first fragment went */
};

struct lb_trace {
	union lb_addr src, dst;	/* as the packet came */
	__u64 slot_word;	/* as it was read; 0: none */
	__u32 verdict;
	__u32 service;		/* id; 0: none */
	__u32 backend;		/* id; 0: none */
	__u32 slot;		/* index; ~0: none */
	__u32 hash;		/* of the flow, if a slot was looked for */
	__u32 record;		/* enum lb_record_state of the record that was found; 0: none */
	__be16 sport, dport;
	__u8 protocol;
	__u8 pick;		/* enum lb_pick */
	__u8 quoted;		/* an ICMP error: addresses and ports are those of the flow that
				 * the packet it quotes belongs to */
	__u8 _pad;
};
_Static_assert(sizeof(struct lb_trace) == 72, "lb_trace is 72 bytes");

#endif
