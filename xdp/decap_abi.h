/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What decap (decap.bpf.c) and lbctl decap share, on the hosts of backends that are reached by ipip
 * or gue: its maps, their keys and values, and the one list of its exits. Addresses are as in
 * lb_abi.h: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d.
 *
 * Maps: decap_settings (array of one struct decap_settings), decap_addresses (hash: union lb_addr,
 * the outer destinations that are ours, to a __u32 that nobody reads), decap_sources (LPM trie:
 * struct lb_direct_key to a __u32 that nobody reads), decap_exits (per-CPU array of __u64, by enum
 * decap_exit). Programs: `decap` (XDP) and `decap_mss` (tc, egress). */
#ifndef XDP_DECAP_ABI_H
#define XDP_DECAP_ABI_H

#include <linux/types.h>

#include "lb_abi.h"

#define DECAP_LAYOUT_VERSION	1

#define DECAP_MAX_ADDRESSES	1024
#define DECAP_MAX_SOURCES	1024

#define DECAP_CHECK_SOURCE	1	/* only decap_sources may encapsulate for us */

struct decap_settings {
	__u32 version;	/* DECAP_LAYOUT_VERSION */
	__u32 flags;	/* DECAP_* */
	__u32 mss;	/* of SYN-ACKs that leave, at the most; 0: left alone */
	__u32 _reserved[13];
};
_Static_assert(sizeof(struct decap_settings) == 64, "decap_settings is 64 bytes");

enum decap_action { DECAP_PASS, DECAP_DROP };

/* Name, action, and the sentence that lbctl prints. Append only: the numbers are indexes of a
 * pinned map. */
#define DECAP_EXITS(X)                                                                            \
	X(PASS_OTHER, DECAP_PASS, "not encapsulated for this host")                               \
	X(PASS_IPIP, DECAP_PASS, "taken out of IP")                                               \
	X(PASS_GUE, DECAP_PASS, "taken out of GUE")                                               \
	X(PASS_GUE_OTHER, DECAP_PASS, "GUE that is not an IP packet in UDP: for the stack")       \
	X(PASS_FRAGMENT, DECAP_PASS, "a fragment of an encapsulated packet: for the stack")       \
	X(DROP_SOURCE, DECAP_DROP, "encapsulated by somebody who may not")                        \
	X(DROP_TRUNCATED, DECAP_DROP, "a header is cut short")                                    \
	X(DROP_MALFORMED, DECAP_DROP, "a header contradicts itself or the packet's length")       \
	X(DROP_ECN, DECAP_DROP, "congestion was met by a packet that cannot say so (RFC 6040)")

#define DECAP_EXIT_ENUM(name, action, text) DECAP_##name,
enum decap_exit { DECAP_EXITS(DECAP_EXIT_ENUM) DECAP_EXIT_COUNT };
#undef DECAP_EXIT_ENUM

#define DECAP_EXITS_MAX 16 /* room for more: a new exit changes no table */
_Static_assert(DECAP_EXIT_COUNT <= DECAP_EXITS_MAX, "every exit has its counter");

#endif
